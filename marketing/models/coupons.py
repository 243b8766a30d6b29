"""Discount coupons: what a template promises, what members hold, and where each was used.

Orders live on a higher floor, so that an order is a plain number here. A coupon is at most once in use: an order holds it
from being placed until it is cancelled, expires or is refunded in full.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from catalog.models import Category, Product
from common.ids import public_id
from common.texts import in_language
from tenancy.models import Storefront


class CouponTemplate(models.Model):
    """The terms of a coupon. Once somebody holds one, its terms stay (marketing.services.templates)."""

    class Kind(models.TextChoices):
        AMOUNT = "amount", _("减金额")
        RATE = "rate", _("打折")

    class Source(models.TextChoices):
        """How members come to it."""

        CLAIM = "claim", _("会员领取")
        POINTS = "points", _("积分兑换")
        GIFT = "gift", _("只由商家发放")

    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    code = models.SlugField(
        _("代码"), max_length=40, unique=True, help_text=_("权益和任务按它引用，例如 birthday-10；建好后不要更改")
    )
    storefront = models.ForeignKey(
        Storefront,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("店铺"),
        help_text=_("留空表示全平台通用"),
    )
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)
    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    amount_off = models.DecimalField(_("减免金额"), max_digits=10, decimal_places=2, null=True, blank=True)
    rate = models.DecimalField(
        _("折扣"), max_digits=5, decimal_places=4, null=True, blank=True, help_text=_("例如 0.9 表示 9 折")
    )
    max_off = models.DecimalField(
        _("最多减"), max_digits=10, decimal_places=2, null=True, blank=True, help_text=_("打折券的封顶金额，留空不封顶")
    )
    min_spend = models.DecimalField(_("最低消费"), max_digits=10, decimal_places=2, default=0)
    categories = models.ManyToManyField(
        Category,
        blank=True,
        related_name="+",
        verbose_name=_("限定分类"),
        help_text=_("含下级分类；分类和商品都不选表示全场可用"),
    )
    products = models.ManyToManyField(Product, blank=True, related_name="+", verbose_name=_("限定商品"))
    with_member_price = models.BooleanField(
        _("可与会员价叠加"), default=True, help_text=_("不叠加时，两者取更省的一个")
    )
    with_quantity_price = models.BooleanField(
        _("可与批发价叠加"), default=True, help_text=_("不叠加时，两者取更省的一个")
    )
    source = models.CharField(_("获取方式"), max_length=10, choices=Source, default=Source.CLAIM)
    points_price = models.PositiveIntegerField(_("积分价格"), null=True, blank=True)
    event_code = models.SlugField(
        _("活动代码"),
        max_length=40,
        blank=True,
        help_text=_("填写后，只有等级权益里有同代码“限定活动”的会员才能领取或兑换"),
    )
    starts_at = models.DateTimeField(_("开始发放"))
    ends_at = models.DateTimeField(_("停止发放"), null=True, blank=True)
    valid_days = models.PositiveSmallIntegerField(_("领取后有效天数"), null=True, blank=True)
    valid_until = models.DateTimeField(_("最晚有效至"), null=True, blank=True)
    total_limit = models.PositiveIntegerField(_("总量"), null=True, blank=True, help_text=_("留空不限"))
    per_member = models.PositiveSmallIntegerField(_("每人限领"), default=1)
    is_active = models.BooleanField(_("发放中"), default=True)
    created_at = models.DateTimeField(_("创建时间"), editable=False)

    class Meta:
        verbose_name = _("优惠券")
        verbose_name_plural = pgettext_lazy("plural", "优惠券")
        ordering = ["-id"]
        permissions = [("issue_coupons", _("向会员发放优惠券"))]
        constraints = [
            models.CheckConstraint(
                # A comparison with nothing is neither true nor false, and a CHECK lets that pass.
                condition=Q(kind="amount", amount_off__isnull=False, amount_off__gt=0, rate=None, max_off=None)
                | Q(
                    Q(kind="rate", rate__isnull=False, rate__gt=0, rate__lt=1, amount_off=None),
                    Q(max_off=None) | Q(max_off__gt=0),
                ),
                name="coupon_template_has_its_value",
                violation_error_message=_("减金额的券填“减免金额”；打折的券填 0 到 1 之间的“折扣”，可加“最多减”"),
            ),
            models.CheckConstraint(
                condition=Q(source="points", points_price__isnull=False, points_price__gt=0)
                | Q(~Q(source="points"), points_price=None),
                name="coupon_template_points_price",
                violation_error_message=_("积分兑换的券要填积分价格，其他券不填"),
            ),
            models.CheckConstraint(
                condition=Q(min_spend__gte=0),
                name="coupon_template_min_spend",
                violation_error_message=_("最低消费不能为负"),
            ),
            models.CheckConstraint(
                condition=Q(valid_days__isnull=False, valid_days__gt=0) | Q(valid_days=None, valid_until__isnull=False),
                name="coupon_template_ends",
                violation_error_message=_("请填写领取后有效天数，或最晚有效至"),
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="coupon_template_window",
                violation_error_message=_("停止发放要晚于开始发放"),
            ),
            models.CheckConstraint(
                condition=Q(per_member__gte=1, per_member__lte=1000),
                name="coupon_template_per_member",
                violation_error_message=_("每人限领 1 到 1000 张"),
            ),
            models.CheckConstraint(
                condition=Q(total_limit=None) | Q(total_limit__gte=1, total_limit__lte=1_000_000),
                name="coupon_template_total",
                violation_error_message=_("总量填 1 到 1000000，或留空"),
            ),
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class Coupon(models.Model):
    """One coupon of a member. `number` counts the member's coupons of this template, which makes its limit unique."""

    class State(models.TextChoices):
        USABLE = "usable", _("可使用")
        USED = "used", _("已使用")
        REVOKED = "revoked", _("已撤销")

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    template = models.ForeignKey(
        CouponTemplate, on_delete=models.PROTECT, related_name="coupons", db_index=False, verbose_name=_("优惠券")
    )
    owner = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="coupons", db_index=False, verbose_name=_("会员")
    )
    number = models.PositiveIntegerField(_("第几张"))
    # What gave it, once: claim:…, points:…, birthday:2026:12, staff:…
    source_ref = models.CharField(_("来源"), max_length=80, unique=True)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.USABLE)
    issued_at = models.DateTimeField(_("发放时间"))
    expires_at = models.DateTimeField(_("有效至"))
    order_id = models.BigIntegerField(_("订单编号"), null=True)
    used_at = models.DateTimeField(_("使用时间"), null=True)
    revoked_at = models.DateTimeField(_("撤销时间"), null=True)
    revoke_reason = models.CharField(_("撤销原因"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("会员优惠券")
        verbose_name_plural = pgettext_lazy("plural", "会员优惠券")
        permissions = [("revoke_coupon", _("撤销会员的优惠券")), ("export_coupon", _("导出会员优惠券"))]
        constraints = [
            models.UniqueConstraint(fields=["template", "owner", "number"], name="coupon_number_once_per_member"),
            models.CheckConstraint(
                condition=Q(state="used", order_id__isnull=False, used_at__isnull=False)
                | Q(~Q(state="used"), order_id=None, used_at=None),
                name="coupon_used_has_order",
            ),
            models.CheckConstraint(
                condition=Q(Q(state="revoked", revoked_at__isnull=False), ~Q(revoke_reason=""))
                | Q(~Q(state="revoked"), revoked_at=None, revoke_reason=""),
                name="coupon_revoked_has_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "expires_at"], condition=Q(state="usable"), name="coupon_usable"),
            models.Index(fields=["owner", "-id"], name="coupon_by_owner"),
            models.Index(fields=["order_id"], condition=Q(order_id__isnull=False), name="coupon_by_order"),
        ]

    def __str__(self) -> str:
        return f"{self.template} · {self.public_id[:6]}"


class CouponUse(models.Model):
    """An order's use of a coupon; open until it is given back."""

    id = models.BigAutoField(primary_key=True)
    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="uses", verbose_name=_("会员优惠券"))
    order_id = models.BigIntegerField(_("订单编号"))
    amount = models.DecimalField(_("优惠金额"), max_digits=12, decimal_places=2)
    at = models.DateTimeField(_("使用时间"))
    given_back_at = models.DateTimeField(_("退回时间"), null=True)
    cause = models.CharField(_("退回原因"), max_length=30, blank=True)

    class Meta:
        verbose_name = _("优惠券使用记录")
        verbose_name_plural = pgettext_lazy("plural", "优惠券使用记录")
        constraints = [
            models.UniqueConstraint(
                fields=["coupon"], condition=Q(given_back_at=None), name="coupon_in_one_order_at_a_time"
            ),
            models.UniqueConstraint(fields=["order_id"], condition=Q(given_back_at=None), name="order_has_one_coupon"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="coupon_use_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.coupon_id} → {self.order_id}"


class CouponSlot(models.Model):
    """One of the `total_limit` places of a template: taken with SKIP LOCKED, so that no claim waits on a common row."""

    id = models.BigAutoField(primary_key=True)
    template = models.ForeignKey(
        CouponTemplate, on_delete=models.CASCADE, related_name="slots", db_index=False, verbose_name=_("优惠券")
    )
    coupon = models.OneToOneField(
        Coupon, on_delete=models.PROTECT, null=True, related_name="slot", verbose_name=_("会员优惠券")
    )

    class Meta:
        verbose_name = _("名额")
        verbose_name_plural = pgettext_lazy("plural", "名额")
        indexes = [
            models.Index(fields=["template", "id"], condition=Q(coupon=None), name="coupon_slot_free"),
            models.Index(fields=["template"], condition=Q(coupon__isnull=False), name="coupon_slot_taken"),
        ]

    def __str__(self) -> str:
        return f"{self.template_id}:{self.pk}"
