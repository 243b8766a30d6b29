"""Channels to gateways, and attempts to pay through them."""

from decimal import Decimal
from typing import Any

import pgtrigger
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.ids import public_id
from common.texts import in_language
from orders.models import Order
from tenancy.models import Storefront

# Attempts are checked, asked about and refunded as what their channel is: the same merchant's, by the same protocol, in the
# same money. Of the options only the currency is that.
STAYS_WHAT_IT_IS = """
IF (NEW.provider, NEW.merchant_id, COALESCE(NULLIF(NEW.settings ->> 'currency', ''), 'cny')) IS DISTINCT FROM
    (OLD.provider, OLD.merchant_id, COALESCE(NULLIF(OLD.settings ->> 'currency', ''), 'cny'))
    AND EXISTS (SELECT 1 FROM payments_paymentattempt WHERE channel_id = OLD.id) THEN
    RAISE EXCEPTION 'channel % has attempts: protocol, merchant and currency stay', OLD.code
        USING ERRCODE = 'check_violation', CONSTRAINT = 'channel_stays_what_it_is';
END IF;
RETURN NEW;
"""


class Channel(models.Model):
    """One merchant account at one gateway. Credentials are sealed; they are written in admin and never shown again.

    Protocol, merchant and currency stay as they are once there are attempts; another merchant is another channel.
    """

    class Provider(models.TextChoices):
        EPAY = "epay", _("易支付 V1")
        EPAY_V2 = "epay_v2", _("易支付 V2")
        ALIPAY = "alipay", _("支付宝")
        WECHAT = "wechat", _("微信支付 v3")
        BEPUSDT = "bepusdt", "BEpusdt"
        STRIPE = "stripe", "Stripe Checkout"

    class Method(models.TextChoices):
        ALIPAY = "alipay", _("支付宝")
        WECHAT = "wxpay", _("微信支付")
        QQ = "qqpay", _("QQ 钱包")
        BANK = "bank", _("云闪付")
        USDT = "usdt", "USDT"
        CARD = "card", _("银行卡")

    class FeePayer(models.TextChoices):
        SHOP = "shop", _("店铺承担")
        BUYER = "buyer", _("买家承担")

    code = models.SlugField(_("代码"), max_length=40, unique=True)
    provider = models.CharField(_("协议"), max_length=20, choices=Provider, default=Provider.EPAY)
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)
    methods = models.JSONField(_("支付方式"), default=list)
    gateway_url = models.URLField(_("网关地址"))
    merchant_id = models.CharField(_("商户号"), max_length=60, blank=True)
    credentials = models.TextField(_("密钥"), blank=True, editable=False)
    settings = models.JSONField(_("协议选项"), default=dict, blank=True)
    # The words of payments.providers.Device; none: everywhere.
    devices = models.JSONField(_("适用设备"), default=list, blank=True)
    min_amount = models.DecimalField(_("最低金额"), max_digits=12, decimal_places=2, default="0.01")
    max_amount = models.DecimalField(_("最高金额"), max_digits=12, decimal_places=2, default="50000.00")
    fee_rate = models.DecimalField(_("手续费率"), max_digits=6, decimal_places=4, default=0)
    fee_payer = models.CharField(_("手续费承担方"), max_length=10, choices=FeePayer, default=FeePayer.SHOP)
    open_from = models.TimeField(_("开放时间起"), null=True, blank=True)
    open_to = models.TimeField(_("开放时间止"), null=True, blank=True)
    sandbox = models.BooleanField(_("沙箱"), default=False)
    # When the gateway was last asked for the keys by which it signs, where it changes them.
    keys_asked_at = models.DateTimeField(_("最近获取平台证书"), null=True, editable=False)
    is_active = models.BooleanField(_("启用"), default=True)
    position = models.IntegerField(_("排序"), default=0)

    class Meta:
        verbose_name = _("支付渠道")
        verbose_name_plural = pgettext_lazy("plural", "支付渠道")
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(min_amount__gt=0) & Q(max_amount__gte=F("min_amount")),
                name="channel_amount_range",
                violation_error_message=_("最高金额不能低于最低金额"),
            ),
            models.CheckConstraint(
                condition=Q(fee_rate__gte=0) & Q(fee_rate__lt=1),
                name="channel_fee_rate",
                violation_error_message=_("手续费率须从 0 到 1，例如千分之六填 0.006"),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="channel_stays_what_it_is",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func=STAYS_WHAT_IT_IS,
            )
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)

    def clean(self) -> None:
        errors: dict[str, Any] = {}
        methods = self.methods if isinstance(self.methods, list) else []
        if not methods or not set(methods) <= set(self.Method.values):
            errors["methods"] = _("请至少选择一种支付方式")
        if settings.PRODUCTION and self.sandbox:
            errors["sandbox"] = _("正式环境不能使用沙箱渠道")
        if settings.PRODUCTION and not self.gateway_url.startswith("https://"):
            # V1 sends the merchant's key in every question.
            errors["gateway_url"] = _("正式环境的网关地址必须使用 https")
        if errors:
            raise ValidationError(errors)


