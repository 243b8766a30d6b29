"""One question to the database after each step: everything that the model knows something of, as (what, key) → text."""

from collections.abc import Sequence

from django.db import connection

NAME = "what_the_model_knows"
# Planned once: this is asked after every step.
PREPARE = f"""
PREPARE {NAME} (text[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[]) AS
SELECT 'account', code, concat_ws(' ', balance, restricted) FROM wallet_account WHERE code = ANY($1)
UNION ALL SELECT 'keys', concat_ws(' ', sku_id, state), COUNT(*)::text FROM catalog_key
    WHERE sku_id = ANY($2) GROUP BY sku_id, state
UNION ALL SELECT 'order', id::text, concat_ws(' ', state, refunded_total) FROM orders_order WHERE id = ANY($3)
UNION ALL SELECT 'coupon', id::text, COALESCE(order_id, 0)::text FROM marketing_coupon WHERE id = ANY($4)
UNION ALL SELECT 'refund', id::text, concat_ws(' ', state, returned, credited) FROM orders_orderrefund
    WHERE id = ANY($5)
UNION ALL SELECT 'money back', id::text, concat_ws(' ', state, amount, bonus) FROM payments_refund WHERE id = ANY($6)
UNION ALL SELECT 'top-up', t.id::text, concat_ws(' ', t.credited, t.refunded, COALESCE(g.taken_back, 0.00))
    FROM payments_topup t LEFT JOIN payments_bonusgrant g ON g.top_up_id = t.id WHERE t.id = ANY($7)
UNION ALL SELECT 'withdrawal', id::text, state FROM payments_withdrawal WHERE id = ANY($8)
UNION ALL SELECT 'credit line', user_id::text, concat_ws(' ', state, used) FROM wallet_creditline
    WHERE user_id = ANY($9)
UNION ALL SELECT 'card', id::text, concat_ws(' ', state, redeemed_by_id) FROM wallet_card WHERE id = ANY($10)
"""

Facts = dict[tuple[str, str], str]


def prepare() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
        cursor.execute(PREPARE)


def ask(*wanted: Sequence) -> Facts:
    with connection.cursor() as cursor:
        cursor.execute(f"EXECUTE {NAME} ({', '.join(['%s'] * len(wanted))})", [list(one) for one in wanted])
        return {(what, key): text for what, key, text in cursor.fetchall()}


def difference(model: Facts, shop: Facts) -> str:
    """What is not the same, in words; empty when all is. An account that was never opened has nothing."""
    wrong = []
    for place in sorted(model.keys() | shop.keys()):
        wanted, found = model.get(place, "nothing"), shop.get(place, "nothing")
        if wanted != found and (wanted, found) != ("0.00 0.00", "nothing"):
            wrong.append(f"{' '.join(place)}: {found}, and the model says {wanted}")
    return "; ".join(wrong)
