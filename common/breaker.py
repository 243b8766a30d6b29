"""A breaker for conveniences that may be down: after a failure, stop asking for a while, so that nobody waits for it."""

import logging
import threading
import time

logger = logging.getLogger(__name__)


class Breaker:
    """Closed at first; `failed()` opens it for `pause` seconds, `succeeded()` closes it. One per process and service."""

    def __init__(self, name: str, pause: float = 5.0) -> None:
        self.name = name
        self.pause = pause
        self._open_until = 0.0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def failed(self, error: Exception) -> None:
        with self._lock:
            if not self.is_open:
                logger.warning("%s does not answer (%s): going on without it", self.name, type(error).__name__)
            self._open_until = time.monotonic() + self.pause

    def succeeded(self) -> None:
        self._open_until = 0.0


redis_breaker = Breaker("redis")
