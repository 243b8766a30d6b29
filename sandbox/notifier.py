"""Sends notifies and repeats them on the gateways' schedule until the merchant answers.

A notify is a record of the store: {id, order, kind, about, due, tries, done, gave_up, log: [{at, status, answer, error}]},
`due` and `at` in Unix seconds. What is sent is written anew for each try, because gateways date and sign each one. Several
threads send, so one merchant that hangs does not hold up the others.
"""

import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Protocol

from sandbox.store import Store
from sandbox.tongue import Letter, Tongue

TIMEOUT = 10
READ = 256
SENDERS = 8


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


# No proxy from the environment either: the merchant is on this machine.
_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def deliver(letter: Letter, timeout: float = TIMEOUT) -> tuple[int, str]:
    """Send it without following redirects. Returns status and the beginning of the body.

    Raises OSError, ValueError or http.client.HTTPException when there is no answer that can be read.
    """
    body = letter.body if letter.method != "GET" else None
    # The address was checked when it was given, see `tongue.as_address`.
    request = urllib.request.Request(letter.url, body, dict(letter.headers), method=letter.method)  # noqa: S310
    try:
        with _opener.open(request, timeout=timeout) as reply:
            return reply.status, reply.read(READ).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(READ).decode("utf-8", "replace")


class Writer(Protocol):
    """Who knows what a notify says, and how its protocol repeats it."""

    def letter(self, notify: dict) -> Letter | None: ...
    def tongue_for(self, notify: dict) -> Tongue: ...


class Notifier:
    """One thread watches the times, `SENDERS` others send; all are daemons, so a hanging merchant delays no exit."""

    def __init__(self, store: Store, writer: Writer, *, scale: float = 1.0, clock: Callable[[], float] = time.time):
        """`scale` stretches the schedules: 0.01 makes 15 s of waiting 0.15 s."""
        self.store = store
        self.writer = writer
        self.scale = scale
        self.clock = clock
        # Other timed work: does what is due, returns the seconds until the next, or None.
        self.also: list[Callable[[], float | None]] = []
        self._waiting = {r["id"]: r["due"] for r in store.all() if not r["done"] and not r["gave_up"]}
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="notifier", daemon=True)

    def start(self) -> None:
        self._watcher.start()
        for number in range(SENDERS):
            threading.Thread(target=self._send_forever, name=f"notify-{number}", daemon=True).start()

    def stop(self) -> None:
        """What was not answered by now is sent again after the next start."""
        self._stopped.set()
        self._wake.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def add(self, *, notify_id: str, order: str, kind: str, about: str = "") -> None:
        notify = {"id": notify_id, "order": order, "kind": kind, "about": about, "due": self.clock()}
        self.store.save(notify | {"tries": 0, "done": False, "gave_up": False, "log": []})
        self._schedule(notify_id, notify["due"])

    def wake(self) -> None:
        self._wake.set()

    def _schedule(self, notify_id: str, due: float) -> None:
        with self._lock:
            self._waiting[notify_id] = due
        self.wake()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            waits = [wait for work in self.also if (wait := work()) is not None]
            now = self.clock()
            with self._lock:
                for notify_id in [i for i, due in self._waiting.items() if due <= now]:
                    del self._waiting[notify_id]
                    self._queue.put(notify_id)
                waits += [due - now for due in self._waiting.values()]
            self._wake.wait(min(waits, default=60.0))

    def _send_forever(self) -> None:
        while not self._stopped.is_set():
            self._send(self._queue.get())

    def _send(self, notify_id: str) -> None:
        notify = self.store.get(notify_id)
        letter = self.writer.letter(notify) if notify else None
        if notify is None or letter is None:
            return
        tongue = self.writer.tongue_for(notify)
        entry = {"at": self.clock(), "status": None, "answer": "", "error": ""}
        try:
            entry["status"], entry["answer"] = deliver(letter)
        except (OSError, ValueError, http.client.HTTPException) as error:
            entry["error"] = type(error).__name__
        if self._stopped.is_set():
            return
        with self.store.change(notify_id) as record:
            record["log"].append(entry)
            record["tries"] += 1
            record["done"] = entry["status"] is not None and tongue.heard(entry["status"], entry["answer"])
            record["gave_up"] = not record["done"] and record["tries"] >= len(tongue.schedule)
            again = not record["done"] and not record["gave_up"]
            if again:
                record["due"] = self.clock() + tongue.schedule[record["tries"]] * self.scale
        if again:
            self._schedule(notify_id, record["due"])
