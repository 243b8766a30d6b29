"""Reading cards, and whether their books are in order."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, Q, QuerySet, Sum

from accounts.models import User
from common.clock import day_of, start_of_day
from common.findings import Findings, find
from wallet.codes import digest, normal
from wallet.models import Card, CardBatch, WalletRules

# Codes that were downloaded are wiped by beat, some minutes after their time.
LATE = timedelta(hours=1)


def wallet_rules() -> WalletRules:
    return WalletRules.objects.get(pk=1)


def needs_review(total: Decimal, actor: User, at: datetime) -> bool:
    """Whether a batch of this sum in yuan needs another person, with what its maker has issued today without one: many small
    batches are a large one."""
    limit = wallet_rules().card_review_above
    alone = CardBatch.objects.filter(
        created_by=actor, needs_review=False, created_at__gte=start_of_day(day_of(at))
    ).aggregate(sum=Sum(F("face_value") * F("count")))["sum"]
    return total + (alone or 0) > limit or not limit


def batches_counted() -> QuerySet[CardBatch]:
    """Batches with `redeemed_count` and `open_count`."""
    return CardBatch.objects.annotate(
        redeemed_count=Count("cards", filter=Q(cards__state=Card.State.REDEEMED)),
        open_count=Count("cards", filter=Q(cards__state=Card.State.ISSUED)),
    )


def card_with_code(typed: str) -> Card | None:
    """The card of a whole code that somebody holds in hand, in any spelling."""
    code = normal(typed)
    return Card.objects.select_related("batch").filter(digest=digest(code)).first() if code else None


def cards_with_codes(typed: Iterable[str]) -> dict[str, Card]:
    """The cards among what may be codes, by what was given; texts that are no code of ours are left out."""
    digests = {text: digest(code) for text in typed if (code := normal(text))}
    if not digests:
        return {}
    found = Card.objects.select_related("batch", "redeemed_by").filter(digest__in=set(digests.values()))
    by_digest = {bytes(card.digest): card for card in found}
    return {text: by_digest[one] for text, one in digests.items() if one in by_digest}


def audit_cards(at: datetime) -> dict[str, Findings]:
    """What is wrong between cards and the ledger, and codes that should be gone at `at`; empty findings where nothing is."""
    return {
        "redeemed_cards_unlike_the_ledger": find(
            "SELECT c.id, b.face_value FROM wallet_card c JOIN wallet_cardbatch b ON b.id = c.batch_id"
            " WHERE c.state = 'redeemed' AND NOT EXISTS (SELECT 1 FROM wallet_transferref r"
            " JOIN wallet_entry e ON e.transfer_id = r.transfer_id AND e.amount = b.face_value"
            " JOIN wallet_account a ON a.id = e.account_id AND a.user_id = c.redeemed_by_id AND a.purpose = 'wallet'"
            " WHERE r.ref = 'card:' || c.id)"
        ),
        "card_money_without_card": find(
            "SELECT t.ref FROM wallet_transfer t WHERE t.kind = 'card' AND NOT EXISTS"
            " (SELECT 1 FROM wallet_card c WHERE c.state = 'redeemed' AND t.ref = 'card:' || c.id)"
            " AND NOT EXISTS (SELECT 1 FROM wallet_card c JOIN wallet_transferref r ON r.ref = 'card:' || c.id || ':back'"
            " WHERE c.state = 'voided' AND t.ref = 'card:' || c.id)"
        ),
        "batches_unlike_cards": find(
            "SELECT b.id, b.count, count(c.id) FROM wallet_cardbatch b LEFT JOIN wallet_card c ON c.batch_id = b.id"
            " GROUP BY b.id HAVING count(c.id) <> CASE WHEN b.state = 'issued' THEN b.count ELSE 0 END"
        ),
        "codes_kept_after_they_left": find(
            "SELECT b.id FROM wallet_cardbatch b JOIN wallet_cardrelease r ON r.batch_id = b.id AND r.state = 'done'"
            " WHERE b.sealed_codes <> '' AND (r.way = 'stock' OR r.kept_until < %s)",
            at - LATE,
        ),
    }
