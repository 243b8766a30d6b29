from orders.models.cart import Cart, CartItem
from orders.models.order import LineSecret, Order, OrderLine, OrderMove, OrderRefund, PriceStep

__all__ = ["Cart", "CartItem", "LineSecret", "Order", "OrderLine", "OrderMove", "OrderRefund", "PriceStep"]
