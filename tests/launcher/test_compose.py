"""docker-compose.yml without Docker: its form, its secrets, and the very commands of its services."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from launcher import machine
from launcher.environment import ROOT
from launcher.home import SECRETS
from tests.sandboxes import wait_until
from tests.servers import RunningPostgres, RunningValkey

FILE = ROOT / "docker-compose.yml"
SERVICES = yaml.safe_load(FILE.read_text())["services"]
OURS = ["migrate", "web", "worker", "beat"]
# Settings that production refuses or has no use for.
FOR_DEVELOPMENT = {"DEBUG", "FAILPOINTS", "OUTGOING_ALLOW", "MAIL_SINK"}
# Set by the Dockerfile.
FOR_THE_IMAGE = {"STATIC_ROOT", "MEDIA_ROOT"}


class Unset(Exception):
    pass


def interpolate(text: str, variables: dict[str, str]) -> str:
    """What Compose makes of a string: $$, ${NAME}, ${NAME:-default}, ${NAME:?complaint}."""

    def value(found: re.Match) -> str:
        if found[0] == "$$":
            return "$"
        name, kind, rest = found.groups()
        if variables.get(name):
            return variables[name]
        if kind == ":?":
            raise Unset(name)
        return rest or ""

    return re.sub(r"\$\$|\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def environment_of(name: str, variables: dict[str, str]) -> dict[str, str]:
    """A null entry is passed on when it is set."""
    found = {}
    for key, text in SERVICES[name].get("environment", {}).items():
        if text is not None:
            found[key] = interpolate(str(text), variables)
        elif variables.get(key):
            found[key] = variables[key]
    return found


def required_variables() -> set[str]:
    return set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))


def test_the_file_is_valid_compose():
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]
    answer = subprocess.run(words, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_and_not_root(name):
    service = SERVICES[name]
    assert service["user"] not in ("root", "0", "0:0")
    assert service["cap_drop"] == ["ALL"]
    if name == "migrate":
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


def test_the_image_is_not_root_and_its_user_is_the_services():
    text = (ROOT / "Dockerfile").read_text()
    stage = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER kameng$", stage, re.MULTILINE)
    assert "--uid 10001" in stage
    assert {SERVICES[name]["user"] for name in OURS} == {"10001:10001"}


@pytest.mark.parametrize("missing", sorted(required_variables()))
def test_nothing_starts_without_a_secret(missing):
    given = {name: "given" for name in required_variables() - {missing}}
    with pytest.raises(Unset, match=missing):
        for name in SERVICES:
            environment_of(name, given)


def test_the_example_names_what_is_required_and_gives_nothing_away():
    lines = (ROOT / ".env.example").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(values) == required_variables()
    assert set(values.values()) == {""}


def test_every_setting_can_be_set():
    text = (ROOT / "kameng/settings.py").read_text()
    known = set(re.findall(r"\b(?:env(?:\.\w+)?|secret)\(\s*\"([A-Z_]+)\"", text)) - FOR_DEVELOPMENT - FOR_THE_IMAGE
    for name in OURS:
        assert known <= set(SERVICES[name]["environment"]), name


# What a running shop does not import.
BESIDE = {"tests", "launcher", "sandbox", "benchmarks", "torture"}


def test_the_image_holds_every_room():
    """.dockerignore names what goes in; a new room must not be forgotten."""
    listed = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - BESIDE
    assert rooms <= listed
    files = {path.name for path in ROOT.iterdir()}
    assert listed - files <= {"locale"}


# The commands themselves


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("production")
    with RunningPostgres(folder / "postgres") as postgres, RunningValkey(folder / "valkey") as valkey:
        yield postgres, valkey


@pytest.fixture(scope="module")
def production(servers, tmp_path_factory):
    """service name → the environment of its container, leading to the servers of this test."""
    postgres, valkey = servers
    folder = tmp_path_factory.mktemp("image")
    given = {name: SECRETS[name]() for name in ("SECRET_KEY", "KEY_RING", "FINGERPRINT_KEY")}
    given |= {
        "POSTGRES_PASSWORD": SECRETS["DATABASE_PASSWORD"](),
        "REDIS_PASSWORD": SECRETS["REDIS_PASSWORD"](),
        "EMAIL_URL": "smtp+tls://user:secret@mail.example.com:587",
    }
    given |= {"PUBLIC_URL": "https://shop.example.com", "ALLOWED_HOSTS": "shop.example.com"}
    given |= {"DEFAULT_FROM_EMAIL": "shop@example.com", "WEB_WORKERS": "1"}
    python = Path(sys.executable).parent
    image = {
        "PATH": f"{python}:{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "STATIC_ROOT": str(folder / "collected"),
        "MEDIA_ROOT": str(folder / "media"),
        "HOME": "/nonexistent",
    }
    # As the Dockerfile does it.
    collect = ["python", "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
    subprocess.run(collect, cwd=ROOT, env={**image, "KAMENG_ENV": "development"}, check=True)

    def build(name: str) -> dict[str, str]:
        here = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url, "HOSTNAME": socket.gethostname()}
        if name == "web":
            here |= {"GRANIAN_HOST": "127.0.0.1", "GRANIAN_PORT": str(machine.free_port())}
        return {**image, **environment_of(name, given), **here}

    return {name: build(name) for name in OURS}


def command_of(name: str, folder: Path) -> list[str]:
    """The service's words, with its /tmp, which is its own in a container, moved to `folder`."""
    return [interpolate(word, {}).replace("/tmp/", f"{folder}/") for word in SERVICES[name]["command"]]


