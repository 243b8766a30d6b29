"""The shop does not start with secrets that others know. Each start is a process of its own."""

import base64
import os
import re
import secrets
import subprocess
import sys

import pytest

from tests.sandboxes import ROOT

GOOD = {
    "KAMENG_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "FINGERPRINT_KEY": secrets.token_urlsafe(48),
    "KEY_RING": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "ALLOWED_HOSTS": "shop.example",
    "PUBLIC_URL": "https://shop.example",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
}
# What every program reads, not ours to explain.
OF_THE_SYSTEM = {"HOME", "NO_COLOR", "PATH", "TERM", "XDG_CONFIG_HOME"}


def start(**changes: str | None) -> subprocess.CompletedProcess:
    """Set Django up, with GOOD changed; None takes a variable away."""
    chosen = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    script = "import django; django.setup()"
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, **chosen, "DJANGO_SETTINGS_MODULE": "kameng.settings"},
        capture_output=True,
        text=True,
    )


def test_with_secrets_of_its_own_it_starts():
    done = start()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", None),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 60),
        ("SECRET_KEY", "secret_key-for-development-only-".ljust(60, "x")),
        ("SECRET_KEY", "change-me-" * 6),
        ("FINGERPRINT_KEY", None),
        ("FINGERPRINT_KEY", "fingerprint_key-for-development-only-xxxxxx"),
        ("KEY_RING", None),
        ("KEY_RING", "k1:c2hvcnQ="),
        ("KEY_RING", "k1:" + base64.b64encode(b"kameng-development-master-key-32").decode()),
        ("OUTGOING_ALLOW", "127.0.0.1:9000"),
        ("DEBUG", "true"),
        ("KAMENG_ENV", "prod"),
    ],
)
def test_it_refuses(variable, value):
    done = start(**{variable: value})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert variable in last
    assert value is None or len(value) < 10 or value not in last


def test_django_has_nothing_to_warn_of_in_production():
    """HSTS, secure cookies, redirects to https and the rest of `check --deploy`."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**environment, **GOOD, "DJANGO_SETTINGS_MODULE": "kameng.settings"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


STRICT = {
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
    "CSRF_COOKIE_SECURE": True,
    "SECURE_HSTS_SECONDS": 31536000,
    "SECURE_SSL_REDIRECT": True,
    "STAFF_SECOND_FACTOR": True,
    # A passkey of any other origin would be taken.
    "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": None,
}


def test_production_is_strict_without_being_told():
    script = f"from django.conf import settings; print({{one: getattr(settings, one, None) for one in {list(STRICT)}}})"
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**environment, **GOOD, "DJANGO_SETTINGS_MODULE": "kameng.settings"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == repr(STRICT), done.stderr


def test_forgetting_the_variable_means_production():
    done = start(KAMENG_ENV=None, SECRET_KEY=None)
    assert "SECRET_KEY must be set" in done.stderr


def test_a_development_shop_starts_without_any():
    done = start(KAMENG_ENV="development", SECRET_KEY=None, FINGERPRINT_KEY=None, KEY_RING=None)
    assert done.returncode == 0, done.stderr


def test_the_readme_lists_every_variable():
    """Names that settings, programs and docker-compose.yml read from the environment, and names in the tables of README.md."""
    read = set(re.findall(r'\b(?:env\.\w+|secret)\(\s*"([A-Z_]+)"', (ROOT / "kameng/settings.py").read_text()))
    read |= set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    for folder in ("launcher", "sandbox", "shop", "tests/browser"):
        for path in (ROOT / folder).rglob("*.py"):
            read |= set(re.findall(r'\benviron(?:\.get\(|\[)"([A-Z_]+)"', path.read_text()))
    read -= OF_THE_SYSTEM
    table = (ROOT / "README.md").read_text().split("## Configuration", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert read == listed


@pytest.mark.parametrize("command", ["check", "tier_replay", "migrate"])
def test_a_command_without_secrets_says_what_is_missing_and_how_to_go_on(command):
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    said, hint = done.stderr.strip().splitlines()
    assert "SECRET_KEY" in said and "bin/manage" in hint
