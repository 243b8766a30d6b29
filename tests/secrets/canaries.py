"""Keys that carry a mark, and a search for it in every place that must not hold one."""

import base64
import re
import secrets
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import redis
from django.contrib.sessions.models import Session

from launcher.postgres import _binaries


class Canaries:
    """`texts` are so many keys; what is stored as a preview of one shows nothing of the mark in its middle."""

    def __init__(self, count: int) -> None:
        self.mark = "Q" + secrets.token_hex(7).upper()
        self.texts = [
            f"{secrets.token_hex(4).upper()}-{self.mark}-{secrets.token_hex(4).upper()}" for _ in range(count)
        ]
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._forms()))

    def _forms(self) -> Iterator[bytes]:
        """The mark as it is, and as it looks in hex, base64 (wherever it begins) and wide characters."""
        raw = self.mark.encode()
        yield raw
        yield raw.lower()
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        yield raw[::-1]
        yield quote(self.mark).encode()
        yield self.mark.encode("utf-16-le")
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + raw)
            # Whole groups only: the first may hold what stands before, the last what comes after.
            yield encoded[4 if offset else 0 : len(encoded) - len(encoded) % 4 - 4]

    def seen_in(self, *texts: bytes | str) -> int:
        """How often the mark stands there."""
        return sum(
            len(self._pattern.findall(text if isinstance(text, bytes) else text.encode(errors="surrogateescape")))
            for text in texts
        )


def dumped(url: str) -> bytes:
    """The whole database as `pg_dump` writes it."""
    return subprocess.run([str(_binaries() / "pg_dump"), url], capture_output=True, check=True).stdout


def in_valkey(url: str) -> Iterator[bytes]:
    """Every value of every database of the server: cached pages, queues, what was taken and not yet acknowledged."""
    databases = int(redis.Redis.from_url(url).config_get("databases").get("databases", 16))
    for number in range(databases):
        address = urlsplit(url)._replace(path=f"/{number}").geturl()
        with redis.Redis.from_url(address) as server:
            for name in server.scan_iter(count=1000):
                yield name
                for value in _values(server, name):
                    yield value
                    yield from _unpacked(value)


def _values(server: redis.Redis, name: bytes) -> list[bytes]:
    match server.type(name):
        case b"string":
            return [server.get(name) or b""]
        case b"list":
            return server.lrange(name, 0, -1)
        case b"set":
            return list(server.smembers(name))
        case b"zset":
            return server.zrange(name, 0, -1)
        case b"hash":
            return [part for pair in server.hgetall(name).items() for part in pair]
        case kind:
            raise AssertionError(f"no test reads a {kind}")


def _unpacked(value: bytes) -> Iterator[bytes]:
    """What a queued message holds in base64."""
    for part in re.findall(rb'"body": "([A-Za-z0-9+/=]+)"', value):
        yield base64.b64decode(part)


def in_sessions() -> Iterator[str]:
    """Sessions opened: in the dump they are packed."""
    for session in Session.objects.iterator():
        yield repr(session.get_decoded())


def in_files(*folders: Path) -> Iterator[bytes]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path.read_bytes()


def of_mails(outbox: Iterable) -> Iterator[str]:
    for mail in outbox:
        yield mail.message().as_string()
        yield mail.body
        yield from (alternative[0] for alternative in getattr(mail, "alternatives", ()))
