"""Reading after-sale cases: which pieces may be reported and until when, whose case is whose, what waits for staff."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from catalog.models import Key
from catalog.selectors import keys_of_line_by_text
from common.findings import Findings, find
from orders.exceptions import DisputeNotFound
from orders.models import Dispute, DisputeMove, DisputePicture, DisputePiece, DisputeRules, Order, OrderLine
from orders.models.dispute import ONLY_ID

# What happened in a case, by the cause of its history row.
CAUSES = {
    "opened": _("提交售后"),
    "added": _("补充说明"),
    "answered": _("卖家答复"),
    "seller_silent": _("卖家逾期未答复，转平台裁定"),
    "asked": _("请买家补充说明"),
    "decided": _("平台裁定"),
    "restocked": _("已补货，完成换新"),
    "restock_time_over": _("到期未补货，自动全额退款"),
    "money_instead": _("不再等补货，改为退款"),
    "accepted": _("买家接受结果"),
    "appealed": _("买家申诉"),
    "appeal_withdrawn": _("买家撤回申诉，维持原裁定"),
    "appeal_time_over": _("申诉期已过，自动结束"),
    "withdrawn": _("买家撤销售后"),
    "paid_back": _("商品已另行全额退款，售后结束"),
}


def rules_of_disputes() -> DisputeRules:
    return DisputeRules.objects.get(pk=ONLY_ID)


def report_until(line: OrderLine, rules: DisputeRules) -> datetime | None:
    """Up to when the line's buyer may report a problem: the end of the warranty, or what the operator grants without one.
    None before everything is delivered."""
    if line.state != OrderLine.State.DELIVERED or line.delivered_at is None:
        return None
    if line.warranty_days:
        return line.settles_at
    return line.delivered_at + timedelta(hours=rules.no_warranty_hours)


def may_report(line: OrderLine, rules: DisputeRules, at: datetime) -> bool:
    """Whether a problem may be reported now; whether any piece is free is `pieces_of`'s to say."""
    until = report_until(line, rules)
    return until is not None and at <= until and not (line.warranty_days and line.settled_at)


@dataclass(frozen=True)
class Piece:
    """What can be reported by itself: a key, or the line as a whole (None). `dispute` is the case that has taken it."""

    key: Key | None
    dispute: Dispute | None


def pieces_of(line: OrderLine) -> list[Piece]:
    """The line's pieces in the order of delivery; one for the whole line where not everything came from key stock.

    What was given for a key belongs to the case until that is over: it may still be appealed, and one piece has one case.
    """
    taken = {}
    for piece in DisputePiece.objects.filter(line=line, is_taken=True).select_related("dispute"):
        taken[piece.key_id] = piece.dispute
        if piece.replacement_id is not None and piece.dispute.is_open:
            taken[piece.replacement_id] = piece.dispute
    keys = Key.objects.filter(line_id=line.pk, state=Key.State.SOLD).only("id", "preview", "sku_id").order_by("pk")
    pieces = [Piece(key, taken.get(key.pk)) for key in keys]
    if len(pieces) < line.pieces_delivered:
        pieces.append(Piece(None, taken.get(None)))
    return pieces


def keys_by_text(line: OrderLine, texts: Iterable[str]) -> dict[str, int]:
    """Ids of the line's keys by what they say, for buyers who paste them; a text that is none of them is left out."""
    return keys_of_line_by_text(line.pk, texts)


def buyers_disputes(*, user: User | None, device: str) -> QuerySet[Dispute]:
    """A member's cases, or those about the guest orders of this device; newest first."""
    if user is not None:
        mine = Dispute.objects.filter(order__buyer=user)
    elif device:
        mine = Dispute.objects.filter(order__buyer=None, order__device=device)
    else:
        return Dispute.objects.none()
    return mine.select_related("line__product", "order").order_by("-pk")


def dispute_for(public_id: str) -> Dispute:
    """The case, for whoever has its order opened (orders.selectors.order_for). Raises DisputeNotFound."""
    found = Dispute.objects.filter(public_id=public_id).select_related("order", "line__product", "line__sku").first()
    if found is None:
        raise DisputeNotFound
    return found


def picture_of(dispute: Dispute, public_id: str) -> DisputePicture:
    """A picture of this case. Raises DisputeNotFound."""
    found = DisputePicture.objects.filter(public_id=public_id, move__dispute=dispute).select_related("data_key").first()
    if found is None:
        raise DisputeNotFound
    return found


def disputes_of_order(order: Order) -> list[Dispute]:
    return list(order.disputes.select_related("line").order_by("-pk"))


def story_of(dispute: Dispute) -> list[DisputeMove]:
    """Everything that happened in the case, oldest first, with its pictures (which are not opened)."""
    pictures = Prefetch("pictures", DisputePicture.objects.defer("sealed"))
    return list(dispute.moves.prefetch_related(pictures).order_by("pk"))


def reported_of(dispute: Dispute) -> list[DisputePiece]:
    """The case's pieces with their keys and what was given for them."""
    return list(dispute.pieces.select_related("key", "replacement__data_key"))


