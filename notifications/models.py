"""What members are told. Texts are kept as a kind and its parameters, and written in the reader's language when read."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from orders.models import Order


class Kind(models.TextChoices):
    ORDER_DELIVERED = "order_delivered", _("订单已发货")
    ORDER_REFUNDED = "order_refunded", _("订单已退款")
    REFUND_SENT = "refund_sent", _("正在原路退款")
    REFUND_RETURNED = "refund_returned", _("已原路退款")
    REFUND_CREDITED = "refund_credited", _("未能原路退款")
    DISPUTE_OPENED = "dispute_opened", _("售后已受理")
    DISPUTE_ASKED = "dispute_asked", _("售后待补充")
    DISPUTE_REPLACED = "dispute_replaced", _("售后换新")
    DISPUTE_WAITS = "dispute_waits", _("售后等补货")
    DISPUTE_REFUNDED = "dispute_refunded", _("售后退款")
    DISPUTE_REJECTED = "dispute_rejected", _("售后驳回")
    DISPUTE_OVERDUE = "dispute_overdue", _("售后超时（员工）")
    TOPPED_UP = "topped_up", _("充值到账")
    WITHDRAWAL_ASKED = "withdrawal_asked", _("申请提现")
    WITHDRAWAL_PAID = "withdrawal_paid", _("提现已打款")
    WITHDRAWAL_REJECTED = "withdrawal_rejected", _("提现被退回")
    PAYOUT_VERIFIED = "payout_verified", _("收款账号已核实")
    PAYOUT_REFUSED = "payout_refused", _("收款账号未通过")
    CREDIT_GRANTED = "credit_granted", _("授信额度变动")
    CREDIT_DUE = "credit_due", _("授信还款提醒")
    CREDIT_FROZEN = "credit_frozen", _("授信已冻结")
    CREDIT_UNFROZEN = "credit_unfrozen", _("授信已恢复")
    TIER_CHANGED = "tier_changed", _("会员等级变动")
    TIER_WARNED = "tier_warned", _("保级预警")
    TIER_GRACE = "tier_grace", _("进入宽限期")
    REBATE_PAID = "rebate_paid", _("返利到账")
    BIRTHDAY_GIFT = "birthday_gift", _("生日礼")
    COMEBACK_RESTOCK = "comeback_restock", _("补货通知")
    COMEBACK_COUPON = "comeback_coupon", _("补货通知和优惠券")
    COMEBACK_GUIDE = "comeback_guide", _("三步教程")
    COMEBACK_ASK = "comeback_ask", _("询问原因")
    REVIEW_PUBLISHED = "review_published", _("评价已发布")
    REVIEW_REJECTED = "review_rejected", _("评价未通过")
    REVIEW_REMOVED = "review_removed", _("评价被撤下")
    FRIEND_ACTIVE = "friend_active", _("好友达标奖励")
    WELCOME_REWARD = "welcome_reward", _("受邀奖励到账")
    FEEDBACK_ACCEPTED = "feedback_accepted", _("反馈被采纳")
    FEEDBACK_DECLINED = "feedback_declined", _("反馈未采纳")
    KEY_EXPORT = "key_export", _("卡密导出提醒")
    CARD_CODES = "card_codes", _("卡号导出提醒")


class Message(models.Model):
    """One entry of a member's inbox."""

    id = models.BigAutoField(primary_key=True)
    ref = models.CharField(_("业务编号"), max_length=80, unique=True)
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="messages", db_index=False, verbose_name=_("用户")
    )
    kind = models.CharField(_("类型"), max_length=30, choices=Kind)
    params = models.JSONField(_("参数"), default=dict)
    link = models.CharField(_("链接"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("时间"))
    read_at = models.DateTimeField(_("阅读时间"), null=True)

    class Meta:
        verbose_name = _("站内信")
        verbose_name_plural = pgettext_lazy("plural", "站内信")
        indexes = [
            models.Index(fields=["user", "-id"], name="message_user"),
            models.Index(fields=["user"], condition=Q(read_at=None), name="message_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.user_id}"


class Mail(models.Model):
    """One mail to somebody outside, such as a guest. Holds no key and no link that opens anything."""

    class State(models.TextChoices):
        QUEUED = "queued", _("待发送")
        SENT = "sent", _("已发送")
        FAILED = "failed", _("发送失败")

    id = models.BigAutoField(primary_key=True)
    ref = models.CharField(_("业务编号"), max_length=80, unique=True)
    recipient = models.EmailField(_("收件人"))
    kind = models.CharField(_("类型"), max_length=30, choices=Kind)
    params = models.JSONField(_("参数"), default=dict)
    # The order whose signed link goes into the mail; the link itself is made at sending and kept nowhere.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("订单")
    )
    language = models.CharField(_("语言"), max_length=10)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    not_before = models.DateTimeField(_("不早于"))
    last_error = models.CharField(_("最近的错误"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("创建时间"))
    sent_at = models.DateTimeField(_("发送时间"), null=True)

    class Meta:
        verbose_name = _("邮件")
        verbose_name_plural = pgettext_lazy("plural", "邮件")
        permissions = [("retry_mail", _("重新发送邮件"))]
        indexes = [models.Index(fields=["not_before"], condition=Q(state="queued"), name="mail_queued")]

    def __str__(self) -> str:
        return f"{self.kind} → {self.recipient}"
