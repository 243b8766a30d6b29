"""Errors that a caller is meant to see. Each room's exceptions.py derives its own from these."""

from typing import Any


class DomainError(Exception):
    """A refusal by a business rule: a stable `code` for machines, a translated `message` for people, `params` for both."""

    code = "refused"
    status = 409
    message: Any = ""

    def __init__(self, code: str | None = None, message: Any = None, **params: Any) -> None:
        self.code = code or self.code
        self.message = message if message is not None else self.message
        self.params = params
        super().__init__(self.code)

    def __str__(self) -> str:
        text = str(self.message) or self.code
        return text % self.params if self.params else text


class BadInput(DomainError):
    """What was sent cannot be read or is out of range."""

    code = "bad_input"
    status = 400


class Conflict(DomainError):
    """Somebody else was first, or the thing is no longer in the state that the call needs."""

    code = "conflict"
    status = 409


class NotFound(DomainError):
    """It is not there, or it is not yours: the answer is the same."""

    code = "not_found"
    status = 404
