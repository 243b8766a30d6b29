"""Prices that a tier pays for one SKU or one product, instead of its general rate."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.models import Product, Sku
from membership.models.rules import Program


class SkuTierPrice(models.Model):
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="+", verbose_name=_("会员计划"))
    sku = models.ForeignKey(
        Sku, on_delete=models.CASCADE, related_name="tier_prices", db_index=False, verbose_name=_("规格")
    )
    rank = models.PositiveSmallIntegerField(_("等级序号"))
    unit_price = models.DecimalField(_("会员单价"), max_digits=12, decimal_places=4)

    class Meta:
        verbose_name = _("规格会员价")
        verbose_name_plural = pgettext_lazy("plural", "规格会员价")
        ordering = ["sku", "rank"]
        constraints = [
            models.UniqueConstraint(
                fields=["sku", "program", "rank"],
                name="sku_tier_price_once",
                violation_error_message=_("这个等级已经有会员价"),
            ),
            models.CheckConstraint(
                condition=Q(unit_price__gt=0),
                name="sku_tier_price_positive",
                violation_error_message=_("会员价必须大于零"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku} · {self.rank}"


class ProductTierRate(models.Model):
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="+", verbose_name=_("会员计划"))
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="tier_rates", db_index=False, verbose_name=_("商品")
    )
    rank = models.PositiveSmallIntegerField(_("等级序号"))
    rate = models.DecimalField(
        _("折扣"), max_digits=5, decimal_places=4, help_text=_("例如 0.95；填 1 表示这个商品不打折")
    )

    class Meta:
        verbose_name = _("商品会员折扣")
        verbose_name_plural = pgettext_lazy("plural", "商品会员折扣")
        ordering = ["product", "rank"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "program", "rank"],
                name="product_tier_rate_once",
                violation_error_message=_("这个等级已经有折扣"),
            ),
            models.CheckConstraint(
                condition=Q(rate__gt=0, rate__lte=1),
                name="product_tier_rate_in_range",
                violation_error_message=_("折扣必须大于 0 且不超过 1"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} · {self.rank}"