def health_of(name: str, folder: Path) -> list[str]:
    kind, *words = [
        interpolate(word, {}).replace("/tmp/", f"{folder}/") for word in SERVICES[name]["healthcheck"]["test"]
    ]
    return ["sh", "-c", *words] if kind == "CMD-SHELL" else words


@pytest.fixture
def run(production, tmp_path):
    """run("web") → the running process and its environment; it must end by itself on SIGTERM."""
    started = []

    def start(name: str):
        log = tmp_path / f"{name}.log"
        with log.open("wb") as target:
            process = subprocess.Popen(
                command_of(name, tmp_path), cwd=ROOT, env=production[name], stdout=target, stderr=subprocess.STDOUT
            )
        started.append((process, log))
        return process, log

    yield start
    for process, log in started:
        process.terminate()
        assert process.wait(60) == 0, log.read_text(errors="replace")


def becomes_healthy(name, run, production, folder) -> None:
    def is_healthy():
        words = health_of(name, folder)
        return subprocess.run(words, cwd=ROOT, env=production[name], capture_output=True).returncode == 0

    # A check that is always content would be none.
    assert not is_healthy()
    process, log = run(name)

    def healthy():
        assert process.poll() is None, log.read_text(errors="replace")
        return is_healthy()

    wait_until(healthy, 90)


@pytest.fixture(scope="module")
def migrated(production, tmp_path_factory):
    words = command_of("migrate", tmp_path_factory.mktemp("migrate"))
    answer = subprocess.run(words, cwd=ROOT, env=production["migrate"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return production


def test_the_settings_pass_djangos_check_for_deployment(production):
    words = ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    answer = subprocess.run(words, cwd=ROOT, env=production["web"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_web_serves_the_shop_behind_a_proxy(migrated, run, production, tmp_path):
    becomes_healthy("web", run, production, tmp_path)
    by_proxy = {"Host": "shop.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    with httpx.Client(base_url=f"http://127.0.0.1:{production['web']['GRANIAN_PORT']}", trust_env=False) as client:
        page = client.get("/", headers=by_proxy)
        assert page.status_code == 200
        style = re.search(r'href="(/static/[^"]+\.css)"', page.text)[1]
        assert client.get(style, headers=by_proxy).status_code == 200
        plain = client.get("/", headers={"Host": "shop.example.com"})
        assert (plain.status_code, plain.headers["Location"]) == (301, "https://shop.example.com/")
        assert client.get("/", headers={**by_proxy, "Host": "elsewhere.example.com"}).status_code == 400


def test_worker_answers_its_check(migrated, run, production, tmp_path):
    becomes_healthy("worker", run, production, tmp_path)


def test_beat_keeps_its_timetable(migrated, run, production, tmp_path):
    becomes_healthy("beat", run, production, tmp_path)
