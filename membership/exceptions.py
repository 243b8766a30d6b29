from typing import Any

from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict, NotFound


class RulesRefused(BadInput):
    """A rule set that cannot be stored or published; `problems` are (path, message) pairs."""

    code = "rules_refused"
    message = _("规则有误，请先修正")

    def __init__(self, problems: list[tuple[str, Any]]) -> None:
        self.problems = problems
        super().__init__()

    def __str__(self) -> str:
        return "\n".join(f"{path}: {message}" if path else str(message) for path, message in self.problems)


class BirthdayKnown(Conflict):
    code = "birthday_known"
    message = _("生日只能填写一次，填错了请联系客服")


class NotABirthday(BadInput):
    code = "not_a_birthday"
    message = _("请填写正确的生日")


class OrderNotTheirs(BadInput):
    code = "order_not_theirs"
    message = _("该会员没有这个订单")


class NothingToTakeBack(Conflict):
    code = "nothing_to_take_back"
    message = _("这条登记不存在或已撤回")


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


class PassNotFound(NotFound):
    """No such pass or offer, or the pass is somebody else's."""

    code = "pass_not_found"
    message = _("没有这张升级券")


class PassLimit(Conflict):
    """As many of this offer as one person may have within 30 days."""

    code = "pass_limit"
    message = _("30 天内最多兑换 %(limit)s 张，过些日子再来")


class PassOver(Conflict):
    """It was not used in time."""

    code = "pass_over"
    message = _("这张升级券已过使用期限")


class PassInForce(Conflict):
    """Another pass is in force: two do not stack."""

    code = "pass_in_force"
    message = _("已有一张升级券在生效，到期后再使用这一张")


class PassUseless(Conflict):
    """No tier is above the member's own that the pass may lead to. It is not used up."""

    code = "pass_useless"
    message = _("你的等级已经不低于这张券能提升到的等级，它会为你保留")


class PassBlocked(Conflict):
    """The gates of every tier that the pass may lead to are closed. It is not used up."""

    code = "pass_blocked"
    message = _("更高等级的门槛现在没有满足，升级券不能越过门槛；它会为你保留，满足后再使用")


class BadFeedback(BadInput):
    """Kind or text are not what is needed; the code says which."""


class FeedbackMoved(Conflict):
    """Somebody has decided on it already."""

    code = "feedback_moved"
    message = _("这条反馈已经处理过了，请刷新页面")


class OwnFeedback(Conflict):
    """Staff are members too: what they wrote themselves somebody else decides on."""

    code = "own_feedback"
    message = _("不能处理自己提交的反馈，请由其他同事处理")


class FeedbackNotFound(NotFound):
    code = "feedback_not_found"
    message = _("没有这条反馈")


class UnknownMetric(BadInput):
    """A fact that no metric takes: a caller's mistake."""

    code = "unknown_metric"
    message = _("无法记录这样的活动")


class OverrideRefused(Conflict):
    code = "override_refused"
    message = _("无法这样调整等级：请检查等级、到期时间、原因和当前状态")


class OverrideTooLong(BadInput):
    code = "override_too_long"
    message = _("等级调整最长十年，请选十年以内的到期时间")


class WhatIfRefused(BadInput):
    """A draft that cannot be computed: its rules have errors, or the policy misses its date."""

    code = "what_if_refused"
    message = _("草稿还不能推演，请先修正规则和过渡方式")


class DifferenceOver(Conflict):
    code = "difference_over"
    message = _("这条差异已经结束")


class NoteNeeded(BadInput):
    code = "note_needed"
    message = _("请写明核对结果")
