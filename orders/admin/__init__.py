"""Orders in the admin: looking them up, one order's whole story, and the acts of staff, which all call orders.services."""

from orders.admin import disputes, lines, orders, rules, timeline

__all__ = ["disputes", "lines", "orders", "rules", "timeline"]
