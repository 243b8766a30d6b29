from typing import Any

from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict


class RulesRefused(BadInput):
    """A rule set that cannot be stored or published; `problems` are (path, message) pairs."""

    code = "rules_refused"
    message = _("规则有误，请先修正")

    def __init__(self, problems: list[tuple[str, Any]]) -> None:
        self.problems = problems
        super().__init__()

    def __str__(self) -> str:
        return "\n".join(f"{path}: {message}" if path else str(message) for path, message in self.problems)


class NotADraft(Conflict):
    code = "not_a_draft"
    message = _("已发布的版本不能更改，请复制为新草稿")


class AlreadyRunning(Conflict):
    code = "already_running"
    message = _("另一个重新评定正在进行")


class BadPoints(BadInput):
    """Not a whole positive number of points, too many at once, or points that have ended before they begin."""

    code = "bad_points"
    message = _("请输入 1 到 1000000 之间的整数积分")


class InsufficientPoints(Conflict):
    """`balance` points are there, fewer than `wanted`."""

    code = "insufficient_points"
    message = _("积分不足：需要 %(wanted)s，现有 %(balance)s")


class PointsRefReused(Conflict):
    """A reference came again for another person, act or amount."""

    code = "points_ref_reused"
    message = _("业务编号已用于另一笔积分")


class PointsReasonNeeded(BadInput):
    code = "reason_needed"
    message = _("请写明原因，会员会看到")
