"""The words of each kind of message, in the active language."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from common.texts import in_language
from notifications.models import Kind

# Decisions that their buyer may not agree to.
APPEALABLE = frozenset({Kind.DISPUTE_REPLACED, Kind.DISPUTE_REFUNDED, Kind.DISPUTE_REJECTED})


@dataclass(frozen=True)
class Text:
    title: str
    body: str


def text_of(kind: str, params: Mapping[str, str]) -> Text:
    """Title and one or two sentences. Raises KeyError for a kind without words."""
    title, body = _words()[Kind(kind)]
    if kind == Kind.TIER_CHANGED and params.get("todo"):
        body = _("下一级是「%(other)s」：%(todo)s。打开会员中心看全部权益。")
    if kind in APPEALABLE and params.get("until"):
        body = _("%(text)s不同意的话，可以在 %%(until)s 前申诉一次。") % {"text": body}
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
        Kind.CARD_CODES: (
            _("卡券批次「%(batch)s」：%(actor)s%(act)s"),
            _("涉及 %(cards)s 张卡的卡号。如果您不知情，请立即在后台作废这批卡，并核实是谁在操作。"),
        ),
        Kind.ORDER_REFUNDED: (
            _("订单 %(number)s 已退款 ¥%(amount)s"),
            _("款项已经退回，可在订单页查看明细。"),
        ),
        Kind.REFUND_SENT: (
            _("订单 %(number)s 正在原路退款 ¥%(amount)s"),
            _("款项会退回付款时用的账户。有结果时会再通知你，也可在订单页查看。"),
        ),
        Kind.REFUND_RETURNED: (
            _("%(number)s：¥%(amount)s 已原路退回"),
            _("支付渠道已经受理，到账时间以付款账户所在机构为准。"),
        ),
        Kind.REFUND_CREDITED: (
            _("%(number)s：¥%(amount)s 没能原路退回"),
            _("这笔钱没有丢：会员在余额里随时可用，游客在订单页领取。"),
        ),
        Kind.DISPUTE_OPENED: (
            _("售后单 %(number)s 已受理"),
            _("最晚 %(until)s 前答复。处理期间这件商品不会结算，质保期过了也不影响。"),
        ),
        Kind.DISPUTE_ASKED: (
            _("售后单 %(number)s 需要你补充说明"),
            _("客服在售后单里留了话，打开就能回复和补充图片。"),
        ),
        Kind.DISPUTE_REPLACED: (
            _("售后单 %(number)s 已换新"),
            _("新的卡密已经在订单里，原来的已作废。"),
        ),
        Kind.DISPUTE_WAITS: (
            _("售后单 %(number)s 同意换新，正在等补货"),
            _("到货后自动换新；到时限还没有货，自动全额退款。也可以在售后单里直接改为退款。"),
        ),
        Kind.DISPUTE_REFUNDED: (
            _("售后单 %(number)s 已退款 ¥%(amount)s"),
            _("打开售后单看处理说明。"),
        ),
        Kind.DISPUTE_REJECTED: (
            _("售后单 %(number)s 没有通过"),
            _("打开售后单看原因。"),
        ),
        Kind.DISPUTE_OVERDUE: (
            _("售后单 %(number)s 已超过裁定时限"),
            _("买家还在等结果，请尽快裁定。"),
        ),
        Kind.TOPPED_UP: (_("充值 ¥%(amount)s 已到账"), _("现在就可以用余额付款。")),
        Kind.REBATE_PAID: (
            _("%(month)s 的返利 ¥%(amount)s 已到账"),
            _("返利已进入余额，可以购物。怎么算的、有没有退款扣回，余额页都写着。"),
        ),
        Kind.WITHDRAWAL_ASKED: (
            _("已申请提现 ¥%(amount)s 到 %(account)s"),
            _("审核后打款。如果不是你本人操作，请马上修改密码并取消提现。"),
        ),
        Kind.WITHDRAWAL_PAID: (
            _("提现 ¥%(amount)s 已打款到 %(account)s"),
            _("到账时间以收款方为准。"),
        ),
        Kind.WITHDRAWAL_REJECTED: (
            _("提现 ¥%(amount)s 被退回"),
            _("金额已退回余额。原因：%(reason)s"),
        ),
        Kind.PAYOUT_VERIFIED: (_("收款账号 %(account)s 已核实"), _("冷静期过后就可以提现。")),
        Kind.PAYOUT_REFUSED: (_("收款账号 %(account)s 没有通过核实"), _("原因：%(reason)s。可以重新提交。")),
        Kind.CREDIT_GRANTED: (
            _("你的授信额度是 ¥%(limit)s"),
            _("余额不足时可以先用后还，打开授信页查看还款日。"),
        ),
        Kind.CREDIT_DUE: (_("授信请在 %(due)s 前归还"), _("现在共欠 ¥%(used)s。逾期后授信会冻结，余额照常使用。")),
        Kind.CREDIT_FROZEN: (_("授信已冻结"), _("现在共欠 ¥%(used)s。逾期的部分还清后自动恢复，也可以联系客服。")),
        Kind.CREDIT_UNFROZEN: (_("授信已恢复"), _("可以继续使用，额度 ¥%(limit)s，已用 ¥%(used)s。")),
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
