"""A proxy before the sandbox that spoils the answers: late, cut off, reset, unreadable, about something else, or an error page."""

import asyncio
import json
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

from launcher import machine

# Longer than the shop waits for a gateway.
LATE = (3.2, 4.5)
LIMIT = 256 * 1024
# Where gateways are called, by the protocols that the sandbox speaks; the rest are pages, and buttons of tests.
CALLS = (b".php", b"/api/pay/", b"/gateway.do", b"/v1/", b"/v3/", b"/api/v1/order/", b"/pay/check-status/")
ERRORS = (
    b"500 Error",
    b"502 Bad Gateway",
    b"504 Timeout",
    b"408 Timeout",
    b"409 Conflict",
    b"425 Early",
    b"429 Slow down",
)


class FaultProxy:
    """Use as a context manager; runs in a thread. While `share` is 0 it passes everything on.

    Faults come before the gateway has heard the call ("lost") or after it did what it was asked, which the caller cannot
    tell apart. It never says that a call was refused, nor that something was paid: there are honest gateways that change
    their mind, but no defence against one that lies about money. Its error pages are JSON too, with fields that have the
    names of a protocol's own ("json_error").
    """

    FAULTS = (
        *("lost", "reset", "cut", "late", "drip", "html", "http_500", "empty", "nested", "no_code", "another_order"),
        *("json_error", "json_error"),
    )

    def __init__(self, address: str, chance: random.Random) -> None:
        self.port = machine.free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.behind = urlsplit(address).port
        self.chance = chance
        self.share = 0.0
        self.counts: Counter[str] = Counter()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError):
            request = await self._read(reader)
            # The protocol's own calls are spoilt, not the buttons of tests.
            target = request.split(b"\r\n", 1)[0].split(b" ")[1].split(b"?")[0]
            is_call = any(part in target for part in CALLS)
            fault = self.chance.choice(self.FAULTS) if is_call and self.chance.random() < self.share else "passed on"
            if is_call:
                self.counts[fault] += 1
            await self._answer(request, fault, writer)
        with suppress(ConnectionError, RuntimeError):
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
        kept = [line for line in lines[:-2] if not line.lower().startswith("connection:")]
        body = await reader.readexactly(min(length, LIMIT))
        return ("\r\n".join([*kept, "Connection: close"]) + "\r\n\r\n").encode("latin-1") + body

    async def _ask(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.behind)
        writer.write(request)
        await writer.drain()
        answer = await reader.read(-1)
        writer.close()
        return answer

    async def _answer(self, request: bytes, fault: str, writer: asyncio.StreamWriter) -> None:
        if fault == "lost":
            return _reset(writer)
        answer = await self._ask(request)
        if fault == "reset":
            return _reset(writer)
        if fault == "late":
            await asyncio.sleep(self.chance.uniform(*LATE))
        elif fault == "cut":
            answer = answer[: self.chance.randrange(1, len(answer))]
        elif fault == "drip":
            for place in range(0, len(answer), 40):
                writer.write(answer[place : place + 40])
                await writer.drain()
                await asyncio.sleep(0.8)
            return None
        elif fault not in ("passed on", "lost"):
            answer = _error_page(self.chance) if fault == "json_error" else _spoilt(answer, fault)
        writer.write(answer)
        return await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of a goodbye."""
    link = writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _error_page(chance: random.Random) -> bytes:
    """What proxies and firewalls say for themselves; now and then under a status that says that all is well."""
    status = chance.choice(ERRORS)
    code = int(status.split(b" ")[0])
    page = {"code": code, "status_code": code, "msg": "upstream", "message": "upstream", "error": {"type": "upstream"}}
    body = json.dumps(page).encode()
    told = status if chance.random() < 0.8 else b"200 OK"
    lines = [b"HTTP/1.1 " + told, b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def _spoilt(answer: bytes, fault: str) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = b"502 Bad Gateway" if fault == "http_500" else b"200 OK"
    told = {
        "html": b"<br />\n<b>Fatal error</b>: Uncaught PDOException in api.php on line 42",
        "http_500": b"<h1>502 Bad Gateway</h1>",
        "empty": b"",
    }.get(fault)
    if told is None:
        told = _changed(body, fault)
    lines = [b"HTTP/1.1 " + status, b"Content-Type: text/html", b"Content-Length: %d" % len(told), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + told


def _changed(body: bytes, fault: str) -> bytes:
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    if fault == "nested":
        # Readable all the same: some gateways do it.
        return json.dumps(body.decode()).encode()
    if fault == "no_code":
        fields.pop("code", None)
    elif "out_trade_no" in fields:
        fields["out_trade_no"] = "P000000000000000000"
    else:
        fields = {"msg": "ok"}
    return json.dumps(fields).encode()
