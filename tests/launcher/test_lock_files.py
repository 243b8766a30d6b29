"""The lock files: complete, hashed, free of any registry's address, and each within the next."""

import re

import pytest

from launcher.environment import ROOT

LOCK_FILES = ["requirements.txt", "requirements-local.txt", "requirements-test.txt", "requirements-uv.txt"]


def entries(name):
    """Requirement → its hashes."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement, *hashes = line.split(" --hash=")
            found[requirement.strip()] = hashes
    return found


@pytest.mark.parametrize("name", LOCK_FILES)
def test_everything_is_pinned_and_hashed(name):
    for requirement, hashes in entries(name).items():
        assert re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==\S+", requirement)
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value.strip()) for value in hashes)


@pytest.mark.parametrize("name", LOCK_FILES)
def test_no_registry_is_named(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|file://|--(extra-)?index-url|--find-links|--trusted-host", text)


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [("requirements.txt", "requirements-local.txt"), ("requirements-local.txt", "requirements-test.txt")],
)
def test_who_can_test_can_run(smaller, larger):
    """bin/up accepts an environment that bin/test has filled, so that using both does not reinstall each time."""
    assert entries(smaller).items() <= entries(larger).items()
