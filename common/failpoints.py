"""Places at which a test may kill a process: before and after every commit, publish, ack and call to a gateway.

FAILPOINTS, which only KAMENG_ENV=test takes, names a folder. Without it nothing is wrapped and nothing costs anything. With
it each place is known by a name such as `orders.services.paying.pay_from_wallet commit before`: the innermost function of
a room that the process is in, and what is about to happen or has happened. In the folder

- `notes`, while it is there, gets the name of every place that is passed, one a line;
- `kill` holds one name: the first process that comes there takes the file away and ends itself as `kill -9` would.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from celery.worker.request import Request
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from kombu import Producer

# What every request passes through says nothing about where it is.
_PASSED_THROUGH = ("common.", "shop.probes", "shop.middleware", "tenancy.middleware", "accounts.middleware")
_WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
_installed: list[Path] = []


def install(folder: Path) -> None:
    """Wrap the places, once per process."""
    if _installed:
        return
    _installed.append(folder)
    _wrap(BaseDatabaseWrapper, "commit", "commit", folder)
    _wrap(Producer, "publish", "publish", folder)
    _wrap(httpx.Client, "send", "call", folder)
    _wrap(Request, "acknowledge", "ack", folder, lambda request: request.task_name)
    connection_created.connect(_watch_single_statements, weak=False)


def _wrap(owner: type, method: str, what: str, folder: Path, name: Callable[[Any], str] | None = None) -> None:
    real = getattr(owner, method)

    @wraps(real)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        where = name(self) if name else where_we_are(sys._getframe(1))
        reach(f"{where} {what} before", folder)
        result = real(self, *args, **kwargs)
        reach(f"{where} {what} after", folder)
        return result

    setattr(owner, method, watched)


def _watch_single_statements(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """A statement outside a transaction is a commit of its own."""
    if _one_by_one not in connection.execute_wrappers:
        connection.execute_wrappers.append(_one_by_one)


def _one_by_one(execute: Callable, sql: str, params: Any, many: bool, context: dict) -> Any:
    if context["connection"].in_atomic_block or not str(sql).lstrip().upper().startswith(_WRITES):
        return execute(sql, params, many, context)
    where, folder = where_we_are(sys._getframe(1)), _installed[0]
    reach(f"{where} write before", folder)
    result = execute(sql, params, many, context)
    reach(f"{where} write after", folder)
    return result


def where_we_are(frame: FrameType | None) -> str:
    """The innermost function of a room, such as `orders.services.placing.place`; with the subscriber, within the relay."""
    rooms = {name for name in settings.INSTALLED_APPS if (settings.BASE_DIR / name).is_dir()}
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] in rooms and "." in module and not module.startswith(_PASSED_THROUGH):
            deliveries = frame.f_locals.get("deliveries") if module == "events.services" else None
            to = f"[{deliveries[0].subscriber}]" if deliveries else ""
            return f"{module}.{frame.f_code.co_qualname}{to}"
        frame = frame.f_back
    return "elsewhere"


def reach(name: str, folder: Path) -> None:
    """Note the place, and die here if a test wants that."""
    notes, kill = folder / "notes", folder / "kill"
    if notes.exists():
        with notes.open("a") as file:
            file.write(name + "\n")
    with suppress(FileNotFoundError):
        if kill.read_text().strip() == name:
            # Only one process can take it away.
            kill.rename(folder / "killed")
            os.kill(os.getpid(), signal.SIGKILL)
