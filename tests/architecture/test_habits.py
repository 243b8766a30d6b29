"""Habits that hold in every room."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

from tests.architecture.source import ROOT, floors, modules, place, room_of, tree

CLOCK = ROOT / "common/clock.py"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SQL_CLOCK = re.compile(r"\b(now\(\)|current_timestamp|current_date|clock_timestamp|statement_timestamp)", re.I)


def found(path: Path, wanted) -> list[str]:
    return [place(path, node.lineno) for node in ast.walk(tree(path)) if wanted(node)]


def all_found(wanted, *, but: tuple[Path, ...] = ()) -> list[str]:
    return [spot for path in modules() if path not in but for spot in found(path, wanted)]


def test_no_import_hides_in_a_function():
    wrong = [
        place(path, inner.lineno)
        for path in modules()
        for outer in ast.walk(tree(path))
        if isinstance(outer, FUNCTIONS)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert wrong == []


def test_nothing_prints():
    assert all_found(lambda node: isinstance(node, ast.Name) and node.id in {"print", "pprint"}) == []


def test_time_comes_from_one_clock():
    def is_of_a_clock(node: ast.AST, names: set[str]) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and node.attr in names
            and isinstance(node.value, ast.Name)
            and node.value.id in {"timezone", "datetime", "date"}
        )

    def reads_another(node: ast.AST) -> bool:
        # localtime(value) only converts; without a value it reads.
        reads = isinstance(node, ast.Call) and not node.args and is_of_a_clock(node.func, {"localtime", "localdate"})
        return reads or is_of_a_clock(node, {"now", "utcnow", "today"})

    assert all_found(reads_another) == []


def test_no_sql_reads_a_clock_of_its_own():
    def reads_clock(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(SQL_CLOCK.search(node.value))

    docstrings = {
        ast.get_docstring(node, clean=False)
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    assert all_found(lambda node: reads_clock(node) and node.value not in docstrings, but=(CLOCK,)) == []


def test_no_field_sets_its_own_time():
    wrong = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in floors()
        for field in model._meta.get_fields()
        if isinstance(field, models.DateField) and (field.auto_now or field.auto_now_add)
    ]
    assert wrong == []


def test_no_signal_carries_business():
    """News between rooms goes through the outbox; a receiver would run unseen in somebody else's transaction."""

    def listens(node: ast.AST) -> bool:
        return isinstance(node, ast.ImportFrom) and node.module == "django.db.models.signals"

    assert all_found(listens) == []


@pytest.mark.parametrize("room", sorted(floors()))
def test_migrations_say_what_they_do(room):
    names = [path.stem for path in (ROOT / room / "migrations").glob("0*.py")]
    assert [name for name in names if "_auto_" in name or len(name) < 8] == []


def test_models_do_no_io():
    """`models.py` holds fields and constraints: it imports neither HTTP nor tasks nor services."""
    forbidden = ("httpx", "celery", "redis", "django.http", "requests")
    wrong = []
    for path in modules():
        if "models" not in path.relative_to(ROOT / room_of(path)).with_suffix("").parts:
            continue
        for node in ast.walk(tree(path)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong += [place(path, node.lineno) for name in names if name.startswith(forbidden)]
    assert wrong == []
