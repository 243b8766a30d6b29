"""Orders, their lines, how the price came about, and every move they made."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from catalog.models import Product, ReusableSecret, Sku
from common.ids import public_id
from common.texts import in_language
from marketing.models import Coupon
from tenancy.models import Storefront


class Order(models.Model):
    class State(models.TextChoices):
        UNPAID = "unpaid", _("待支付")
        PAID = "paid", _("处理中")
        DELIVERED = "delivered", _("已发货")
        EXPIRED = "expired", _("已过期")
        CANCELLED = "cancelled", _("已取消")
        REFUNDED = "refunded", _("已退款")

    # Legal moves. A closed order may still be paid: money that comes late is delivered when stock allows.
    MOVES = {
        State.UNPAID: {State.PAID, State.EXPIRED, State.CANCELLED},
        State.PAID: {State.DELIVERED, State.REFUNDED},
        State.DELIVERED: {State.REFUNDED},
        State.EXPIRED: {State.PAID},
        State.CANCELLED: {State.PAID},
        State.REFUNDED: set(),
    }

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    number = models.CharField(_("订单号"), max_length=24, unique=True)
    storefront = models.ForeignKey(Storefront, on_delete=models.PROTECT, related_name="+", verbose_name=_("店铺"))
    buyer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="orders", db_index=False, verbose_name=_("买家")
    )
    contact = models.CharField(_("联系方式"), max_length=120, blank=True)
    device = models.CharField(_("设备"), max_length=22, blank=True)
    address = models.GenericIPAddressField(_("网络地址"), null=True)
    # The name under which the address is counted (common.addresses.counted_as): of IPv6 the /64.
    counted_address = models.CharField(_("计数地址"), max_length=43, blank=True, db_default="", default="")
    # Of a guest's order: contact and secret in one (orders.guests.lookup_mark), so that a look-up finds it at once.
    lookup = models.BinaryField(_("查单标记"), max_length=32, null=True)
    language = models.CharField(_("语言"), max_length=10, default="zh-hans")
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.UNPAID)
    list_total = models.DecimalField(_("原价合计"), max_digits=12, decimal_places=2)
    total = models.DecimalField(_("应付"), max_digits=12, decimal_places=2)
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("优惠券")
    )
    coupon_off = models.DecimalField(_("优惠券抵扣"), max_digits=12, decimal_places=2, default=0)
    paid_total = models.DecimalField(_("已付"), max_digits=12, decimal_places=2, default=0)
    refunded_total = models.DecimalField(_("已退"), max_digits=12, decimal_places=2, default=0)
    paid_with = models.CharField(_("支付方式"), max_length=40, blank=True)
    placed_at = models.DateTimeField(_("下单时间"))
    pay_deadline = models.DateTimeField(_("支付截止"))
    paid_at = models.DateTimeField(_("支付时间"), null=True)
    delivered_at = models.DateTimeField(_("发货时间"), null=True)
    closed_at = models.DateTimeField(_("关闭时间"), null=True)
    staff_note = models.TextField(_("内部备注"), blank=True)

    class Meta:
        verbose_name = _("订单")
        verbose_name_plural = pgettext_lazy("plural", "订单")
        permissions = [
            ("refund_order", _("退款")),
            ("deliver_order", _("补发、人工发货")),
            ("hold_order", _("暂缓发货、放行")),
            ("settle_credit", _("转出订单待退款")),
            ("cancel_order", _("取消未支付订单")),
            ("note_order", _("修改内部备注")),
            ("reveal_keys", _("查看订单卡密")),
            ("export_order", _("导出订单")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(total__gt=0) & Q(list_total__gt=0), name="order_total_positive"),
            models.CheckConstraint(
                condition=Q(coupon=None, coupon_off=0) | Q(coupon__isnull=False, coupon_off__gt=0),
                name="order_coupon_takes_off",
            ),
            models.CheckConstraint(
                condition=Q(refunded_total__gte=0) & Q(refunded_total__lte=F("paid_total")),
                name="order_refund_within_paid",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["unpaid", "expired", "cancelled"], paid_at=None, paid_total=0)
                | Q(state__in=["paid", "delivered", "refunded"], paid_at__isnull=False, paid_total=F("total")),
                name="order_paid_has_money",
            ),
            models.CheckConstraint(
                condition=Q(buyer__isnull=False, lookup=None) | Q(buyer=None, lookup__isnull=False),
                name="order_of_guest_can_be_found",
            ),
        ]
        indexes = [
            models.Index(fields=["buyer", "-id"], condition=Q(buyer__isnull=False), name="order_buyer"),
            models.Index(fields=["device", "-id"], condition=~Q(device=""), name="order_device"),
            models.Index(fields=["pay_deadline"], condition=Q(state="unpaid"), name="order_unpaid"),
            models.Index(fields=["counted_address"], condition=Q(state="unpaid"), name="order_unpaid_counted"),
            models.Index(fields=["paid_at"], condition=Q(state="paid"), name="order_undelivered"),
            models.Index(fields=["placed_at"], name="order_placed"),
            models.Index(fields=["paid_at", "id"], condition=Q(paid_at__isnull=False), name="order_paid"),
            models.Index(fields=["contact"], condition=~Q(contact=""), name="order_contact"),
            models.Index(fields=["lookup"], condition=Q(lookup__isnull=False), name="order_lookup"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_guest(self) -> bool:
        return self.buyer_id is None


class OrderLine(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", _("待支付")
        CLOSED = "closed", _("已关闭")
        QUEUED = "queued", _("待发货")
        HELD = "held", _("暂缓发货")
        SHORT = "short", _("缺货待补")
        DELIVERED = "delivered", _("已发货")
        REFUNDED = "refunded", _("已退款")

    MOVES = {
        State.WAITING: {State.QUEUED, State.HELD, State.SHORT, State.DELIVERED, State.CLOSED},
        State.CLOSED: {State.QUEUED, State.HELD, State.DELIVERED},
        State.HELD: {State.QUEUED, State.SHORT, State.DELIVERED, State.REFUNDED},
        State.QUEUED: {State.HELD, State.DELIVERED, State.REFUNDED},
        State.SHORT: {State.HELD, State.DELIVERED, State.REFUNDED},
        State.DELIVERED: {State.REFUNDED},
        State.REFUNDED: set(),
    }

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines", verbose_name=_("订单"))
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", verbose_name=_("规格"))
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("商品")
    )
    seller_id = models.BigIntegerField(_("卖家编号"), null=True)
    category_code = models.CharField(_("分类代码"), max_length=40)
    kind = models.CharField(_("类型"), max_length=10, choices=Product.Kind)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.WAITING)
    hold_reason = models.CharField(_("暂缓原因"), max_length=60, blank=True)
    # What the buyer saw, kept as it was.
    product_name = models.CharField(_("商品名称"), max_length=160)
    product_name_en = models.CharField(_("英文商品名称"), max_length=160, blank=True, default="", db_default="")
    sku_name = models.CharField(_("规格"), max_length=80)
    sku_name_en = models.CharField(_("英文规格"), max_length=80, blank=True, default="", db_default="")
    guide = models.TextField(_("使用教程"), blank=True)
    guide_en = models.TextField(_("英文使用教程"), blank=True, default="", db_default="")
    warranty_days = models.PositiveSmallIntegerField(_("质保天数"), default=0)
    fields = models.JSONField(_("购买信息"), default=dict, blank=True)
    quantity = models.PositiveIntegerField(_("数量"))
    pieces = models.PositiveIntegerField(_("应发件数"), help_text=_("套餐一份可能含多件"))
    pieces_delivered = models.PositiveIntegerField(_("已发件数"), default=0)
    # Pieces that were paid back before they were delivered: nobody waits for them any more.
    pieces_waived = models.PositiveIntegerField(_("免发件数"), default=0, db_default=0)
    list_price = models.DecimalField(_("原单价"), max_digits=12, decimal_places=4)
    unit_price = models.DecimalField(_("成交单价"), max_digits=12, decimal_places=4)
    list_total = models.DecimalField(_("原价小计"), max_digits=12, decimal_places=2)
    cash = models.DecimalField(_("实付小计"), max_digits=12, decimal_places=2)
    coupon_off = models.DecimalField(_("优惠券抵扣"), max_digits=12, decimal_places=2, default=0)
    points_paid = models.DecimalField(_("积分抵扣"), max_digits=12, decimal_places=2, default=0)
    refunded = models.DecimalField(_("已退"), max_digits=12, decimal_places=2, default=0)
    cost = models.DecimalField(_("成本"), max_digits=12, decimal_places=4, null=True)
    reusable_secret = models.ForeignKey(
        ReusableSecret, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("通用卡密")
    )
    # Of a line that ran short: when what is still missing is refunded by itself. The buyer was told, so it stays.
    refund_due_at = models.DateTimeField(_("自动退款时间"), null=True)
    delivered_at = models.DateTimeField(_("发货时间"), null=True)
    # The end of the warranty, from delivery on; a line without one is settled by its delivery.
    settles_at = models.DateTimeField(_("质保截止"), null=True)
    settled_at = models.DateTimeField(_("结算时间"), null=True)
    # While a buyer's case about it goes on, a line does not settle. Counted here, so that whoever settles sees the row change.
    open_disputes = models.PositiveIntegerField(_("进行中的售后"), default=0, db_default=0)

    class Meta:
        verbose_name = _("订单商品")
        verbose_name_plural = pgettext_lazy("plural", "订单商品")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1) & Q(pieces__gte=F("quantity")), name="line_quantity"),
            models.CheckConstraint(
                condition=Q(pieces__gte=F("pieces_delivered") + F("pieces_waived")), name="line_not_over_delivered"
            ),
            models.CheckConstraint(
                condition=Q(refunded__gte=0) & Q(refunded__lte=F("cash")), name="line_refund_within_cash"
            ),
            models.CheckConstraint(condition=Q(cash__gt=0) & Q(cash__lte=F("list_total")), name="line_cash_range"),
            models.CheckConstraint(
                condition=Q(coupon_off__gte=0) & Q(coupon_off__lte=F("list_total") - F("cash")),
                name="line_coupon_within_discount",
            ),
            models.CheckConstraint(
                condition=Q(settled_at=None) | Q(settles_at__isnull=False, settled_at__gte=F("settles_at")),
                name="line_settled_in_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="short") | Q(refund_due_at__isnull=False), name="line_short_has_refund_time"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "id"], condition=Q(state__in=["queued", "held", "short"]), name="line_open"),
            models.Index(
                fields=["settles_at"], condition=Q(settled_at=None, settles_at__isnull=False), name="line_unsettled"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_title} {self.sku_title} × {self.quantity}"

    @property
    def product_title(self) -> str:
        """The product's name in the reader's language, as it was when the order was placed."""
        return in_language(self.product_name, self.product_name_en)

    @property
    def sku_title(self) -> str:
        return in_language(self.sku_name, self.sku_name_en)

    @property
    def guide_text(self) -> str:
        return in_language(self.guide, self.guide_en)

    @property
    def pieces_due(self) -> int:
        """How many pieces the buyer gets in all."""
        return self.pieces - self.pieces_waived

    @property
    def pieces_missing(self) -> int:
        """How many pieces are still to be delivered."""
        return self.pieces_due - self.pieces_delivered

    @property
    def discount(self):
        return self.list_total - self.cash - self.points_paid


class PriceStep(models.Model):
    """One stage of a line's price, as the buyer may read it. `amount` in yuan is what it changed on the whole line."""

    class Stage(models.TextChoices):
        LIST = "list", _("原价")
        MEMBER = "member", _("会员价")
        QUANTITY = "quantity", _("批发价")
        COUPON = "coupon", _("优惠券")

    id = models.BigAutoField(primary_key=True)
    line = models.ForeignKey(
        OrderLine, on_delete=models.CASCADE, related_name="price_steps", verbose_name=_("订单商品")
    )
    position = models.PositiveSmallIntegerField(_("次序"))
    stage = models.CharField(_("阶段"), max_length=20, choices=Stage)
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2)
    why = models.CharField(_("说明"), max_length=120, blank=True)
    why_en = models.CharField(_("英文说明"), max_length=160, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("价格明细")
        verbose_name_plural = pgettext_lazy("plural", "价格明细")
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["line", "position"], name="step_once_per_position")]

    def __str__(self) -> str:
        return f"{self.stage} {self.amount:+}"

    @property
    def reason(self) -> str:
        return in_language(self.why, self.why_en)


