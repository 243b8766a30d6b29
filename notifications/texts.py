"""The words of each kind of message, in the active language."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from common.texts import in_language
from notifications.models import Kind


@dataclass(frozen=True)
class Text:
    title: str
    body: str


def text_of(kind: str, params: Mapping[str, str]) -> Text:
    """Title and one or two sentences. Raises KeyError for a kind without words."""
    title, body = _words()[Kind(kind)]
    if kind == Kind.TIER_CHANGED and params.get("todo"):
        body = _("下一级是「%(other)s」：%(todo)s。打开会员中心看全部权益。")
    read = {name: in_language(text, params.get(f"{name}_en", "")) for name, text in params.items()}
    return Text(title % read, body % read)


def _words() -> dict[Kind, tuple[str, str]]:
    return {
        Kind.ORDER_DELIVERED: (
            _("订单 %(number)s 已发货"),
            _("打开订单即可查看卡密和使用教程。出于安全考虑，卡密不会出现在消息里。"),
        ),
        Kind.KEY_EXPORT: (
            _("卡密导出 %(mark)s：%(actor)s%(act)s"),
            _("涉及 %(keys)s 条卡密明文。如果您不知情，请立即在后台“卡密导出”中取消，并核实是谁在操作。"),
        ),
        Kind.ORDER_REFUNDED: (
            _("订单 %(number)s 已退款 ¥%(amount)s"),
            _("款项已经退回，可在订单页查看明细。"),
        ),
        Kind.TOPPED_UP: (_("充值 ¥%(amount)s 已到账"), _("现在就可以用余额付款。")),
        Kind.REBATE_PAID: (
            _("%(month)s 的返利 ¥%(amount)s 已到账"),
            _("返利已进入余额。怎么算的、有没有退款扣回，余额页都写着。"),
        ),
        Kind.TIER_CHANGED: (
            _("你的会员等级现在是「%(tier)s」"),
            _("打开会员中心，看看有哪些权益，以及离下一级还差多少。"),
        ),
        Kind.TIER_WARNED: (
            _("「%(tier)s」的保级条件没有达到"),
            _("需要%(todo)s。没有补足就进入宽限期，其间等级和权益不变；宽限期结束仍未达到，降为「%(other)s」。"),
        ),
        Kind.TIER_GRACE: (
            _("「%(tier)s」进入宽限期，到 %(until)s 为止"),
            _("在那之前%(todo)s，等级就不变；否则降为「%(other)s」。"),
        ),
        Kind.BIRTHDAY_GIFT: (
            _("生日快乐，礼物已经到了"),
            _("打开看看：积分在积分明细里，优惠券在“我的优惠券”里。"),
        ),
        Kind.COMEBACK_RESTOCK: (
            _("%(product)s有货了"),
            _("之前没买到的商品已经补货。不想收到这类消息，可在“好久不见”页关闭。"),
        ),
        Kind.COMEBACK_COUPON: (
            _("%(product)s有货了，送你一张优惠券"),
            _("优惠券在“我的优惠券”里，下单时自动选最省的。不想收到这类消息，可在“好久不见”页关闭。"),
        ),
        Kind.COMEBACK_GUIDE: (
            _("三步就能买好：教程在这里"),
            _("上次的订单没有付完。打开看看，选商品、付款、拿卡密各一步。不想收到这类消息，可在同一页关闭。"),
        ),
        Kind.COMEBACK_ASK: (
            _("好久不见，是哪里不方便？"),
            _("点一下告诉我们原因，缺货的我们补，不好用的我们改。不想收到这类消息，可在同一页关闭。"),
        ),
        Kind.REVIEW_PUBLISHED: (
            _("你对「%(product)s」的评价已发布"),
            _("谢谢你的分享，它能帮到其他买家。"),
        ),
        Kind.REVIEW_REJECTED: (
            _("你对「%(product)s」的评价没有通过审核"),
            _("打开“我的评价”看原因，修改后可以重新提交。"),
        ),
        Kind.REVIEW_REMOVED: (
            _("你对「%(product)s」的评价已被撤下"),
            _("打开“我的评价”看原因。"),
        ),
        Kind.FRIEND_ACTIVE: (
            _("好友 %(name)s 已达标，你得到 %(points)s 积分"),
            _("谢谢你的推荐。积分可以兑换优惠券和升级券。"),
        ),
        Kind.WELCOME_REWARD: (
            _("受邀奖励 %(points)s 积分已到账"),
            _("你已经活跃了足够的天数。积分可以兑换优惠券和升级券。"),
        ),
        Kind.FEEDBACK_ACCEPTED: (
            _("你的反馈已被采纳，奖励 %(points)s 积分"),
            _("谢谢你，打开“建议与举报”看回复。"),
        ),
        Kind.FEEDBACK_DECLINED: (_("你的反馈没有被采纳"), _("打开“建议与举报”看原因。")),
    }
