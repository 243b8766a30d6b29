"""Every act that may stand in the audit log has a name that people read."""

import ast

from common.registries import act_names
from tests.architecture.source import modules, tree


def codes() -> set[str]:
    """The values of `action=…` in calls of record() and record_act(); names are looked up in their own module."""
    found = set()
    for path in modules():
        constants = {
            target.id: node.value.value
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in {"record", "record_act"}:
                continue
            for keyword in node.keywords:
                if keyword.arg == "action" and isinstance(keyword.value, ast.Constant):
                    found.add(keyword.value.value)
                elif keyword.arg == "action" and isinstance(keyword.value, ast.Name):
                    found.add(constants.get(keyword.value.id, ""))
    return found - {""}


def test_every_act_has_a_name():
    assert len(codes()) > 20, "the acts were not found"
    assert sorted(codes() - set(act_names)) == []


def test_acts_that_are_put_together_have_names():
    """Codes that the services choose at run time."""
    chosen = {"user.block", "user.unblock", "keys.done", "keys.failed", "product.save", "sku.save", "category.save"}
    assert sorted(chosen - set(act_names)) == []
