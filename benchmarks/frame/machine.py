"""Where figures were measured: without it they cannot be compared."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import django
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
# What a figure of a database depends on.
SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "work_mem",
    "jit",
    "max_parallel_workers",
)


def facts() -> dict:
    return {
        "processor": next(_of("/proc/cpuinfo", "model name"), platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory": next(_of("/proc/meminfo", "MemTotal"), "?"),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "django": django.get_version(),
        "postgresql": _asked("SHOW server_version"),
        "settings": {name: _asked(f"SHOW {name}") for name in SETTINGS},
        "commit": _commit(),
    }


def _of(file: str, name: str) -> Iterator[str]:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            yield value.strip()


def _asked(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def _commit() -> str:
    """The commit that was measured, with a + when files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except OSError:
        return "?"


def peak_megabytes(read: Callable[[], str] = lambda: Path("/proc/self/status").read_text()) -> float:
    """The most memory that this process has held so far, in MB."""
    line = next(line for line in read().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
