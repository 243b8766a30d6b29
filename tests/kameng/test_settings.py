"""The shop does not start with secrets that others know. Each start is a process of its own, or a child of one that waits."""

import base64
import hashlib
import json
import os
import random
import re
import subprocess
import sys

import pytest

from common.strength import key_weakness, password_weakness, weakness
from kameng.settings import HOW_TO
from tests.sandboxes import ROOT


def hard_bytes(name: str, count: int = 32) -> bytes:
    """As good as random, and the same in every process that collects these tests."""
    return hashlib.sha512(name.encode()).digest()[:count]


def hard(name: str, count: int) -> str:
    return base64.urlsafe_b64encode(hard_bytes(name, count)).decode().rstrip("=")


GOOD = {
    "KAMENG_ENV": "production",
    "SECRET_KEY": hard("0", 48),
    "FINGERPRINT_KEY": hard("1", 48),
    "KEY_RING": "k1:" + base64.b64encode(hard_bytes("2")).decode(),
    "ALLOWED_HOSTS": "shop.example",
    "PUBLIC_URL": "https://shop.example",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    "EMAIL_URL": "smtp+tls://nobody@127.0.0.1:1",
}
# What every program reads, not ours to explain.
OF_THE_SYSTEM = {"HOME", "NO_COLOR", "PATH", "TERM", "XDG_CONFIG_HOME"}


# The whole start, and the part of it that reads secrets: what the first does with them is the second.
WHOLE = "import django; django.setup()"
SECRETS_ONLY = "from django.conf import settings; settings.DEBUG; from common.crypto import master_keys; master_keys()"


# Reads environments, one a line, and starts a child in each that does SECRETS_ONLY; answers with the status and the last
# line of what it said. It has imported only what is not ours, which takes most of the time of a start.
MANY = f"""
import json, os, sys, traceback
import cryptography.hazmat.primitives.ciphers.aead, csp.constants, django.conf, django.utils.translation, environ
for line in sys.stdin:
    reading, writing = os.pipe()
    if not os.fork():
        os.environ.clear()
        os.environ.update(json.loads(line))
        said, status = "", 0
        try:
            exec({SECRETS_ONLY!r})
        except BaseException:
            said, status = traceback.format_exc(), 1
        os.write(writing, json.dumps([status, said.strip().rpartition(chr(10))[2]]).encode() + b"\\n")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        print(answer.readline(), end="", flush=True)
    os.wait()
"""


def environment_with(**changes: str | None) -> dict[str, str]:
    """GOOD changed; None takes a variable away."""
    chosen = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **chosen, "DJANGO_SETTINGS_MODULE": "kameng.settings"}


