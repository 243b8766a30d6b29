"""Every acceptance scenario of the design has tests that name its number."""

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]
# test_26_…, test_scenario_12_and_13_…
NAMED = re.compile(r"test_(?:scenario_)?(\d+)_(?:and_(\d+)_)?[a-z]")
SCENARIOS = range(1, 28)
# Told as rooms that know more of them tell them.
HOMES = {16: "membership", 20: "membership", 21: "shop", 22: "shop", 23: "marketing", 24: "insights", 27: "orders"}


def named() -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (match := NAMED.match(node.name)):
                for number in filter(None, match.groups()):
                    found[int(number)].add(str(path.relative_to(TESTS)))
    return found


def test_every_scenario_has_a_test_that_names_it():
    found = named()
    assert [number for number in SCENARIOS if number not in found] == []
    for number, home in HOMES.items():
        assert any(path.startswith(f"{home}/") for path in found[number]), (number, home, found[number])


def test_the_engines_scenarios_are_told_to_the_live_services_too():
    """All of them: those that test_scenarios plays are told to a replay and to the services."""
    found = named()
    engine = [number for number in SCENARIOS if number not in HOMES]
    live = {"test_scenarios.py", "test_scenarios_live.py", "test_climbing.py", "test_invites.py", "test_what_if.py"}
    assert [n for n in engine if not found[n] & {f"membership/{name}" for name in live}] == []
