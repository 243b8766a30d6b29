"""What `torture.faults.callbacks` asks of a protocol."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from torture.gateway import Gateway


@dataclass(frozen=True)
class Call:
    """One HTTP request to the notify address; `query` is raw, without the question mark."""

    method: str = "GET"
    query: str = ""
    body: bytes = b""
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Protocol(ABC):
    """One gateway's protocol. Orders are the sandbox's records."""

    # The code of the channel, and what its gateway takes for "I have it".
    channel: str
    accepted: str

    @abstractmethod
    def genuine(self, order: dict) -> Call:
        """What the gateway sends about a paid order."""

    @abstractmethod
    def events(self, order: dict) -> Sequence[Call]:
        """Five callbacks about one paid order that may come in any order: genuine, about its failing, forged, wrong."""

    @abstractmethod
    def forge(self, chance: random.Random, unpaid: dict, paid: Call) -> tuple[str, Call]:
        """(kind, a callback that must not be believed): about an unpaid order, or made of a genuine one of another."""

    @abstractmethod
    def pay(self, gateway: Gateway, number: str) -> dict:
        """Pay at the gateway, its own notify lost; returns the order as the gateway has it now."""
