"""Answers that go wrong because a test asked for it, by the name of the call, such as alipay.query."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from sandbox.tongue import Refused
from sandbox.web import Response, as_json, page

MODES = ("hang", "garbage", "nested", "status500", "refused")


@dataclass
class Fault:
    """The next `times` answers of a call go wrong this way."""

    mode: str
    seconds: float = 30
    times: int = 1


class Faults:
    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def set(self, call: str, fault: Fault | None) -> None:
        """None makes the call well again. Raises Refused for a mode that there is not."""
        if fault is not None and fault.mode not in MODES:
            raise Refused(f"mode: {', '.join(MODES)}")
        with self._lock:
            self._faults.pop(call, None)
            if fault is not None:
                self._faults[call] = fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def _next(self, call: str) -> Fault | None:
        with self._lock:
            fault = self._faults.get(call)
            if fault:
                fault.times -= 1
                if fault.times <= 0:
                    del self._faults[call]
        return fault

    def spoil(self, call: str, answer: Callable[[], Response], refusal: Callable[[], Response]) -> Response:
        """The answer, or what the fault makes of it. Except for "refused" the call has had its effect."""
        fault = self._next(call)
        if fault is None:
            return answer()
        if fault.mode == "refused":
            return refusal()
        response = answer()
        if fault.mode == "hang":
            time.sleep(fault.seconds)
        elif fault.mode == "garbage":
            return page("<br />\n<b>Fatal error</b>: Uncaught PDOException in /www/wwwroot/pay/api.php on line 42")
        elif fault.mode == "nested":
            return as_json(response.body.decode())
        elif fault.mode == "status500":
            return page("502 Bad Gateway", HTTPStatus.BAD_GATEWAY)
        return response
