"""Errors that a caller is meant to see. Each room's exceptions.py derives its own from these."""

import math
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _


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


class ReasonNeeded(BadInput):
    code = "reason_needed"
    message = _("请填写原因")


class TokenNeeded(BadInput):
    """A form came without the token that tells a repeated click from a second wish."""

    code = "token_needed"
    message = _("页面已失效，请核对后再提交一次")


class Conflict(DomainError):
    """Somebody else was first, or the thing is no longer in the state that the call needs."""

    code = "conflict"
    status = 409


class OwnMatter(Conflict):
    """What one may do for others was tried for oneself."""

    code = "own_matter"
    message = _("不能办理自己的款项和订单，请由另一名员工来做")


class NotFound(DomainError):
    """It is not there, or it is not yours: the answer is the same."""

    code = "not_found"
    status = 404


class TooManyRequests(DomainError):
    """A rate limit is used up; `wait` says for how long (timedelta)."""

    code = "too_many_requests"
    status = 429
    message = _("操作太频繁，请 %(seconds)s 秒后再试")

    def __init__(self, wait: timedelta) -> None:
        super().__init__(seconds=max(1, math.ceil(wait.total_seconds())))
