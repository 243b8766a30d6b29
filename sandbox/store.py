"""A journal: one JSON line for each new state of a record, the last line of a record wins.

Enough for a sandbox: it survives a restart and kill -9 (a half-written last line is dropped), and needs no server.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Store:
    """Records are dicts with an `id`, kept in memory and in `path`. All access is under one re-entrant lock."""

    def __init__(self, path: Path):
        self.path = path
        self.lock = threading.RLock()
        self.records: dict[str, dict] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._load()
        self._file = path.open("a", encoding="utf-8")

    def _load(self) -> None:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines():
            try:
                record = json.loads(line)
                self.records[record["id"]] = record
            except (ValueError, KeyError, TypeError):
                # Cut off by a kill, or written by hand: the state before it still stands.
                continue
        self._compact()

    def _compact(self) -> None:
        """Rewrites the journal with one line a record; the old file stays until the new one is on the disk."""
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            for record in self.records.values():
                file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    @contextmanager
    def change(self, record_id: str) -> Iterator[dict]:
        """The record for changing; saved when the block ends without an error. Raises KeyError."""
        with self.lock:
            copy = json.loads(json.dumps(self.records[record_id]))
            yield copy
            self.save(copy)

    def save(self, record: dict) -> None:
        with self.lock:
            self._file.write(_line(record))
            self._file.flush()
            self.records[record["id"]] = json.loads(json.dumps(record))

    def get(self, record_id: str) -> dict | None:
        with self.lock:
            record = self.records.get(record_id)
            return json.loads(json.dumps(record)) if record else None

    def all(self, **wanted: object) -> list[dict]:
        """The records whose fields have the wanted values, oldest first."""
        with self.lock:
            found = [r for r in self.records.values() if all(r.get(name) == value for name, value in wanted.items())]
            return json.loads(json.dumps(found))

    def last(self, **wanted: object) -> dict | None:
        """The newest record whose fields have the wanted values."""
        with self.lock:
            fit = (r for r in reversed(self.records.values()) if all(r.get(n) == value for n, value in wanted.items()))
            record = next(fit, None)
            return json.loads(json.dumps(record)) if record else None

    def close(self) -> None:
        with self.lock:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def _line(record: dict) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
