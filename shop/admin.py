"""What the shop adds to the admin of lower rooms."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Product
from common.registries import Panel, act_names, panels


def in_the_shop(product: Product, viewer: Any) -> Panel | None:
    """The way from a product's admin to its page, for products on sale."""
    if product.status != Product.Status.ON_SALE:
        return None
    return Panel(title=_("商城"), links=[(_("在商城查看"), reverse("shop:product", args=[product.slug]))])


panels.add("catalog.Product", in_the_shop)
act_names.update({"demo.begun": gettext_lazy("开始制作演示店"), "demo.made": gettext_lazy("演示店已制作")})
