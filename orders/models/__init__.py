from orders.models.cart import Cart, CartItem
from orders.models.dispute import Dispute, DisputeMove, DisputePicture, DisputePiece, DisputeRules
from orders.models.order import LineSecret, Order, OrderLine, OrderMove, OrderRefund, PriceStep

__all__ = [
    "Cart",
    "CartItem",
    "Dispute",
    "DisputeMove",
    "DisputePicture",
    "DisputePiece",
    "DisputeRules",
    "LineSecret",
    "Order",
    "OrderLine",
    "OrderMove",
    "OrderRefund",
    "PriceStep",
]
