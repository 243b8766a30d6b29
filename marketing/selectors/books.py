"""Whether the books of coupons are in order."""

from common.findings import Findings, find


def audit_coupons() -> dict[str, Findings]:
    """What is wrong with coupons, their uses and their slots; empty findings where nothing is."""
    return {
        "coupons_in_two_orders": find(
            "SELECT coupon_id, count(*) FROM marketing_couponuse WHERE given_back_at IS NULL"
            " GROUP BY coupon_id HAVING count(*) > 1"
        ),
        "coupons_unlike_uses": find(
            "SELECT c.id, c.state, c.order_id, u.order_id FROM marketing_coupon c"
            " LEFT JOIN marketing_couponuse u ON u.coupon_id = c.id AND u.given_back_at IS NULL"
            " WHERE c.order_id IS DISTINCT FROM u.order_id"
        ),
        "slots_unlike_coupons": find(
            "SELECT t.id, t.total_limit, h.held, s.taken, s.slots FROM marketing_coupontemplate t"
            " CROSS JOIN LATERAL (SELECT count(*) AS held FROM marketing_coupon c"
            " WHERE c.template_id = t.id AND c.state <> 'revoked') h"
            " CROSS JOIN LATERAL (SELECT count(coupon_id) AS taken, count(*) AS slots FROM marketing_couponslot s"
            " WHERE s.template_id = t.id) s"
            " WHERE t.total_limit IS NOT NULL AND (h.held <> s.taken OR s.slots <> t.total_limit)"
        ),
    }
