from typing import Any

from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict, DomainError, NotFound, TooManyRequests


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


class WrongCode(DomainError):
    """Wrong, old, or used before: the answer does not say which."""

    code = "wrong_code"
    status = 401
    message = _("验证码不正确或已用过，请输入新的验证码")


class SecondFactorNeeded(DomainError):
    """The password was right, and is not enough for this account."""

    code = "second_factor_needed"
    status = 401
    message = _("这个账户开启了两步验证，请同时提供验证码")


class WrongPasskey(DomainError):
    code = "wrong_passkey"
    status = 401
    message = _("通行密钥没有通过验证，请再试一次")


class SignInLocked(TooManyRequests):
    """This name is shut out from this address, whoever it belongs to and if it belongs to anybody."""

    code = "sign_in_locked"
    message = _("失败次数过多，此网络暂时不能登录这个账户。通过“忘记密码”重设密码后立即解除，或联系客服")


class LockoutNotFound(NotFound):
    code = "lockout_not_found"
    message = _("没有找到这个锁定，或已经解除")


class PuzzleNeeded(DomainError):
    """Too often to go on freely. `puzzle` is for the browser; without one the visitor waits so many seconds."""

    code = "puzzle_needed"
    status = 429
    message = _(
        "操作有点频繁，浏览器正在做一次自动验证，完成后请再提交一次。没有启用 JavaScript 时，请 %(seconds)s 秒后再试"
    )

    def __init__(self, seconds: int, puzzle: dict[str, Any]) -> None:
        super().__init__(seconds=seconds)
        self.puzzle = puzzle


class SolveElsewhere(PuzzleNeeded):
    """The same at the admin's door, which shows no puzzles."""

    message = _("这个账户最近有许多失败的登录：请从商城的登录页登录后再进入后台，或 %(seconds)s 秒后再试")

    def __init__(self, asked: PuzzleNeeded) -> None:
        super().__init__(asked.params["seconds"], asked.puzzle)


class SolvePuzzle(PuzzleNeeded):
    """The same, told to a program."""

    message = _("这个账户最近有许多失败的登录：请解出 params.puzzle，填入 puzzle 后重试，或 %(seconds)s 秒后重试")

    def __init__(self, asked: PuzzleNeeded) -> None:
        super().__init__(asked.params["seconds"], asked.puzzle)
        self.params["puzzle"] = asked.puzzle


class ErasureRefused(Conflict):
    """Something is still open; `reasons` says what."""

    code = "erasure_refused"
    message = _("现在不能注销：%(reasons)s")
    of_staff = _("员工账户请先由管理员取消员工权限")


class NoErasure(NotFound):
    code = "no_erasure"
    message = _("没有等待中的注销申请")


class NoExport(NotFound):
    code = "no_export"
    message = _("没有这个数据副本，或已过期")
