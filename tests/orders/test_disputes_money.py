"""After-sale never pays for one piece twice: not through a key that was given for it, nor through a second case, nor for
the rest of its line."""

from decimal import Decimal

import pytest

from catalog.models import Key
from orders import services
from orders.exceptions import AlreadyDisputed, WrongRefund
from orders.models import Dispute
from tests.complaints import complain, decide, keys_on
from tests.shelf import books
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db
Outcome = Dispute.Outcome


def replaced(order, key: Key, *, by) -> tuple[Dispute, Key]:
    """A case in which the key was replaced, and the key that was given for it."""
    case = decide(complain(order, key), Outcome.REPLACE, by=by)
    return case, case.pieces.get().replacement


def test_what_came_back_for_a_key_counts_for_the_one_given_instead(bought, olga, peter):
    case = complain(bought, keys_on(bought.lines.get())[0])
    decide(case, Outcome.PARTIAL, by=olga, amount=Decimal("9.00"))
    services.appeal_decision(dispute_id=case.pk, text="还是不行，请换新的给我")
    decide(case, Outcome.REPLACE, by=peter)
    again = complain(bought, case.pieces.get().replacement)
    assert services.refundable_of(again) == Decimal("1.00")
    with pytest.raises(WrongRefund):
        decide(again, Outcome.PARTIAL, by=olga, amount=Decimal("1.01"))
    # And so on through every key that follows.
    decide(again, Outcome.REPLACE, by=olga)
    services.accept_decision(dispute_id=again.pk)
    third = complain(bought, again.pieces.get().replacement)
    assert decide(third, Outcome.REFUND, by=olga).refunded == Decimal("1.00")
    assert books() == {}


def test_a_piece_has_one_case_until_that_is_over(bought, alice, olga, peter):
    before = balance_of(alice)
    case, fresh = replaced(bought, keys_on(bought.lines.get())[0], by=olga)
    with pytest.raises(AlreadyDisputed):
        complain(bought, fresh)
    services.appeal_decision(dispute_id=case.pk, text="换来的也是坏的，我要退款")
    with pytest.raises(AlreadyDisputed):
        complain(bought, fresh)
    decide(case, Outcome.REFUND, by=peter)
    assert balance_of(alice) - before == Decimal("10.00")


@pytest.mark.damages_books
def test_the_books_follow_a_piece_through_its_keys(bought, olga):
    first, fresh = replaced(bought, keys_on(bought.lines.get())[0], by=olga)
    services.accept_decision(dispute_id=first.pk)
    second = decide(complain(bought, fresh), Outcome.REFUND, by=olga)
    assert books() == {}
    for case in (first, second):
        case.pieces.update(refunded=Decimal("9.00"))
    assert "orders.pieces_paid_back_above_price" in books()


@pytest.fixture
def mixed(shelf, warranted, alice, olga):
    """Alice's order of three for thirty yuan: two keys from stock, and one piece that staff delivered by hand."""
    order = shelf.buy(alice, (warranted(keys=3), 3))
    line = order.lines.get()
    spoilt = Key.objects.filter(line_id=line.pk).first()
    Key.objects.filter(pk=spoilt.pk).update(state="void", line_id=None)
    services.pay_from_wallet(order_id=order.pk, user=alice)
    services.deliver_by_hand(line_id=line.pk, text="account----secret", actor=olga)
    return order


def test_the_piece_by_hand_of_a_mixed_line_is_worth_its_share(mixed, olga):
    case = complain(mixed, key_ids=frozenset(), whole=True)
    assert services.refundable_of(case) == Decimal("10.00")
    with pytest.raises(WrongRefund):
        decide(case, Outcome.PARTIAL, by=olga, amount=Decimal("10.01"))
    assert decide(case, Outcome.REFUND, by=olga).refunded == Decimal("10.00")
    other = complain(mixed, keys_on(mixed.lines.get())[0])
    assert services.refundable_of(other) == Decimal("10.00")


def test_keys_and_the_piece_by_hand_in_one_case(mixed, olga):
    held = keys_on(mixed.lines.get())
    case = complain(mixed, held[0], whole=True)
    assert services.refundable_of(case) == Decimal("20.00")
    decide(case, Outcome.REFUND, by=olga)
    assert services.refundable_of(complain(mixed, held[1])) == Decimal("10.00")
