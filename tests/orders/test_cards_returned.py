"""The shop's own recharge cards come back: what was given anew or paid back is not redeemed as well."""

from decimal import Decimal

import pytest

from audit.models import AuditEntry
from catalog.models import Key, Product
from common.exceptions import OwnMatter
from orders import services
from orders.exceptions import CardPaidBack, CardsInCase, WholeCards
from orders.models import Dispute, Order
from orders.selectors import delivered_of
from tests.complaints import complain, decide, keys_on
from tests.desk import Act, at_desk, text_of
from tests.orders.test_buying import pay
from tests.shelf import books
from tests.wallet.cards import batch
from wallet.exceptions import CardRedeemed, CardUnusable, InsufficientBalance, Moved
from wallet.models import Card
from wallet.selectors import balance_of
from wallet.services import redeem_card, take_back_card

pytestmark = pytest.mark.django_db
Outcome, State = Dispute.Outcome, Card.State
FIFTY = Decimal("50.00")


@pytest.fixture
def cards_bought(shelf, warranted, alice, olga):
    """cards_bought(2, stock=4) → Alice's paid order of two cards of fifty yuan, of four that were in stock."""

    def make(count: int = 1, stock: int = 2, **fields) -> Order:
        sku = warranted("50.00", keys=0, **fields)
        services.stock_cards(batch_id=batch(olga, "50.00", stock).pk, sku_id=sku.pk, actor=olga)
        order = shelf.buy(alice, (sku, count))
        pay(order, ref=f"paid:{order.pk}")
        return Order.objects.get(pk=order.pk)

    return make


def texts(order: Order) -> list[str]:
    return [one.text for one in delivered_of(order)]


def redeem(user, code: str):
    return redeem_card(user=user, code=code, address="203.0.113.1")


def redeemed(user, code: str) -> bool:
    try:
        return redeem(user, code).amount == FIFTY
    except CardUnusable:
        return False


def states() -> list[str]:
    return list(Card.objects.order_by("number").values_list("state", flat=True))


def give_back(order: Order, amount: str, *, by, ref: str = "r"):
    line = order.lines.get().pk
    return services.refund(order_id=order.pk, amounts={line: Decimal(amount)}, ref=ref, reason="买错", actor=by)


def test_a_card_that_was_replaced_cannot_be_redeemed_any_more(cards_bought, alice, olga):
    order = cards_bought()
    (old,) = texts(order)
    case = decide(complain(order), Outcome.REPLACE, by=olga)
    with pytest.raises(CardUnusable):
        redeem(alice, old)
    (fresh,) = texts(order)
    assert redeem(alice, fresh).amount == FIFTY
    assert balance_of(alice) == Decimal("1050.00")
    entry = AuditEntry.objects.filter(action="cards.void").get()
    assert entry.actor_id == olga.pk and entry.detail["reason"] == f"replaced:{case.number}"
    assert books() == {}


def test_a_redeemed_card_is_neither_replaced_nor_paid_back(cards_bought, bob, olga):
    order = cards_bought()
    redeem(bob, texts(order)[0])
    case = complain(order)
    for outcome in (Outcome.REPLACE, Outcome.REFUND):
        with pytest.raises(CardRedeemed, match="bob"):
            decide(case, outcome, by=olga)
    with pytest.raises(WholeCards):
        decide(case, Outcome.PARTIAL, by=olga, amount=Decimal("49.99"))
    with pytest.raises(CardRedeemed):
        give_back(order, "50.00", by=olga)
    assert states() == [State.REDEEMED, State.ISSUED] and Key.objects.filter(state="replaced").count() == 0


def test_after_its_balance_was_taken_back_it_can_be_paid_back(cards_bought, alice, bob, olga):
    order = cards_bought()
    (code,) = texts(order)
    redeem(bob, code)
    card, before = Card.objects.get(state=State.REDEEMED), balance_of(bob)
    act = Act(at_desk(olga), f"/admin/wallet/card/{card.pk}/take-back/").fill(reason="买家要退这张卡")
    assert "确认收回 ¥50.00" in act.text
    assert "已收回 ¥50.00" in act.confirm().done()
    assert balance_of(bob) == before - FIFTY
    with pytest.raises(CardUnusable):
        redeem(bob, code)
    decide(complain(order), Outcome.REFUND, by=olga)
    assert balance_of(alice) == Decimal("1050.00")
    assert books() == {}


