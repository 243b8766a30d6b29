"""The Python environment in .venv: made by venv, filled by uv from a lock file, left alone while nothing changed."""

import ast
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from launcher import machine
from launcher.console import Problem, say, warn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Path.home() fails for a user without a name, as containers have them.
HOME = Path(os.environ.get("HOME", "/nonexistent"))
STAMP = VENV / "kameng-stamp.json"
UV_LOCK = "requirements-uv.txt"
# The lock files that hold everything another one holds: whoever has tested can also run.
SUPERSETS = {"requirements-local.txt": ("requirements-test.txt",)}


def prepare(lock_file: str) -> None:
    """Makes .venv hold exactly what `lock_file` names. A second start only compares a stamp."""
    with _only_one_set_up():
        if _is_current(lock_file):
            return
        STAMP.unlink(missing_ok=True)
        _make_venv()
        _install_uv()
        _install(lock_file)
        # Last, and in one move: a set-up that was killed leaves no stamp and is done again.
        fresh = STAMP.with_suffix(".new")
        fresh.write_text(json.dumps(_wanted(lock_file)))
        fresh.replace(STAMP)


class _only_one_set_up:
    """Two set-ups at once would write over each other. The lock is the repository's folder itself: no file is left."""

    def __enter__(self) -> None:
        self.folder = os.open(ROOT, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self.folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is working in this folder; waiting for it")
            fcntl.flock(self.folder, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self.folder)


def _wanted(lock_file: str) -> dict[str, str]:
    names = (lock_file, UV_LOCK)
    return {
        "python": sys.version.split()[0],
        **{name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names},
    }


def _is_current(lock_file: str) -> bool:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    candidates = (lock_file, *SUPERSETS.get(lock_file, ()))
    return any(stamp == _wanted(name) for name in candidates) and _works(PYTHON)


def _works(python: Path) -> bool:
    """False for a .venv whose Python was removed, upgraded away or cut short."""
    try:
        answer = subprocess.run(
            [python, "-c", "import sys, pip; print(sys.version.split()[0])"], capture_output=True, text=True
        )
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == sys.version.split()[0]


def _make_venv() -> None:
    if _works(PYTHON):
        return
    _require_venv_module()
    say(f"creating .venv with Python {sys.version.split()[0]}")
    _checked([sys.executable, "-m", "venv", "--clear", str(VENV)], "could not create .venv")


def _require_venv_module() -> None:
    """Debian ships Python without `venv`'s other half, ensurepip."""
    for name in ("venv", "ensurepip"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            package = "python{}.{}-venv".format(*sys.version_info[:2])
            raise Problem(
                f"Python's module {name!r} is missing. On Debian and Ubuntu:\n\n"
                f"    {'' if os.geteuid() == 0 else 'sudo '}apt install {package}\n"
            )


def _install_uv() -> None:
    pinned = next(line.split("==")[1].split()[0] for line in (ROOT / UV_LOCK).read_text().splitlines() if "==" in line)
    uv = VENV / "bin" / "uv"
    if uv.exists():
        answer = subprocess.run([uv, "--version"], capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.split()[1:2] == [pinned]:
            return
    say(f"installing uv {pinned}")
    _checked(_pip("install", "--quiet", "--require-hashes", "-r", UV_LOCK), "pip could not install uv")


def _install(lock_file: str) -> None:
    count = sum(1 for line in (ROOT / lock_file).read_text().splitlines() if "==" in line)
    say(f"installing {count} packages from {lock_file}")
    # Compiled now, because an environment may forbid Python to do it later, and then each start takes seconds longer.
    command = [str(VENV / "bin" / "uv"), "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    command += ["--python", str(PYTHON), lock_file]
    answer = _run(command, _uv_environment())
    if answer.returncode == 0:
        return
    # pip knows settings that uv does not (its own index files, keyrings, find-links): slower, but it may get through.
    warn("uv could not install them:")
    sys.stdout.write(answer.stdout.decode(errors="replace"))
    say("trying with pip, which takes longer")
    _checked(_pip("install", "--quiet", "--require-hashes", "-r", lock_file), "the packages could not be installed")


def _pip(*arguments: str) -> list[str]:
    return [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]


def _checked(command: list[str], complaint: str) -> None:
    answer = _run(command)
    if answer.returncode == 0:
        return
    text = answer.stdout.decode(errors="replace").strip()
    if shutil.disk_usage(ROOT).free < 20 * 1024 * 1024:
        complaint += ": the disk is full"
    raise Problem(f"{text}\n\n{complaint} (see above).")


def _run(command: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """A step of the set-up. It ends with the launcher, or it would still be writing while the next start begins."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=machine.tied_to_us(signal.SIGKILL),
    )


def _uv_environment() -> dict[str, str]:
    """uv reads none of pip's settings; a mirror configured for pip should serve uv too, unless uv has its own."""
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "UV_PYTHON_DOWNLOADS": "never"}
    settings = _pip_settings()
    own = {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE"}
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or HOME / ".config")
    if not own & environment.keys() and not (config_home / "uv" / "uv.toml").exists() and "index-url" in settings:
        environment["UV_DEFAULT_INDEX"] = settings["index-url"]
    if "cert" in settings:
        environment.setdefault("SSL_CERT_FILE", settings["cert"])
    if "trusted-host" in settings:
        environment.setdefault("UV_INSECURE_HOST", " ".join(settings["trusted-host"].split()))
    if "proxy" in settings:
        environment.setdefault("ALL_PROXY", settings["proxy"])
    if not os.access(HOME, os.W_OK):
        environment.setdefault("UV_NO_CACHE", "1")
    return environment


def _pip_settings() -> dict[str, str]:
    """pip's configuration, files and PIP_* variables merged; the variables come last and win."""
    answer = subprocess.run(_pip("config", "list"), capture_output=True, text=True)
    settings = {}
    for line in answer.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            settings[key] = str(ast.literal_eval(value)).strip()
    return settings
