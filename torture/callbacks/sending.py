"""Sends callbacks as they are, also such as no client library would send."""

import http.client
import random
import threading
from concurrent.futures import ThreadPoolExecutor

from torture.callbacks.base import Call

SENDERS = 4
# A body longer than any callback: the rest of it is not read.
UNREAD = 64 * 1024


class Sender:
    """Sends callbacks from many addresses, as a net of thieves would, over a connection of each thread."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self.chance = chance
        self.pool = ThreadPoolExecutor(SENDERS)
        self.address = url.partition("//")[2]
        self.links = threading.local()

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()

    def send_all(self, channel: str, calls: list[Call]) -> list[tuple[int, str]]:
        addresses = [f"198.18.{self.chance.randrange(256)}.{self.chance.randrange(256)}" for _ in calls]
        return list(self.pool.map(lambda pair: self._send(channel, *pair), zip(calls, addresses, strict=True)))

    def _send(self, channel: str, call: Call, address: str) -> tuple[int, str]:
        """Status and text. A body of which the shop did not want to read the rest may be broken off: (0, "")."""
        try:
            return self._sent(channel, call, address)
        except (http.client.HTTPException, OSError):
            # The connection had been left half-read by the call before; a new one must do.
            try:
                return self._sent(channel, call, address)
            except (http.client.HTTPException, OSError):
                if len(call.body) > UNREAD:
                    return 0, ""
                raise

    def _sent(self, channel: str, call: Call, address: str) -> tuple[int, str]:
        link = getattr(self.links, "link", None)
        if link is None:
            link = self.links.link = http.client.HTTPConnection(self.address, timeout=30)
        try:
            link.putrequest(call.method, f"/pay/notify/{channel}" + (f"?{call.query}" if call.query else ""))
            told = [("Content-Type", call.content_type)] if call.content_type else []
            for name, text in (*call.headers, *told, ("X-Forwarded-For", address)):
                link.putheader(name, text.encode("latin-1", "replace"))
            link.putheader("Content-Length", str(len(call.body)))
            link.endheaders(call.body)
            answer = link.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace").strip()
        except BaseException:
            link.close()
            raise
