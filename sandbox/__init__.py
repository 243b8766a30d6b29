"""Stand-ins for payment gateways: real protocols, play money, a process of its own.

Imports no app and signs with code of its own, so that a mistake in the shop's signing cannot hide behind the same
mistake here. `till` keeps the orders of all gateways, `tongue` says what a protocol adds, `routes` is the cashier and
/control; a package per protocol (`sandbox.epay`, `sandbox.alipay` …) holds its `Tongue`.
"""
