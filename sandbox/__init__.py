"""Stand-ins for payment gateways: real protocols, play money, a process of its own.

Imports no app and signs with code of its own, so that a mistake in the shop's signing cannot hide behind the same
mistake here. One package per gateway (`sandbox.epay`); `server`, `store` and `notifier` are shared.
"""
