"""The committed files in static/ are what assets/ and the templates ask for, and keep their promises."""

import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django import forms

from tests.architecture.source import modules

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets"
STATIC = ROOT / "static"
# The operator's pages are styled by unfold and static/desk.css.
TEMPLATES = sorted(
    path for path in (ROOT / "templates").rglob("*.html") if not {"admin", "unfold"} & set(path.relative_to(ROOT).parts)
)
BUILT = ["shop.css", "shop.js", "desk.js", "icons.svg"]
NAME = re.compile(r"[A-Za-z][\w-]*")
# Set on elements that only scripts look at, or by scripts on the html element.
SCRIPT_CLASSES = {"count-down-live"}


def sources_digest() -> str:
    """As assets/build.mjs computes it."""
    digest = hashlib.sha256()
    for path in sorted((p for p in ASSETS.rglob("*") if p.is_file()), key=lambda p: p.relative_to(ROOT).as_posix()):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def css() -> str:
    return (STATIC / "shop.css").read_text()


def without_tags(html: str) -> str:
    """Template text with tags gone and variables marked, so that only literal class names remain whole."""
    return re.sub(r"\{\{.*?\}\}", "\0", re.sub(r"\{[%#].*?[%#]\}", " ", html))


def classes_used() -> dict[str, str]:
    """Literal class names by the first template that uses them."""
    found: dict[str, str] = {}
    for path in TEMPLATES:
        for value in re.findall(r'\bclass="([^"]*)"', without_tags(path.read_text())):
            for name in value.split():
                if "\0" not in name:
                    found.setdefault(name, str(path.relative_to(ROOT)))
    return found


def classes_defined() -> dict[str, str]:
    """Class names by the file of assets/css that styles them."""
    found: dict[str, str] = {}
    for path in sorted((ASSETS / "css").glob("*.css")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for selector in re.findall(r"([^{};]+)\{", text):
            for name in re.findall(r"\.([A-Za-z][\w-]*)", "" if selector.strip().startswith("@") else selector):
                found.setdefault(name, path.name)
    return found


def classes_said() -> tuple[set[str], set[str]]:
    """(names that a page can carry, beginnings that a variable ends, such as `badge-`).

    A page's names stand in the class attributes and the class blocks of templates, in any string of a script, and where
    Python, Django's own forms among it, speaks of a class.
    """
    names, beginnings = set(), set()
    for path in TEMPLATES:
        text = path.read_text()
        for value in re.findall(r'class="((?:\{[{%].*?[}%]\}|[^"])*)"|block \w*class %\}(.*?)\{%', text):
            words = without_tags("".join(value)).split()
            names |= {word for word in words if "\0" not in word}
            beginnings |= {word.split("\0")[0] for word in words if "\0" in word}
    for path in (ASSETS / "js").glob("*.js"):
        names |= {
            word
            for quoted in re.findall(r"""(["'`])(.*?)\1""", path.read_text(), re.DOTALL)
            for word in NAME.findall(quoted[1])
        }
    for path in [*modules(), *Path(forms.__file__).parent.glob("*.py")]:
        for value in re.findall(r"""class\w*["']?\s*[:=]\s*f?\\?["']([^"'\\]*)""", path.read_text()):
            names |= set(value.split())
    return names, beginnings


def endings_said() -> set[str]:
    """What a variable of a template may hold: arguments of an include, values that Python names."""
    words = set()
    for path in [*TEMPLATES, *modules()]:
        words |= set(re.findall(r'"([a-z0-9-]+)"', path.read_text()))
    return words


def icons_used() -> set[str]:
    names = {line.strip() for line in (ASSETS / "icons.txt").read_text().splitlines() if line.strip()}
    names = {name for name in names if not name.startswith("#")}
    for path in TEMPLATES:
        names |= set(re.findall(r'(?:\{% icon |\bicon=)"([a-z0-9-]+)"', path.read_text()))
    return names


@pytest.mark.parametrize("name", ["shop.css", "shop.js", "desk.js"])
def test_built_files_carry_the_digest_of_their_sources(name):
    assert f"sources sha256 {sources_digest()}" in (STATIC / name).read_text()[:200], "run bin/assets"


def test_every_class_in_a_template_has_a_style():
    defined = {re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"\.((?:\\.|[\w-])+)", css())}
    missing = {name: path for name, path in classes_used().items() if name not in defined | SCRIPT_CLASSES}
    assert not missing, "unknown class, or run bin/assets"


