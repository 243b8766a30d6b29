from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict


class OutOfStock(Conflict):
    """`available` pieces are left, fewer than wanted."""

    code = "out_of_stock"
    message = _("库存不足，当前剩余 %(available)s 件")
