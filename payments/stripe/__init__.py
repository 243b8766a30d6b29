"""Stripe Checkout: sessions, refunds, signed webhooks."""