class PlatformCertificate(models.Model):
    """A key by which a gateway signs, as it gave it itself. Fetched again and again; old ones stay until they end."""

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, related_name="certificates", verbose_name=_("支付渠道")
    )
    serial = models.CharField(_("序列号"), max_length=64)
    pem = models.TextField(_("证书"))
    valid_from = models.DateTimeField(_("生效时间"))
    valid_to = models.DateTimeField(_("失效时间"))
    fetched_at = models.DateTimeField(_("获取时间"))

    class Meta:
        verbose_name = _("平台证书")
        verbose_name_plural = pgettext_lazy("plural", "平台证书")
        constraints = [models.UniqueConstraint(fields=["channel", "serial"], name="certificate_once_per_channel")]

    def __str__(self) -> str:
        return self.serial


class TopUp(models.Model):
    class State(models.TextChoices):
        UNPAID = "unpaid", _("待支付")
        PAID = "paid", _("已到账")
        CLOSED = "closed", _("已关闭")

    MOVES = {State.UNPAID: {State.PAID, State.CLOSED}, State.CLOSED: {State.PAID}, State.PAID: set()}

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="top_ups", verbose_name=_("用户"))
    storefront = models.ForeignKey(Storefront, on_delete=models.PROTECT, related_name="+", verbose_name=_("店铺"))
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2)
    credited = models.DecimalField(_("到账金额"), max_digits=12, decimal_places=2, default=0)
    refunded = models.DecimalField(_("已退金额"), max_digits=12, decimal_places=2, default=0)
    # What was promised on the page where it was placed.
    bonus_rule = models.ForeignKey(
        "payments.BonusRule", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("充值赠送")
    )
    bonus = models.DecimalField(_("应赠金额"), max_digits=12, decimal_places=2, default=0)
    repays_credit = models.BooleanField(_("用于归还授信"), default=False)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.UNPAID)
    placed_at = models.DateTimeField(_("创建时间"))
    pay_deadline = models.DateTimeField(_("支付截止"))
    paid_at = models.DateTimeField(_("到账时间"), null=True)

    class Meta:
        verbose_name = _("充值单")
        verbose_name_plural = pgettext_lazy("plural", "充值单")
        permissions = [("refund_topup", _("登记充值退款"))]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="top_up_positive"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("credited")), name="top_up_refund_within_credited"
            ),
            models.CheckConstraint(
                condition=Q(bonus=0, bonus_rule=None) | Q(bonus__gt=0, bonus_rule__isnull=False),
                name="top_up_bonus_has_rule",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", credited__gt=0, paid_at__isnull=False)
                | (~Q(state="paid") & Q(credited=0, paid_at=None)),
                name="top_up_paid_has_money",
            ),
        ]
        indexes = [
            models.Index(fields=["pay_deadline"], condition=Q(state="unpaid"), name="top_up_unpaid"),
            models.Index(fields=["user", "-id"], name="top_up_user"),
        ]

    def __str__(self) -> str:
        return f"¥{self.amount}"


