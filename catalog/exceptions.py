from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict, DomainError, NotFound


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


class AlreadyRotating(Conflict):
    """Another process wraps or seals the same anew."""

    code = "already_rotating"
    message = _("另一个更换密钥的任务正在进行")


class OldSessions(Conflict):
    """Programs are running whose key ring does not have the new master key."""

    code = "old_sessions"
    message = _("有 %(count)s 个数据库连接的进程还没有主密钥 %(key)s，请先用新的 KEY_RING 重启它们")


class NothingToExport(Conflict):
    code = "nothing_to_export"
    message = _("这一批次没有符合范围的卡密")


class TooManyReveals(DomainError):
    """Staff looked at more keys within an hour than anybody needs to."""

    code = "too_many_reveals"
    status = 429
    message = _("一小时内最多查看 %(limit)s 条卡密明文")


class ReviewNotFound(NotFound):
    """No such review or right to one, or it is somebody else's."""

    code = "review_not_found"
    message = _("没有这条评价")


class BadReview(BadInput):
    """Stars or text are not what a review needs; the code says which."""


class ReviewClosed(Conflict):
    """The time for it is over, or the line was refunded."""

    code = "review_closed"
    message = _("这件商品的评价期已过，或已经退款，不能再评价")


class AlreadyReviewed(Conflict):
    """The line has another review; it can be edited."""

    code = "already_reviewed"
    message = _("这件商品已经评价过了，可以修改原来的评价")


class ReviewMoved(Conflict):
    """The review is no longer in the state that this step needs."""

    code = "review_moved"
    message = _("这条评价的状态已经改变，请刷新页面")


class FetchedOften(Conflict):
    """A file was fetched as often as may be."""

    code = "fetched_often"
    message = _("已经下载过 %(most)s 次，请重新申请")
