from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict, DomainError, NotFound


class UserNotFound(NotFound):
    code = "user_not_found"
    message = _("没有找到这个用户")


class NotYours(Conflict):
    """Staff may not do this to this person."""

    code = "not_yours"
    status = 403
    message = _("你无权更改这个账户")


class NotYourself(Conflict):
    code = "not_yourself"
    message = _("不能对自己的账户执行此操作，请联系另一位管理员")


class RightsBeyondOwn(Conflict):
    """Nobody gives away rights that he does not hold."""

    code = "rights_beyond_own"
    status = 403
    message = _("不能授予超出自己权限的员工组：%(groups)s")


class ReasonNeeded(BadInput):
    code = "reason_needed"
    message = _("请填写原因")


class WrongPassword(DomainError):
    """The name, the password or both: the answer does not say which."""

    code = "wrong_password"
    status = 401
    message = _("用户名或密码不正确")


class TooManyTokens(Conflict):
    code = "too_many_tokens"
    message = _("最多可有 %(most)s 个有效令牌，请先撤销不用的")


class TokenUnknown(NotFound):
    code = "token_not_found"
    message = _("没有找到这个令牌")
