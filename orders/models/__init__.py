from orders.models.cart import Cart, CartItem
from orders.models.dispute import Dispute, DisputeMove, DisputePicture, DisputePiece, DisputeRules
from orders.models.order import LineSecret, Order, OrderLine, OrderMove, OrderRefund, PriceStep
from orders.models.rules import DeliveryRules

__all__ = [
    "Cart",
    "CartItem",
    "DeliveryRules",
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
