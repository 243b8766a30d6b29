"""What makes a dataclass the payload of an event."""

from dataclasses import dataclass
from typing import ClassVar

REGISTRY: dict[tuple[str, int], type] = {}


def contract(kind: str, version: int = 1):
    """Registers a frozen dataclass as the payload of event `kind` in `version`."""

    def register(cls: type) -> type:
        frozen = dataclass(frozen=True, kw_only=True)(cls)
        frozen.kind, frozen.version = kind, version
        REGISTRY[kind, version] = frozen
        return frozen

    return register


class Contract:
    kind: ClassVar[str]
    version: ClassVar[int]
