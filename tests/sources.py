"""The texts that our sources mark for translation, read without gettext's own tools."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.utils.translation.template import templatize

ROOT = Path(__file__).parents[1]
# How many leading arguments are texts, and which of them is the context.
CALLS = {
    "_": (1, False),
    "gettext": (1, False),
    "gettext_lazy": (1, False),
    "gettext_noop": (1, False),
    "ngettext": (2, False),
    "ngettext_lazy": (2, False),
    "pgettext": (2, True),
    "pgettext_lazy": (2, True),
    "npgettext": (3, True),
    "npgettext_lazy": (3, True),
}
STRING = r"""u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
MARKED = re.compile(rf"\b(n?p?gettext|_)\(({STRING}(?:\s*,\s*{STRING})*)")
ELSEWHERE = ("tests/", "sandbox/", "launcher/")


class Text(NamedTuple):
    context: str | None
    text: str
    plural: str


def marked_texts() -> set[Text]:
    """Every text of the Python files and templates that are part of the shop."""
    listed = subprocess.run(["git", "ls-files", "*.py", "*.html", "*.txt"], cwd=ROOT, capture_output=True, text=True)
    found: set[Text] = set()
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if name.startswith(ELSEWHERE) or not path.exists():
            continue
        if path.suffix == ".py":
            found.update(of_python(path.read_text()))
        elif "templates/" in name:
            found.update(of_template(path.read_text()))
    return found


def of_python(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
            count = CALLS.get(name, (0, False))[0]
            values = [one.value for one in node.args[:count] if isinstance(one, ast.Constant)]
            if count and len(values) == count:
                yield _text(name, values)


def of_template(source: str) -> Iterator[Text]:
    for call in MARKED.finditer(templatize(source)):
        yield _text(call[1], list(ast.literal_eval(f"[{call[2]}]")))


def _text(name: str, values: list[str]) -> Text:
    count, in_context = CALLS[name]
    context = values[0] if in_context else None
    texts = values[1:count] if in_context else values[:count]
    return Text(context, texts[0], texts[1] if len(texts) == 2 else "")
