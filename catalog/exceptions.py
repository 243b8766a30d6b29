from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict, DomainError


class OutOfStock(Conflict):
    """`available` pieces are left, fewer than wanted."""

    code = "out_of_stock"
    message = _("库存不足，当前剩余 %(available)s 件")


class BundleRefused(Conflict):
    """A bundle holds at least one key SKU, and nothing else."""

    code = "bundle_refused"
    message = _("套餐只能由卡密规格组成，且至少一种")


class NotKeyGoods(Conflict):
    """Keys belong to SKUs of key products only."""

    code = "not_key_goods"
    message = _("只有卡密商品可以导入卡密")


class BatchMoved(Conflict):
    """The batch is no longer in the state that this step needs: somebody else went on with it."""

    code = "batch_moved"
    message = _("这一批次的状态已经改变，请刷新页面")


class KeysMoved(Conflict):
    """Some of the keys are reserved or sold."""

    code = "keys_moved"
    message = _("其中有卡密已预留或已售出，不能作废")


class TooManyReveals(DomainError):
    """Staff looked at more keys within an hour than anybody needs to."""

    code = "too_many_reveals"
    status = 429
    message = _("一小时内最多查看 %(limit)s 条卡密明文")
