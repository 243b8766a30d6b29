"""What members spent and what of it counts, from the daily sums: refunds are in them at the date of the purchase, what is
excluded or flagged is not. Cash before weights."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal

from django.db import connection

from membership.selectors.rules import programs_with_rules

# `whole` adds up a person's programs, which storefronts of their own may have.
_BY_MONTH = """
SELECT user_id, month, program_id, amount FROM (
    SELECT m.user_id, date_trunc('month', b.day)::date AS month, m.program_id, SUM(b.amount) AS amount,
        SUM(SUM(b.amount)) OVER (PARTITION BY m.user_id, date_trunc('month', b.day)) AS whole
    FROM membership_bucket b JOIN membership_membertier m ON m.id = b.member_id
    WHERE b.metric = 'spend' AND b.day BETWEEN %s AND %s {users}
    GROUP BY m.user_id, date_trunc('month', b.day), m.program_id
) spent WHERE whole >= %s
"""


def counted_spend(
    *, first: date, last: date, at_least: Decimal = Decimal(0), user_ids: Collection[int] | None = None
) -> Mapping[tuple[int, date], Mapping[int, Decimal]]:
    """Counted spend in yuan by (user id, first day of the month) and program id, for Shanghai days `first` to `last`.

    Only of people whose spend in the month is `at_least` so much in all; of everybody, or of `user_ids`.
    """
    values: list[object] = [first, last]
    if user_ids is not None:
        values.append(list(user_ids))
    users = "AND m.user_id = ANY(%s)" if user_ids is not None else ""
    found: dict[tuple[int, date], dict[int, Decimal]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_BY_MONTH.format(users=users), [*values, at_least])
        for user_id, month, program_id, amount in cursor.fetchall():
            found.setdefault((user_id, month), {})[program_id] = amount
    return found


def own_programs() -> Mapping[int, int]:
    """Program ids by the storefronts that have one of their own, with rules."""
    return dict(programs_with_rules().exclude(storefront=None).values_list("storefront_id", "pk"))
