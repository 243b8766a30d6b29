"""Stripe Checkout: sessions, refunds, signed webhooks."""

from sandbox.stripe.tongue import StripeTongue

__all__ = ["StripeTongue"]