class PaymentAttempt(models.Model):
    """One try to get one thing paid through one channel. Its number goes to the gateway, stored before the call."""

    class Purpose(models.TextChoices):
        ORDER = "order", _("支付订单")
        TOP_UP = "top_up", _("余额充值")

    class State(models.TextChoices):
        CREATED = "created", _("已创建")
        PENDING = "pending", _("等待付款")
        UNKNOWN = "unknown", _("结果未知")
        PAID = "paid", _("已支付")
        FAILED = "failed", _("失败")
        CLOSED = "closed", _("已关闭")

    class Outcome(models.TextChoices):
        """What became of the money."""

        PAID = "paid", _("已入账")
        CREDITED = "credited", _("已转为余额")
        TOPPED_UP = "topped_up", _("已充值")

    class Show(models.TextChoices):
        """How the payment is put before the buyer; the words of payments.providers.Show."""

        PAGE = "page", _("跳转网页")
        QR = "qr", _("二维码")
        APP = "app", _("打开应用")
        FORM = "form", _("提交表单")
        BRIDGE = "bridge", _("微信内支付")

    # Money is never refused: every open or closed attempt may still turn out to be paid.
    MOVES = {
        State.CREATED: {State.PENDING, State.UNKNOWN, State.PAID, State.FAILED, State.CLOSED},
        State.PENDING: {State.UNKNOWN, State.PAID, State.CLOSED},
        State.UNKNOWN: {State.PENDING, State.PAID, State.FAILED, State.CLOSED},
        State.FAILED: {State.PAID},
        State.CLOSED: {State.PAID},
        State.PAID: set(),
    }
    LIVE = (State.CREATED, State.PENDING, State.UNKNOWN)

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    number = models.CharField(_("支付单号"), max_length=32, unique=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="attempts", verbose_name=_("支付渠道"))
    method = models.CharField(_("支付方式"), max_length=20, choices=Channel.Method)
    purpose = models.CharField(_("用途"), max_length=20, choices=Purpose)
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, related_name="attempts", verbose_name=_("订单")
    )
    top_up = models.ForeignKey(
        TopUp, on_delete=models.PROTECT, null=True, related_name="attempts", verbose_name=_("充值单")
    )
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2, help_text=_("含买家承担的手续费"))
    fee = models.DecimalField(_("手续费"), max_digits=12, decimal_places=2, default=0)
    # What the gateway's page says is being paid, in the language of whoever began.
    subject = models.CharField(_("商品描述"), max_length=200, blank=True, default="", db_default="")
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.CREATED)
    show = models.CharField(_("展示方式"), max_length=10, choices=Show, blank=True)
    payload = models.TextField(_("支付链接"), blank=True)
    # The gateway's own name for what was put up.
    ref = models.CharField(_("渠道单号"), max_length=100, blank=True, default="", db_default="")
    provider_txn = models.CharField(_("渠道流水号"), max_length=64, null=True)
    paid_amount = models.DecimalField(_("实收金额"), max_digits=12, decimal_places=2, null=True)
    outcome = models.CharField(_("款项去向"), max_length=20, choices=Outcome, blank=True)
    created_at = models.DateTimeField(_("创建时间"))
    expires_at = models.DateTimeField(_("截止时间"))
    # A call that puts the payment up is under way since then; whoever sets this makes the call.
    called_at = models.DateTimeField(_("发起时间"), null=True)
    paid_at = models.DateTimeField(_("支付时间"), null=True)
    asked_at = models.DateTimeField(_("最近查询时间"), null=True)
    asked_count = models.PositiveSmallIntegerField(_("查询次数"), default=0)
    # When the gateway is asked next; null: no more, only a notify or staff can bring news.
    ask_at = models.DateTimeField(_("下次查询时间"), null=True)
    # When the gateway is asked that it can no longer be paid; null: it was, or cannot be.
    close_at = models.DateTimeField(_("下次关单时间"), null=True)
    last_error = models.CharField(_("最近的错误"), max_length=200, blank=True)
    # What the gateway asks the buyer for where that is no yuan, and how many yuan one unit of it stood for.
    currency = models.CharField(_("外币"), max_length=10, blank=True, default="", db_default="")
    currency_amount = models.DecimalField(_("外币金额"), max_digits=20, decimal_places=8, null=True)
    rate = models.DecimalField(_("汇率"), max_digits=20, decimal_places=8, null=True)

    class Meta:
        verbose_name = _("支付单")
        verbose_name_plural = pgettext_lazy("plural", "支付单")
        permissions = [
            ("ask_gateway", _("向渠道查询")),
            ("confirm_payment", _("人工确认到账")),
            ("note_unpaid", _("登记未到账")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["channel", "provider_txn"], name="attempt_provider_txn_once"),
            models.UniqueConstraint(
                fields=["order", "channel", "method"],
                condition=Q(order__isnull=False, state__in=["created", "pending", "unknown"]),
                name="attempt_one_live_per_order",
            ),
            models.UniqueConstraint(
                fields=["top_up", "channel", "method"],
                condition=Q(top_up__isnull=False, state__in=["created", "pending", "unknown"]),
                name="attempt_one_live_per_top_up",
            ),
            models.CheckConstraint(
                condition=Q(purpose="order", order__isnull=False, top_up=None)
                | Q(purpose="top_up", order=None, top_up__isnull=False),
                name="attempt_pays_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False, provider_txn__isnull=False, paid_amount__gt=0)
                | (~Q(state="paid") & Q(paid_at=None, provider_txn=None, paid_amount=None)),
                name="attempt_paid_has_facts",
            ),
            models.CheckConstraint(
                condition=Q(fee__gte=0) & Q(amount__gt=F("fee")), name="attempt_amount_more_than_fee"
            ),
            models.CheckConstraint(
                condition=Q(currency="", currency_amount=None, rate=None)
                | (~Q(currency="") & Q(currency_amount__gt=0, rate__gt=0)),
                name="attempt_foreign_money_has_rate",
            ),
        ]
        indexes = [
            models.Index(fields=["ask_at"], condition=Q(ask_at__isnull=False), name="attempt_to_ask"),
            models.Index(fields=["close_at"], condition=Q(close_at__isnull=False), name="attempt_to_close"),
            models.Index(fields=["-created_at"], name="attempt_created"),
            models.Index(
                fields=["channel", "paid_at"], condition=Q(paid_at__isnull=False), name="attempt_channel_paid"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    def fee_in(self, paid: Decimal) -> Decimal:
        """What of so much that was paid is the fee for the way, in yuan; less than was asked for bears none."""
        return self.fee if paid >= self.amount else Decimal("0.00")