def test_what_was_spent_or_is_the_own_cannot_be_taken_back(cards_bought, charlie, olga, peter, shelf):
    order = cards_bought(2)
    mine, theirs = texts(order)
    redeem(olga, mine)
    redeem(charlie, theirs)
    shelf.buy(charlie, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    wish = {"reason": "退卡", "actor": olga}
    with pytest.raises(OwnMatter):
        take_back_card(card_id=Card.objects.get(redeemed_by=olga).pk, **wish)
    with pytest.raises(InsufficientBalance):
        take_back_card(card_id=Card.objects.get(redeemed_by=charlie).pk, **wish)
    taken = take_back_card(card_id=Card.objects.get(redeemed_by=olga).pk, reason="退卡", actor=peter)
    with pytest.raises(Moved):
        take_back_card(card_id=taken.pk, **wish)


def test_the_desk_sees_who_redeemed_it(cards_bought, bob, olga):
    order = cards_bought()
    redeem(bob, texts(order)[0])
    case, desk = complain(order), at_desk(olga)
    shown = desk.get(f"/admin/orders/dispute/{case.pk}/change/")
    card = Card.objects.get(state=State.REDEEMED)
    assert "已兑换 bob" in " ".join(text_of(shown).split()) and "&lt;" not in shown.content.decode()
    assert f"/admin/wallet/card/{card.pk}/change/" in shown.content.decode()
    key = keys_on(order.lines.get())[0]
    assert f"/admin/wallet/card/{card.pk}/change/" in desk.get(f"/admin/catalog/key/{key.pk}/change/").content.decode()
    told = Act(desk, f"/admin/orders/dispute/{case.pk}/replace/").fill(reason="为你换新")
    assert "已兑换的充值卡不能换新或退款" in told.text and "确认换新" not in told.text


def test_a_case_that_pays_back_voids_its_card_and_no_other(cards_bought, alice, olga):
    order = cards_bought(2)
    first, second = keys_on(order.lines.get())
    decide(complain(order, second), Outcome.REFUND, by=olga)
    assert states() == [State.ISSUED, State.VOIDED]
    # The desk then refunds the rest of the order: the other card is the one that is left.
    give_back(order, "50.00", by=olga)
    assert states() == [State.VOIDED, State.VOIDED]
    assert balance_of(alice) == Decimal("1100.00")
    assert first.pk


def test_a_card_is_paid_back_whole_or_not_at_all(cards_bought, alice, olga):
    order = cards_bought(2, stock=2)
    case = complain(order, keys_on(order.lines.get())[0])
    with pytest.raises(WholeCards):
        decide(case, Outcome.PARTIAL, by=olga, amount=Decimal("49.99"))
    services.withdraw_dispute(dispute_id=case.pk, actor=alice)
    for part in ("0.01", "49.99", "50.01"):
        with pytest.raises(WholeCards):
            give_back(order, part, by=olga)
    assert states() == [State.ISSUED, State.ISSUED]
    redeem(alice, texts(order)[1])
    give_back(order, "50.00", by=olga)
    assert states() == [State.VOIDED, State.REDEEMED]
    with pytest.raises(CardRedeemed):
        give_back(order, "50.00", by=olga, ref="s")


def test_nobody_redeems_a_card_while_its_case_waits_for_stock(cards_bought, alice, olga):
    order = cards_bought(1, stock=1)
    (old,) = texts(order)
    case = decide(complain(order), Outcome.REPLACE, by=olga, wait=True)
    assert case.state == Dispute.State.RESTOCK
    with pytest.raises(CardUnusable):
        redeem(alice, old)
    services.take_money_instead(dispute_id=case.pk, actor=alice)
    assert balance_of(alice) == Decimal("1050.00")


def test_a_short_line_keeps_the_card_that_was_delivered(shelf, warranted, alice, olga):
    sku = warranted("50.00", keys=0)
    services.stock_cards(batch_id=batch(olga, "50.00", 2).pk, sku_id=sku.pk, actor=olga)
    order = shelf.buy(alice, (sku, 2))
    lost = Key.objects.filter(line_id=order.lines.get().pk).order_by("-pk").first()
    Key.objects.filter(pk=lost.pk).update(state="void", line_id=None)
    pay(order, ref="short")
    give_back(order, "50.00", by=olga)
    assert states() == [State.ISSUED, State.ISSUED]
    give_back(order, "50.00", by=olga, ref="s")
    assert State.VOIDED in states()


def test_a_card_in_a_bundle(shelf, warranted, alice, olga):
    card, extra = shelf.sku("50.00"), shelf.sku("10.00", keys=1)
    services.stock_cards(batch_id=batch(olga, "50.00", 1).pk, sku_id=card.pk, actor=olga)
    bundle = warranted("40.00", keys=0, kind=Product.Kind.BUNDLE)
    for part in (card, extra):
        bundle.bundle_items.create(component=part, quantity=1)
    order = shelf.buy(alice, (bundle, 1))
    pay(order, ref="bundle")
    other = next(key for key in keys_on(order.lines.get()) if key.sku_id == extra.pk)
    decide(complain(order, other), Outcome.REFUND, by=olga)
    assert states() == [State.ISSUED], "the case was about the other part"
    give_back(order, "20.00", by=olga)
    assert states() == [State.VOIDED]


def test_a_card_that_was_paid_back_is_not_given_anew(cards_bought, alice, olga):
    """Its buyer reports that it is void, which is true."""
    order = cards_bought(2, stock=4)
    give_back(order, "50.00", by=olga)
    assert states()[:2] == [State.ISSUED, State.VOIDED]
    with pytest.raises(CardPaidBack):
        decide(complain(order, keys_on(order.lines.get())[1]), Outcome.REPLACE, by=olga)


class TestBesideAnOpenCase:
    """Two cards of fifty yuan; a case about the first waits for stock, its own card void."""

    @pytest.fixture
    def order(self, cards_bought):
        return cards_bought(2, stock=2)

    @pytest.fixture
    def case(self, order, olga):
        case = decide(complain(order, keys_on(order.lines.get())[0]), Outcome.REPLACE, by=olga, wait=True)
        assert case.state == Dispute.State.RESTOCK and states() == [State.VOIDED, State.ISSUED]
        return case

    def test_the_desk_pays_back_the_other_card_and_the_case_its_own(self, order, case, alice, olga):
        give_back(order, "50.00", by=olga)
        assert states() == [State.VOIDED, State.VOIDED]
        services.take_money_instead(dispute_id=case.pk, actor=alice)
        assert (balance_of(alice), books()) == (Decimal("1100.00"), {})

    def test_the_card_of_the_case_is_given_anew_though_the_other_was_paid_back(self, order, case, alice, olga):
        give_back(order, "50.00", by=olga)
        services.stock_cards(batch_id=batch(olga, "50.00", 2).pk, sku_id=order.lines.get().sku_id, actor=olga)
        services.serve_restocked()
        good = [text for text in texts(order) if redeemed(alice, text)]
        assert len(good) == 1
        assert (balance_of(alice), books()) == (Decimal("1100.00"), {})

    def test_what_only_cases_hold_is_paid_back_by_them(self, order, case, alice, olga):
        complain(order, keys_on(order.lines.get())[1])
        with pytest.raises(CardsInCase):
            give_back(order, "50.00", by=olga)
        give_back(order, "100.00", by=olga)
        assert states() == [State.VOIDED, State.VOIDED]
        assert (balance_of(alice), Dispute.objects.filter(state__in=Dispute.OPEN).count()) == (Decimal("1100.00"), 0)
