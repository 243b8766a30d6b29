from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict


class OutOfStock(Conflict):
    """`available` pieces are left, fewer than wanted."""

    code = "out_of_stock"
    message = _("库存不足，当前剩余 %(available)s 件")


class BundleRefused(Conflict):
    """A bundle holds at least one key SKU, and nothing else."""

    code = "bundle_refused"
    message = _("套餐只能由卡密规格组成，且至少一种")