def test_every_style_has_a_page():
    names, beginnings = classes_said()
    endings = endings_said()

    def put_together(name: str) -> bool:
        return any(name.startswith(one) and name.removeprefix(one) in endings for one in beginnings if one)

    dead = {name: file for name, file in classes_defined().items() if name not in names and not put_together(name)}
    assert dead == {}, "styled in assets/css, used by no page"


def test_the_sprite_holds_exactly_the_icons_in_use():
    symbols = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    assert symbols == icons_used(), "run bin/assets"


if shutil.which("node") and (ROOT / "node_modules").exists():

    def test_building_again_changes_nothing(tmp_path):
        subprocess.run(["node", "assets/build.mjs", "--out", str(tmp_path)], cwd=ROOT, check=True)
        for name in BUILT:
            assert (tmp_path / name).read_text() == (STATIC / name).read_text(), f"{name}: run bin/assets"


def test_transfer_budget():
    assert len(gzip.compress((STATIC / "shop.css").read_bytes())) <= 20_000
    assert len(gzip.compress((STATIC / "shop.js").read_bytes())) <= 10_000
    assert len(gzip.compress((STATIC / "desk.js").read_bytes())) <= 15_000
    assert len(gzip.compress((STATIC / "icons.svg").read_bytes())) <= 10_000


def test_styles_need_nothing_that_old_in_app_browsers_lack():
    for word in ("oklch(", "oklab(", "color-mix(", "@layer", "@property", "@container", "light-dark("):
        assert word not in css(), word
    assert not re.search(r"@media[^{]*[<>]", css()), "ranges in media queries"
    assert not re.search(r"^\s+&", css(), re.MULTILINE), "nesting"


def test_lock_file_names_no_registry():
    text = (ROOT / "package-lock.json").read_text()
    assert '"integrity"' in text
    assert not re.search(
        r'"resolved"|https?://(?!(www\.)?(github\.com|opencollective\.com|tidelift\.com|paulmillr\.com))', text
    )


def tokens(selector: str) -> dict[str, str]:
    text = (ASSETS / "css" / "tokens.css").read_text()
    block = text[text.index(selector) :]
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block[: block.index("}")]))


LIGHT = ":root {"
DARK = ':root[data-theme="dark"] {'
DARK_BY_SYSTEM = ':root:not([data-theme="light"]) {'
ON_TINT = ("primary", "success", "warn", "danger", "vip")
PAIRS = [
    *[
        (text, ground, 4.5)
        for text in ("ink", "ink-2", "primary", "price")
        for ground in ("bg", "surface", "surface-2")
    ],
    *[(tone, f"{tone}-tint", 4.5) for tone in ON_TINT],
    *[(tone, "surface", 4.5) for tone in ON_TINT],
    ("on-primary", "primary", 4.5),
    ("on-primary", "primary-press", 4.5),
    ("surface", "price", 4.5),
    ("control", "surface", 3),
    ("control", "bg", 3),
]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("selector", [LIGHT, DARK])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_contrast(selector, text, ground, least):
    colours = tokens(selector)
    assert contrast(colours[text], colours[ground]) >= least


def test_dark_is_the_same_by_choice_and_by_system():
    assert tokens(DARK) == tokens(DARK_BY_SYSTEM)
    assert tokens(DARK).keys() == tokens(LIGHT).keys()
