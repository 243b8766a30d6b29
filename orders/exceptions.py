from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict, NotFound


class OrderNotFound(NotFound):
    code = "order_not_found"
    message = _("没有找到这个订单")


class LinkExpired(NotFound):
    """A signed link of this very order that is too old."""

    code = "link_expired"
    message = _("这个链接已过期。请用联系方式和订单密码查询订单")


class SkuUnavailable(Conflict):
    code = "sku_unavailable"
    message = _("「%(name)s」已下架，请重新选择")


class SkuUnknown(NotFound):
    code = "sku_not_found"
    message = _("没有找到这个商品规格")


class NotYetOnSale(Conflict):
    """The product is on sale later; members with early access may buy it before."""

    code = "not_yet_on_sale"
    message = _("「%(name)s」将于 %(time)s 开售")


class BadQuantity(BadInput):
    code = "bad_quantity"
    message = _("购买数量须在 %(min)s 到 %(max)s 之间")


class TooManyTogether(BadQuantity):
    """Every line is within the limit; what they come to is not."""

    message = _("「%(name)s」每单最多 %(max)s 件，各行合计有 %(whole)s 件，请减少其中一行")


class BadField(BadInput):
    """A buyer field is missing or does not fit; `field` names it."""

    code = "bad_field"
    message = _("请正确填写「%(label)s」")


class EmptyOrder(BadInput):
    code = "empty_order"
    message = _("还没有选择商品")


class TooManyLines(BadInput):
    code = "too_many_lines"
    message = _("一次最多购买 %(max)s 种商品")


class TotalTooLarge(BadInput):
    code = "total_too_large"
    message = _("单笔订单不能超过 ¥%(max)s，请减少数量")


class ContactNeeded(BadInput):
    code = "contact_needed"
    message = _("请填写联系方式，以便日后查询订单")


class PriceMoved(Conflict):
    """The total differs from the one that the buyer was shown."""

    code = "price_moved"
    message = _("价格已变为 ¥%(total)s，请确认后再支付")


class TooManyUnpaid(Conflict):
    code = "too_many_unpaid"
    status = 429
    message = _("待支付的订单太多，请先支付或取消")


class IllegalMove(Conflict):
    code = "illegal_move"
    message = _("订单当前状态不允许此操作")


class RefundTooLarge(Conflict):
    code = "refund_too_large"
    message = _("退款不能超过可退金额 ¥%(refundable)s")


class CardPaidBack(Conflict):
    """It is void because its money went back: another one would be a gift."""

    code = "card_paid_back"
    message = _("这张充值卡的款项已经退回，不能再换新")


class CardsInCase(Conflict):
    """The money of a card would go back beside the case that is about it, and then once more by the case."""

    code = "cards_in_case"
    message = _("其余的充值卡正在售后处理中，请在售后单里退款")


class WholeCards(Conflict):
    """Part of a card's price: its buyer would keep the card and some of the money."""

    code = "whole_cards"
    message = _("充值卡只能整张退款（每张 ¥%(each)s），退款时卡随即作废")


class CreditTooSmall(Conflict):
    code = "credit_too_small"
    message = _("这个订单的待退款只有 ¥%(left)s")


class NothingToDeliver(Conflict):
    code = "nothing_to_deliver"
    message = _("没有可以补发的商品，或库存仍不足")


class CashOnly(Conflict):
    """What turns into balance again is not bought with balance."""

    code = "cash_only"
    message = _("「%(name)s」不能用余额支付，请换一种支付方式")


class DisputeNotFound(NotFound):
    code = "dispute_not_found"
    message = _("没有找到这个售后单")


class NotDisputable(Conflict):
    """Nothing of this line can be reported: it is not delivered, or was paid back."""

    code = "not_disputable"
    message = _("这项商品还没有发完货，或者已经退款，不能报告问题")


class WarrantyOver(Conflict):
    code = "warranty_over"
    message = _("质保期已过，不能再报告问题。请联系客服")


class AlreadyDisputed(Conflict):
    """A case about one of the pieces goes on, or was decided."""

    code = "already_disputed"
    message = _("选中的卡密里有正在处理或已经处理过的，请到售后单里查看")


class BadDispute(BadInput):
    """What the buyer sent cannot make a case; `code` says why, `field` what it is about."""

    code = "bad_dispute"
    message = _("请检查填写的内容")


class BadWords(BadDispute):
    code = "bad_text"
    message = _("请填写 %(least)s 到 %(most)s 个字")


class BadPicture(BadInput):
    code = "bad_picture"
    message = _("请上传 PNG、JPEG 或 WebP 图片，每张不超过 %(most)s MB")


class TooManyPictures(BadInput):
    code = "too_many_pictures"
    message = _("每次最多上传 %(most)s 张图片")


class DisputeMoved(Conflict):
    """The case is no longer where this act belongs: somebody else was first."""

    code = "dispute_moved"
    message = _("这个售后单已经被处理，请刷新后再看")


class AppealOver(Conflict):
    code = "appeal_over"
    message = _("申诉时限已过，或者已经申诉过一次")


class SameDecider(Conflict):
    """An appeal is decided by somebody who did not decide the case, as long as there is time for that."""

    code = "same_decider"
    message = _("申诉须由另一位员工复核，你已经裁定过这个售后单")


class SellerFirst(Conflict):
    """The seller still has time to answer."""

    code = "seller_first"
    message = _("卖家还在答复时限内，请等答复或到期后再裁定")


class NothingToRefund(Conflict):
    code = "nothing_to_refund"
    message = _("这些卡密已经没有可退的金额")


class WrongRefund(BadInput):
    code = "wrong_refund"
    message = _("退款须大于 0，且不超过可退金额 ¥%(most)s")
