"""The desk of marketing."""

from marketing.admin import coupons, rebates, templates

__all__ = ["coupons", "rebates", "templates"]
