"""The desk of marketing."""

from marketing.admin import coupons, templates

__all__ = ["coupons", "templates"]