class OrderMove(models.Model):
    """A change of an order's state, written in the transaction of the change; or an act of staff that changed none."""

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="moves", verbose_name=_("订单"))
    from_state = models.CharField(_("原状态"), max_length=10, blank=True)
    to_state = models.CharField(_("新状态"), max_length=10, choices=Order.State)
    cause = models.CharField(_("起因"), max_length=30)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    note = models.CharField(_("说明"), max_length=200, blank=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("订单历史")
        verbose_name_plural = pgettext_lazy("plural", "订单历史")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class LineSecret(models.Model):
    """What staff or a supplier delivered for a line that does not come from key stock; sealed."""

    id = models.BigAutoField(primary_key=True)
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="secrets", verbose_name=_("订单商品"))
    sealed = models.TextField(_("密文"))
    at = models.DateTimeField(_("时间"))
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)

    class Meta:
        verbose_name = _("人工发货内容")
        verbose_name_plural = pgettext_lazy("plural", "人工发货内容")

    def __str__(self) -> str:
        return f"{self.line_id}"


class OrderRefund(models.Model):
    """Money given back for an order. `ref` is unique, so that a repeated request refunds once.

    By the original route it is pending until gateways have answered: `returned` of it went to the payer, `credited` is the
    buyer's in the shop. Every move leaves a row in the order's history.
    """

    class Target(models.TextChoices):
        WALLET = "wallet", _("会员余额")
        ORDER_CREDIT = "order_credit", _("订单待退款")
        ORIGINAL = "original", _("原支付方式")

    class State(models.TextChoices):
        PENDING = "pending", _("退款中")
        DONE = "done", _("已退回")
        FAILED = "failed", _("未能原路退回")

    MOVES = {State.PENDING: {State.PENDING, State.DONE, State.FAILED}, State.DONE: set(), State.FAILED: set()}

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("订单"))
    ref = models.CharField(_("退款编号"), max_length=60, unique=True)
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2)
    target = models.CharField(_("退至"), max_length=20, choices=Target)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.DONE, db_default=State.DONE)
    returned = models.DecimalField(_("已原路退回"), max_digits=12, decimal_places=2, default=0, db_default=0)
    credited = models.DecimalField(_("已转入买家账户"), max_digits=12, decimal_places=2, default=0, db_default=0)
    lines = models.JSONField(_("明细"))
    reason = models.CharField(_("原因"), max_length=200, blank=True)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    at = models.DateTimeField(_("时间"))
    settled_at = models.DateTimeField(_("完成时间"), null=True)

    class Meta:
        verbose_name = _("退款")
        verbose_name_plural = pgettext_lazy("plural", "退款")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="order_refund_positive"),
            models.CheckConstraint(
                condition=Q(returned__gte=0, credited__gte=0)
                & (
                    Q(state="pending", target="original", amount__gt=F("returned") + F("credited"), settled_at=None)
                    | Q(state="done", target="original", returned=F("amount"), credited=0)
                    | Q(state="done", target__in=["wallet", "order_credit"], returned=0, credited=F("amount"))
                    | Q(state="failed", target="original", credited__gt=0, amount=F("returned") + F("credited"))
                ),
                name="order_refund_is_somewhere",
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state="pending"), name="order_refund_pending")]

    def __str__(self) -> str:
        return self.ref

    @property
    def on_its_way(self):
        """What no gateway has answered for yet, in yuan."""
        return self.amount - self.returned - self.credited