def disputes_of_lines(line_ids: Sequence[int]) -> dict[int, list[Dispute]]:
    """The cases about these lines by line, newest first, with their pieces."""
    found: dict[int, list[Dispute]] = {}
    for dispute in Dispute.objects.filter(line__in=line_ids).prefetch_related("pieces").order_by("-pk"):
        found.setdefault(dispute.line_id, []).append(dispute)
    return found


def previews_of_disputes(disputes: Iterable[Dispute]) -> dict[int, list[str]]:
    """Masked previews of the keys that the buyer holds and reported, by case; none for what did not come from key stock."""
    found: dict[int, list[str]] = {}
    pieces = DisputePiece.objects.filter(dispute__in=list(disputes), key__isnull=False).order_by("pk")
    for dispute_id, old, fresh in pieces.values_list("dispute_id", "key__preview", "replacement__preview"):
        found.setdefault(dispute_id, []).append(fresh or old)
    return found


def waiting_disputes() -> QuerySet[Dispute]:
    """Where staff have the next word, in the order of the desk."""
    return Dispute.objects.filter(desk_due_at__isnull=False).order_by("desk_due_at", "-pk")


def overdue_disputes(at: datetime) -> QuerySet[Dispute]:
    """Where staff should have had it before `at`."""
    return Dispute.objects.filter(desk_due_at__lte=at).order_by("desk_due_at", "-pk")


def audit_disputes() -> dict[str, Findings]:
    """What is wrong between cases, lines, keys and money; empty findings where nothing is."""
    return {
        "open_disputes_unlike_lines": find(
            "SELECT l.id, l.open_disputes, count(d.id) FROM orders_orderline l LEFT JOIN orders_dispute d"
            " ON d.line_id = l.id AND d.state NOT IN ('closed', 'withdrawn')"
            " WHERE l.open_disputes > 0 OR d.id IS NOT NULL GROUP BY l.id HAVING l.open_disputes <> count(d.id)"
        ),
        "disputes_without_pieces": find(
            "SELECT d.number FROM orders_dispute d WHERE NOT EXISTS"
            " (SELECT 1 FROM orders_disputepiece p WHERE p.dispute_id = d.id)"
        ),
        "disputes_of_other_lines": find(
            "SELECT d.number FROM orders_dispute d JOIN orders_orderline l ON l.id = d.line_id"
            " WHERE l.order_id <> d.order_id OR EXISTS"
            " (SELECT 1 FROM orders_disputepiece p WHERE p.dispute_id = d.id AND p.line_id <> d.line_id)"
        ),
        "free_pieces_of_open_disputes": find(
            "SELECT d.number, p.id FROM orders_dispute d JOIN orders_disputepiece p ON p.dispute_id = d.id"
            " WHERE d.state NOT IN ('closed', 'withdrawn') AND NOT p.is_taken"
        ),
        "disputes_unlike_history": find(
            "SELECT d.number, d.state FROM orders_dispute d WHERE d.state IS DISTINCT FROM (SELECT m.to_state"
            " FROM orders_disputemove m WHERE m.dispute_id = d.id ORDER BY m.id DESC LIMIT 1)"
        ),
        "disputes_unlike_refunds": find(
            "SELECT d.number, d.refunded, COALESCE(SUM(r.amount), 0) FROM orders_dispute d LEFT JOIN orders_orderrefund r"
            " ON r.order_id = d.order_id AND r.ref LIKE 'dispute:' || d.id || ':%%'"
            " GROUP BY d.id HAVING d.refunded <> COALESCE(SUM(r.amount), 0)"
        ),
        "disputes_unlike_pieces": find(
            "SELECT d.number, d.refunded, SUM(p.refunded) FROM orders_dispute d"
            " JOIN orders_disputepiece p ON p.dispute_id = d.id GROUP BY d.id HAVING d.refunded <> SUM(p.refunded)"
        ),
        # Through all keys that were given for one; cents that do not split stay within one a piece.
        "pieces_paid_back_above_price": find(
            "WITH RECURSIVE chain (first_id, key_id, line_id) AS (SELECT p.key_id, p.key_id, p.line_id"
            " FROM orders_disputepiece p WHERE p.key_id IS NOT NULL AND NOT EXISTS"
            " (SELECT 1 FROM orders_disputepiece e WHERE e.replacement_id = p.key_id)"
            " UNION SELECT c.first_id, p.replacement_id, c.line_id FROM chain c"
            " JOIN orders_disputepiece p ON p.key_id = c.key_id AND p.replacement_id IS NOT NULL)"
            " SELECT c.first_id, SUM(p.refunded) FROM chain c JOIN orders_disputepiece p ON p.key_id = c.key_id"
            " JOIN orders_orderline l ON l.id = c.line_id GROUP BY c.first_id, l.id"
            " HAVING SUM(p.refunded) > l.cash / l.pieces + 0.01 * l.pieces"
        ),
        "replaced_without_another": find(
            "SELECT k.id, k.line_id FROM catalog_key k WHERE k.state = 'replaced' AND NOT EXISTS"
            " (SELECT 1 FROM orders_disputepiece p JOIN catalog_key n ON n.id = p.replacement_id"
            " WHERE p.line_id = k.line_id AND n.line_id = k.line_id)"
        ),
    }
