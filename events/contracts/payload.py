"""Contracts to JSON and back."""

import types
import typing
from dataclasses import MISSING, asdict, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from events.contracts.base import REGISTRY


def to_payload(event: Any) -> dict:
    """The event as JSON: decimals as strings, times as ISO 8601 in UTC."""
    return _plain(asdict(event))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        # One moment has one text, whatever zone it was computed in.
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value


def from_payload(kind: str, version: int, payload: dict) -> Any:
    """The dataclass that was emitted. Raises KeyError for an event that no contract describes."""
    return _build(REGISTRY[kind, version], payload)


def _build(cls: type, payload: dict) -> Any:
    """A field that older events do not have takes its default."""
    return cls(
        **{
            name: _typed(hint, payload[name])
            for name, hint, is_required in _fields(cls)
            if is_required or name in payload
        }
    )


@lru_cache
def _fields(cls: type) -> list[tuple[str, Any, bool]]:
    """Name, type and whether it must be told. Types are written as text, and reading them takes longer than all else."""
    hints = typing.get_type_hints(cls)
    return [(f.name, hints[f.name], f.default is MISSING) for f in fields(typing.cast(Any, cls))]


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_typed(inner, item) for item in value)
    if is_dataclass(hint):
        return _build(typing.cast(type, hint), value)
    if hint is Decimal:
        return Decimal(value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    return value
