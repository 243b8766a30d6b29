"""What somebody means to buy. Promises no price and reserves nothing."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from catalog.models import Sku
from tenancy.models import Storefront


class Cart(models.Model):
    storefront = models.ForeignKey(Storefront, on_delete=models.PROTECT, related_name="+", verbose_name=_("店铺"))
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="carts", verbose_name=_("用户"))
    device = models.CharField(_("设备"), max_length=22, blank=True)
    updated_at = models.DateTimeField(_("更新时间"))

    class Meta:
        verbose_name = _("购物车")
        verbose_name_plural = pgettext_lazy("plural", "购物车")
        constraints = [
            models.UniqueConstraint(
                fields=["storefront", "user"], condition=Q(user__isnull=False), name="cart_once_per_user"
            ),
            models.UniqueConstraint(
                fields=["storefront", "device"], condition=Q(user=None) & ~Q(device=""), name="cart_once_per_device"
            ),
            models.CheckConstraint(condition=Q(user__isnull=False) | ~Q(device=""), name="cart_has_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id or self.device}"


class CartItem(models.Model):
    cart = models.ForeignKey(Cart, on_delete=models.CASCADE, related_name="items", verbose_name=_("购物车"))
    sku = models.ForeignKey(Sku, on_delete=models.CASCADE, related_name="+", verbose_name=_("规格"))
    quantity = models.PositiveIntegerField(_("数量"))
    fields = models.JSONField(_("购买信息"), default=dict, blank=True)
    # The unit price when the buyer last chose the quantity, so that a change is told before payment.
    seen_price = models.DecimalField(_("选购时的单价"), max_digits=12, decimal_places=4, null=True)

    class Meta:
        verbose_name = _("购物车商品")
        verbose_name_plural = pgettext_lazy("plural", "购物车商品")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["cart", "sku", "fields"], name="cart_item_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="cart_item_quantity"),
        ]

    def __str__(self) -> str:
        return f"{self.sku_id} × {self.quantity}"