def start(script: str = WHOLE, **changes: str | None) -> subprocess.CompletedProcess:
    """Set Django up in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment_with(**changes), capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def read_secrets():
    """read_secrets(SECRET_KEY="short") → whether the shop would start, and the last line of its complaint."""
    command = [sys.executable, "-c", MANY]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment_with(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def read(**changes: str | None) -> tuple[bool, str]:
            process.stdin.write(json.dumps(environment_with(**changes)) + "\n")
            process.stdin.flush()
            status, last = json.loads(process.stdout.readline())
            return status == 0, last

        yield read
        process.stdin.close()


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
        ("STAFF_SECOND_FACTOR", "false"),
        ("EMAIL_URL", None),
        ("KEY_EXPORT_DELAY_HOURS", "0"),
        ("KEY_EXPORT_WINDOW_HOURS", "8760"),
        ("KEY_REVEALS_PER_HOUR", "1000000000"),
        ("DEBUG", "true"),
        ("KAMENG_ENV", "prod"),
    ],
)
def test_it_refuses(variable, value, read_secrets):
    started, last = read_secrets(**{variable: value})
    assert not started
    assert "ImproperlyConfigured" in last
    assert variable in last
    assert value is None or len(value) < 10 or value not in last


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", "abcdefgh" * 8),
        ("SECRET_KEY", "0123456789" * 6),
        ("SECRET_KEY", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ("SECRET_KEY", "django-insecure-" + hard("3", 48)),
        ("SECRET_KEY", "at least 50 random characters, at least 50 random ones"),
        ("SECRET_KEY", "python3 -c 'import secrets; print(secrets.token_urlsafe(64))'"),
        ("SECRET_KEY_FALLBACKS", hard("4", 48) + ",old-and-short"),
        ("FINGERPRINT_KEY", "at least 32 random characters, please"),
        ("FINGERPRINT_KEY", hard("5", 16)),
        ("KEY_RING", "the keys that open the stock, see .env.example"),
        ("KEY_RING", "k1:" + base64.b64encode(bytes(32)).decode()),
        ("KEY_RING", "k1:" + base64.b64encode(bytes(range(32))).decode()),
        ("KEY_RING", "k1:" + base64.b64encode(b"sixteen letters " * 2).decode()),
        ("KEY_RING", "k1:" + base64.b64encode(b"a phrase that is 32 letters long").decode()),
        ("KEY_RING", GOOD["KEY_RING"] + "," + GOOD["KEY_RING"]),
        ("KEY_RING", GOOD["KEY_RING"] + ",k2" + GOOD["KEY_RING"].removeprefix("k1")),
        ("METRICS_TOKEN", "metrics"),
        ("DATABASE_URL", "postgres://kameng:postgres@127.0.0.1:5432/kameng"),
        ("DATABASE_URL", "postgres://kameng:short@127.0.0.1:5432/kameng"),
        ("REDIS_URL", "redis://:foobared@127.0.0.1:6379/0"),
        ("SECRET_KEY", "we are a shop for game cards in Hangzhou and this is our signing key 2026"),
        ("FINGERPRINT_KEY", "kameng-production-fingerprint-key-2026"),
        ("METRICS_TOKEN", "prometheus-scrape-token-kameng"),
    ],
)
def test_it_refuses_what_others_could_guess(variable, value, read_secrets):
    started, last = read_secrets(**{variable: value})
    assert not started
    assert "ImproperlyConfigured" in last and variable in last
    assert value not in last and value.rpartition(":")[2] not in last


@pytest.mark.parametrize(
    "value",
    [
        "password1234",
        "aaaaaaaaaaaa",
        "123456789012",
        "kameng-kameng",
        "postgrespostgres",
        "changemechangeme",
        "Kameng-Redis-2026",
        "x9k2x9k2x9k2",
        "P@ssw0rd1234",
    ],
)
def test_a_servers_password_that_others_could_guess_is_weak(value):
    assert password_weakness(value)


@pytest.mark.parametrize(
    "value",
    [
        "MyShop2026!" * 5,
        "20260101-20260102-20260103-20260104-20260105-20260106",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p1qaz2wsx3edc4rfv5tgb",
        "3.14159265358979323846264338327950288419716939937510",
    ],
)
def test_what_somebody_typed_for_want_of_a_better_one_is_weak(value):
    assert weakness(value, least=50)


@pytest.mark.parametrize("key", [bytes(range(0, 64, 2)), bytes(16) + bytes(range(16)), bytes(range(255, 223, -1))])
def test_a_row_of_bytes_is_no_key(key):
    assert key_weakness(key)


class Tokens:
    """What `secrets` makes, and the same in each run."""

    def __init__(self) -> None:
        self.token_bytes = random.Random(20261130).randbytes

    def token_hex(self, size: int) -> str:
        return self.token_bytes(size).hex()

    def token_urlsafe(self, size: int) -> str:
        return base64.urlsafe_b64encode(self.token_bytes(size)).rstrip(b"=").decode()


def test_random_passwords_are_taken():
    tokens = Tokens()
    for make, size in ((tokens.token_hex, 6), (tokens.token_hex, 24), (tokens.token_urlsafe, 9)):
        assert sum(bool(password_weakness(make(size))) for _ in range(2000)) <= 2


@pytest.mark.parametrize(
    "letters",
    [
        "abcdefghijklmnopqrstuvwxyz234567",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_chance_in_few_letters_is_not_taken_for_words(letters):
    chance = random.Random(20261130)
    for _ in range(20000):
        value = "".join(chance.choices(letters, k=50))
        assert "words:" not in weakness(value, least=32)


def test_the_part_that_reads_secrets_is_what_the_whole_start_does(read_secrets):
    """And one process that reads many says what a process of its own says, word for word."""
    assert read_secrets() == (True, "")
    weak = {"KEY_RING": "k1:" + base64.b64encode(bytes(32)).decode()}
    started, said = read_secrets(**weak)
    assert not started and "KEY_RING" in said
    for script in (WHOLE, SECRETS_ONLY):
        done = start(script, **weak)
        assert done.returncode != 0 and done.stderr.strip().splitlines()[-1] == said
    assert read_secrets() == (True, ""), "one environment left something to the next"


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        ("SECRET_KEY", "FINGERPRINT_KEY", hard("6", 48)),
        ("SECRET_KEY", "METRICS_TOKEN", hard("7", 48)),
        ("SECRET_KEY", "SECRET_KEY_FALLBACKS", hard("8", 48)),
        ("FINGERPRINT_KEY", "KEY_RING", base64.b64encode(hard_bytes("9")).decode()),
        ("FINGERPRINT_KEY", "DATABASE_URL", hard("10", 48)),
        ("METRICS_TOKEN", "REDIS_URL", hard("11", 48)),
    ],
)
def test_no_secret_does_for_two(one, other, value, read_secrets):
    dressed = {"KEY_RING": f"k1:{value}", "DATABASE_URL": f"postgres://kameng:{value}@127.0.0.1:1/none"}
    dressed["REDIS_URL"] = f"redis://:{value}@127.0.0.1:1/0"
    started, last = read_secrets(**{one: value, other: dressed.get(other, value)})
    assert not started and "must not be the same" in last
    assert one in last and other in last and value not in last


def test_what_readme_and_env_example_say_makes_secrets_that_are_taken():
    """Every way of making one that stands there, tried many times."""
    tokens = Tokens()
    made = {
        "secrets.token_urlsafe(48)": (tokens.token_urlsafe, 48, 50),
        "secrets.token_hex(24)": (tokens.token_hex, 24, 32),
    }
    told = (ROOT / ".env.example").read_text() + (ROOT / "README.md").read_text() + HOW_TO
    for words, (make, size, least) in made.items():
        assert words in told
        assert [weakness(make(size), least=least) for _ in range(2000)] == [""] * 2000
    assert [key_weakness(tokens.token_bytes(32)) for _ in range(2000)] == [""] * 2000


def test_nothing_that_stands_in_the_readme_or_in_a_template_is_taken():
    """Whatever looks like a value of a secret in what we publish."""
    published = [
        (ROOT / name).read_text() for name in ("README.md", ".env.example", "docker-compose.yml", "Dockerfile")
    ]
    published += [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    for text in published:
        for word in re.findall(r"[A-Za-z0-9_+/=-]{32,}", text):
            # Names of figures, constraints and files are no values.
            assert re.fullmatch(r"[a-z_/-]+", word) or weakness(word, least=32), word
        assert not re.search(r":[A-Za-z0-9+/]{43}=", text), "a master key stands in what we publish"


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
    assert "SECRET_KEY is missing. It must be set" in done.stderr


def test_a_development_shop_starts_without_any():
    done = start(KAMENG_ENV="development", SECRET_KEY=None, FINGERPRINT_KEY=None, KEY_RING=None)
    assert done.returncode == 0, done.stderr


def test_the_readme_lists_every_variable():
    """Names that settings, programs and docker-compose.yml read from the environment, and names in the tables of README.md."""
    read = set(re.findall(r'\b(?:env\.\w+|secret|between)\(\s*"([A-Z_]+)"', (ROOT / "kameng/settings.py").read_text()))
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
