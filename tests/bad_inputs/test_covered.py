"""The tables tell the truth: every number is tried somewhere, and what they name exists."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.bad_inputs.covered import COVERED, NAMES, NOT_YET

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


def numbers_here() -> set[int]:
    names = {name for path in HERE.glob("test_*.py") for name in names_in(path)}
    return {int(match[1]) for name in names if (match := re.match(r"test_(\d\d)_", name))}


def test_there_are_eighty_six():
    assert sorted(NAMES) == list(range(1, 87))


def test_each_is_tried_here_or_elsewhere_or_says_why_not():
    tried = numbers_here() | set(COVERED)
    assert sorted(set(NAMES) - tried - set(NOT_YET)) == []
    assert sorted(tried & set(NOT_YET)) == [], "what is tried is not 'not yet'"
    assert sorted((tried | set(NOT_YET)) - set(NAMES)) == []


def test_the_tests_that_are_named_exist():
    gone = []
    for number, named in COVERED.items():
        for one in named:
            path, _colons, name = one.partition("::")
            if not (ROOT / path).is_file() or (name and name not in names_in(ROOT / path)):
                gone.append((number, one))
    assert gone == []
