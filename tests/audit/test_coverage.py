"""Acts on money, keys, rules and rights are in the audit log: every service that a person does something by records it.

Read from the sources. A service whose signature names who acts must reach `record(…)`, by itself or by what it calls in its own
module. What machines do by themselves is in the ledger, in the history of orders and in the decisions on tiers.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, imported, modules, tree

WHO_ACTS = {"actor", "approver", "proposer", "decider", "asked_by", "issued_by", "author"}
# Who acts is there, and the log is not the place; each with the reason.
ELSEWHERE = {
    "accounts.services.staff.may_touch": "a question",
    "catalog.services.importing.add_keys": "cards put into stock; wallet records who took the codes",
    "catalog.services.keys.looks_left": "a question; the look itself is recorded",
    "membership.services.points.grant_points": "an entry of the points ledger, by services that record",
    "membership.services.points.reverse_points": "an entry of the points ledger, by services that record",
    "membership.services.rules.approval_problems": "a question",
    "membership.services.rules.copy_rule_set": "a draft rules nothing; its publication is recorded",
    "membership.services.rules.draft_rule_set": "a draft rules nothing; its publication is recorded",
    "orders.services.closing.cancel": "an unpaid order; its history names who",
    "orders.services.disputes.buying.accept_decision": "a buyer's own word; the case's history has it",
    "orders.services.disputes.buying.appeal_decision": "a buyer's own word; the case's history has it",
    "orders.services.disputes.buying.withdraw_dispute": "a buyer's own word; the case's history has it",
    "orders.services.disputes.deciding.decides_alone": "a question",
    "orders.services.disputes.deciding.may_decide": "a question",
    "orders.services.disputes.opening.open_dispute": "a buyer's own word; the case's history has it",
    "wallet.services.hands.done_alone": "a question",
    "wallet.services.ledger.adjust": "an entry of the ledger; adjust_by_staff records",
    "wallet.services.ledger.post": "an entry of the ledger, which is append-only itself",
    "wallet.services.ledger.refund_sale": "an entry of the ledger; orders record the refund",
    "wallet.services.ledger.send_back": "an entry of the ledger; payments record who sends money back",
}


def services() -> Iterator[tuple[Path, ast.FunctionDef]]:
    """Public functions of the rooms' services that say who acts."""
    for path in modules():
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "services" not in parts:
            continue
        for node in tree(path).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            named = {one.arg for one in [*node.args.args, *node.args.kwonlyargs]}
            if named & WHO_ACTS:
                yield path, node


@cache
def names_of(module: str) -> dict[str, str]:
    """What each name of a module stands for, as a dotted name: what it defines, and what it imports."""
    path = next((one for one in modules() if dotted(one) == module), None)
    if path is None:
        return {}
    found = {name.rpartition(".")[2]: name for _, name in imported(path)}
    found |= {node.name: f"{module}.{node.name}" for node in tree(path).body if isinstance(node, ast.FunctionDef)}
    return found


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def where(name: str) -> str:
    """The place where something is defined: packages hand on what their modules have."""
    module, _, last = name.rpartition(".")
    further = names_of(module).get(last, name)
    return name if further == name else where(further)


def called(module: str, node: ast.AST) -> set[str]:
    """Dotted names of the functions that a function calls or hands on."""
    names = names_of(module)
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id in names:
            found.add(where(names[one.id]))
        elif isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id in names:
            found.add(where(f"{names[one.value.id]}.{one.attr}"))
    return found


@cache
def recording() -> set[str]:
    """Functions of the services that record, by themselves or by one another."""
    calls = {
        f"{dotted(path)}.{node.name}": called(dotted(path), node)
        for path in modules()
        if "services" in path.relative_to(ROOT).with_suffix("").parts
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef)
    }
    found = {"audit.services.record"}
    while more := {name for name, names in calls.items() if names & found} - found:
        found |= more
    return found


def test_every_service_that_somebody_does_something_by_records_it():
    known = {f"{dotted(path)}.{node.name}" for path, node in services()}
    assert len(known) > 40, "the services were not found"
    assert known - recording() == set(ELSEWHERE)


# What must never be missing, whoever moves the code: act and the service that writes it.
ACTS = {
    "money": {"wallet.adjust", "payments.confirm", "payments.assign", "order.refund", "points.adjust"},
    "keys": {
        "key.reveal",
        "order.reveal",
        "keys.receive",
        "keys.import",
        "keys.void",
        "keys.export",
        "keys.export_fetch",
        "keys.rotate",
        "keys.reseal",
        "reusable.set",
    },
    "rules": {"membership.rules.publish", "membership.override.approve", "marketing.rebates.save"},
    "rights": {"user.rights", "user.create_staff", "user.reset_password", "group.permissions", "token.issue"},
}


@pytest.mark.parametrize("kind", ACTS)
def test_the_acts_that_matter_are_recorded_somewhere(kind):
    texts = {
        node.value
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert ACTS[kind] - texts == set()
