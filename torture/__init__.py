"""Torture: the shop killed, raced, forged, cut off and lied to, by a seed, and its books looked at afterwards.

`manage.py torture` runs it (docs/torture.md); no app imports it. It begins a PostgreSQL, a Valkey, a sandbox, web, worker
and beat of its own, and never touches a shop's. One module in `faults/` is one family of faults: it has `run(stage, *,
seed, budget, report)`, which does to the shop what its docstring says until the budget is used up, and counts what it did.
After each the oracle has the last word.
"""

# In the order in which they take turns.
FAMILIES = ("model", "races", "kills", "servers", "clocks", "disk", "callbacks", "gateways", "api")
