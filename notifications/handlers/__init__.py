"""Events that people are told of; importing this makes them heard."""

from notifications.handlers import disputes, exports, members, money, orders, reviews

__all__ = ["disputes", "exports", "members", "money", "orders", "reviews"]
