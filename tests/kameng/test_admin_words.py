"""unfold ships no Chinese: every sentence of it that the admin can show has one in our catalogue, compiled."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import polib
from django.apps import apps
from django.utils.translation import gettext, ngettext, override

from common.registries import act_names

UNFOLD = Path(find_spec("unfold").origin).parent
CATALOGUE = Path(__file__).parents[2] / "locale/zh_Hans/LC_MESSAGES/django.po"
# Parts of unfold that are not installed.
ABSENT = {
    UNFOLD / "contrib" / name
    for name in ("constance", "forms", "guardian", "import_export", "inlines", "location_field", "simple_history")
} | {UNFOLD / "templates/unfold_crispy"}
GETTEXT = {"_", "gettext", "gettext_lazy"}
# Only with these packages, which the shop does not use.
UNUSED = {"%(class_name)s %(instance)s"}


def files(pattern: str) -> list[Path]:
    return [path for path in UNFOLD.rglob(pattern) if not ABSENT & set(path.parents)]


def of_python() -> set[str]:
    found = set()
    for path in files("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in GETTEXT:
                found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return found


def of_templates() -> tuple[set[str], set[tuple[str, str]]]:
    """(plain sentences, sentences with their plural)."""
    plain, plural = set(), set()
    for path in files("*.html"):
        text = path.read_text()
        for quoted in re.findall(r"""(?:{%\s*trans(?:late)?\s+|_\()("[^"]*"|'[^']*')""", text):
            plain.add(quoted[1:-1])
        for head, body in re.findall(r"{%\s*blocktrans(?:late)?(.*?)%}(.*?){%\s*endblocktrans", text, re.S):
            parts = [re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", part) for part in re.split(r"{%\s*plural\s*%}", body)]
            if "trimmed" in head:
                parts = [" ".join(line.strip() for line in part.strip().splitlines()) for part in parts]
            plural.add(tuple(parts)) if len(parts) == 2 else plain.add(parts[0])
    return plain, plural


def test_every_sentence_has_its_chinese():
    plain, plural = of_templates()
    plain |= of_python()
    assert len(plain) > 100, "the sentences were not found"
    with override("zh-hans"):
        # A sentence without letters (a placeholder, a separator) stays as it is.
        left = {one for one in plain - UNUSED if re.search("[A-Za-z]{2}", one) and gettext(one) == one}
        left |= {one for one, many in plural if ngettext(one, many, 2) in {one, many}}
    assert left == set()


def test_the_compiled_catalogue_is_that_of_the_source():
    source, compiled = polib.pofile(str(CATALOGUE)), polib.mofile(str(CATALOGUE.with_suffix(".mo")))
    told = {one.msgid: (one.msgstr, one.msgstr_plural) for one in source.translated_entries()}
    assert told == {one.msgid: (one.msgstr, one.msgstr_plural) for one in compiled}
    assert [one.msgid for one in source.untranslated_entries()] == []


def test_every_act_in_the_audit_log_has_words():
    """Services call their acts by `action="room.act"`, some by one of two."""
    folder = Path(__file__).parents[2]
    rooms = [Path(one.path) for one in apps.get_app_configs() if Path(one.path).parent == folder]
    lines = [line for room in rooms for path in room.rglob("*.py") for line in path.read_text().splitlines()]
    acts = {act for line in lines if re.search(r"\baction ?= ?", line) for act in re.findall(r'"(\w+\.[\w.]+)"', line)}
    assert len(acts) > 30, "the acts were not found"
    assert acts - set(act_names) == set()
