"""Cards: made by two where it is much, redeemed by one once, readable nowhere."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from audit.exceptions import NotYetUsable, SamePerson
from audit.models import AuditEntry
from catalog.models import Key
from common import clock
from common.exceptions import TooManyRequests
from events.services import relay
from notifications.models import Message
from orders.exceptions import CashOnly
from orders.services import pay_from_wallet, refund, stock_cards
from tests.desk import staff
from tests.shelf import books
from tests.wallet.cards import batch, codes
from wallet import services
from wallet.codes import ALPHABET, LENGTH, digest, new_code, normal
from wallet.exceptions import CardUnusable, CodesGone, Moved
from wallet.models import Account, Card, CardBatch, CardMove, CardRelease, Entry, WalletRules
from wallet.selectors import audit_cards, balance_of, card_with_code, restricted_of
from wallet.services import redeem_card

pytestmark = pytest.mark.django_db
HERE = "203.0.113.9"


@pytest.fixture
def petra(db):
    return staff("petra")


@pytest.fixture
def quentin(db):
    return staff("quentin")


def redeem(user, code: str, address: str = HERE):
    return redeem_card(user=user, code=code, address=address)


def test_a_code_has_a_hundred_random_bits_and_is_read_as_people_type_it():
    assert len(set(ALPHABET)) == 32 and LENGTH * 5 >= 80
    code = new_code().replace("0", "7").replace("1", "7")
    assert normal(" " + "-".join(code.lower()) + " ") == code
    assert normal(code.translate({ord(one): ord(one) + 0xFEE0 for one in code})) == code
    assert normal("O" * 10 + "iL" * 5) == "0" * 10 + "1" * 10
    for bad in ("", code[:-1], code + "7", "U" * 20, "\0" * 20, "卡" * 20, "٣" * 20):
        assert normal(bad) == "", bad


def test_alice_turns_a_card_into_balance_that_buys_and_is_not_withdrawn(alice, petra):
    made = batch(petra, "50.00", wording="新年快乐")
    code = codes(made)[0]
    done = redeem(alice, code.lower().replace("-", " "))
    assert (done.amount, done.again) == (Decimal("50.00"), False)
    assert (balance_of(alice), restricted_of(alice)) == (Decimal("1050.00"), Decimal("50.00"))
    card = Card.objects.get(state="redeemed")
    assert card.redeemed_by == alice
    (move,) = card.moves.all()
    assert (move.from_state, move.to_state, move.actor_id) == ("issued", "redeemed", alice.pk)
    assert Entry.objects.get(account__purpose=Account.Purpose.CARDS).amount == Decimal("-50.00")


def test_the_same_member_is_told_again_and_nothing_moves(alice, petra):
    code = codes(batch(petra))[0]
    first = redeem(alice, code)
    again = redeem(alice, code)
    assert again.again and again.card == first.card
    assert balance_of(alice) == Decimal("1050.00")


def test_unknown_used_voided_expired_and_refused_are_one_answer(alice, bob, petra):
    made = batch(petra, count=4)
    used, voided, open_, last = codes(made)
    redeem(bob, used)
    services.void_cards(batch_id=made.pk, first=2, last=2, reason="丢失", actor=petra)
    late = batch(petra, expires_at=clock.now() + timedelta(days=1))
    expired = codes(late)[0]
    CardBatch.objects.filter(pk=late.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    answers = set()
    for code in (used, voided, expired, new_code(), "", "?", "x" * 300, "\0"):
        with pytest.raises(CardUnusable) as refusal:
            redeem(alice, code)
        answers.add((refusal.value.code, refusal.value.status, str(refusal.value)))
    assert len(answers) == 1
    assert balance_of(alice) == Decimal("1000.00")
    redeem(alice, open_)


def test_guessing_ends_by_member_and_by_address(alice, bob, petra):
    for _ in range(10):
        with pytest.raises(CardUnusable):
            redeem(alice, new_code())
    with pytest.raises(TooManyRequests):
        redeem(alice, codes(batch(petra))[0])
    for _ in range(10):
        with pytest.raises(CardUnusable):
            redeem(bob, new_code(), "2001:db8::1")
    with pytest.raises(TooManyRequests):
        redeem(bob, new_code(), "2001:db8::2")


def test_good_cards_are_not_counted_as_guesses(alice, petra):
    for code in codes(batch(petra, "1.00", count=15)):
        redeem(alice, code)
    assert balance_of(alice) == Decimal("1015.00")


def test_much_money_needs_another_person(petra, quentin):
    big = batch(petra, "500.00", count=3)
    assert (big.state, big.needs_review, big.sealed_codes, big.cards.count()) == ("waiting", True, "", 0)
    with pytest.raises(SamePerson):
        services.review_batch(batch_id=big.pk, actor=petra)
    services.review_batch(batch_id=big.pk, actor=quentin)
    with pytest.raises(Moved):
        services.review_batch(batch_id=big.pk, actor=quentin)
    assert len(codes(big)) == big.cards.count() == 3
    refused = batch(petra, "500.00", count=3)
    services.refuse_batch(batch_id=refused.pk, reason="重复", actor=quentin)
    assert not refused.cards.exists()
    assert AuditEntry.objects.filter(action__startswith="cards.").count() == 4
    WalletRules.objects.update(card_review_above=0)
    assert batch(petra, "1.00", count=1).needs_review


def test_the_database_itself_wants_two_people(petra):
    made = batch(petra, "500.00")
    with pytest.raises(IntegrityError, match="card_batch_second_person"), transaction.atomic():
        now = clock.now()
        CardBatch.objects.filter(pk=made.pk).update(state="issued", issued_at=now, decided_by=petra, decided_at=now)
    small = batch(petra)
    services.ask_codes(batch_id=small.pk, reason="印刷", actor=petra)
    with pytest.raises(IntegrityError, match="card_release_second_person"), transaction.atomic():
        CardRelease.objects.update(state="approved", decided_by=petra, decided_at=clock.now())
    with pytest.raises(IntegrityError, match="card_release_file_was_approved"), transaction.atomic():
        CardRelease.objects.update(state="done", done_at=clock.now())


def test_a_yes_to_a_file_of_codes_is_taken_back_or_lapses_and_may_be_asked_for_again(petra, quentin):
    made = batch(petra)
    services.ask_codes(batch_id=made.pk, reason="印刷", actor=petra)
    services.approve_codes(batch_id=made.pk, actor=quentin)
    services.deny_codes(batch_id=made.pk, actor=quentin)
    services.ask_codes(batch_id=made.pk, reason="印刷", actor=petra)
    services.approve_codes(batch_id=made.pk, actor=quentin)
    with pytest.raises(CodesGone):
        services.ask_codes(batch_id=made.pk, reason="再来", actor=petra)
    with clock.travel(clock.now() + timedelta(hours=49)):
        with pytest.raises(Moved):
            services.take_codes(batch_id=made.pk, actor=petra)
        services.ask_codes(batch_id=made.pk, reason="再来", actor=petra)
    assert sorted(CardRelease.objects.values_list("state", flat=True)) == ["asked", "refused", "refused"]


def test_codes_leave_once_with_two_people_and_an_entry_in_the_log(petra, quentin):
    made = batch(petra)
    known = codes(made)
    services.ask_codes(batch_id=made.pk, reason="印刷", actor=petra)
    with pytest.raises(Moved):
        services.take_codes(batch_id=made.pk, actor=petra)
    with pytest.raises(SamePerson):
        services.approve_codes(batch_id=made.pk, actor=petra)
    services.approve_codes(batch_id=made.pk, actor=quentin)
    with pytest.raises(Moved):
        services.take_codes(batch_id=made.pk, actor=quentin)
    with pytest.raises(NotYetUsable):
        services.take_codes(batch_id=made.pk, actor=petra)
    with clock.travel(clock.now() + timedelta(hours=25)):
        assert services.take_codes(batch_id=made.pk, actor=petra) == list(enumerate(known, 1))
    for who in (petra, quentin):
        with pytest.raises(Moved):
            services.take_codes(batch_id=made.pk, actor=who)
    with pytest.raises(CodesGone):
        services.ask_codes(batch_id=made.pk, reason="再来", actor=quentin)
    with pytest.raises(Moved):
        services.drop_codes(batch_id=made.pk, actor=quentin)
    services.drop_codes(batch_id=made.pk, actor=petra)
    assert CardBatch.objects.get(pk=made.pk).sealed_codes == ""
    with pytest.raises(CodesGone):
        services.take_codes(batch_id=made.pk, actor=petra, again=True)
    assert AuditEntry.objects.get(action="cards.export").actor == "petra"


@pytest.fixture
def taken(petra, quentin):
    """A batch whose codes petra has just taken."""
    made = batch(petra)
    services.ask_codes(batch_id=made.pk, reason="印刷", actor=petra)
    services.approve_codes(batch_id=made.pk, actor=quentin)
    with clock.travel(clock.now() + timedelta(hours=25)):
        services.take_codes(batch_id=made.pk, actor=petra)
        yield made


def test_codes_whose_download_broke_off_are_taken_again_a_few_times_and_the_others_hear_of_it(
    taken, petra, quentin, olga
):
    known = list(enumerate(codes(taken), 1))
    with pytest.raises(Moved):
        services.take_codes(batch_id=taken.pk, actor=quentin, again=True)
    for _time in range(2):
        assert services.take_codes(batch_id=taken.pk, actor=petra, again=True) == known
    with pytest.raises(Moved):
        services.take_codes(batch_id=taken.pk, actor=petra, again=True)
    entries = AuditEntry.objects.filter(action="cards.export").order_by("pk").values_list("detail__fetches", flat=True)
    assert list(entries) == [1, 2, 3]
    relay()
    told = list(Message.objects.filter(user=olga, kind="card_codes").values_list("params__act", flat=True))
    assert sorted(told) == ["下载了卡号", "再次下载了卡号", "再次下载了卡号"]
    assert not Message.objects.filter(user=petra, kind="card_codes").exists()
    everything = str(list(Message.objects.values()))
    assert not any(code in everything for _number, code in known)


def test_codes_are_wiped_when_their_time_is_over(taken, petra):
    assert services.drop_taken_codes() == 0
    with clock.travel(clock.now() + timedelta(hours=24)):
        with pytest.raises(CodesGone):
            services.take_codes(batch_id=taken.pk, actor=petra, again=True)
        assert (services.drop_taken_codes(), services.drop_taken_codes()) == (1, 0)
    assert CardBatch.objects.get(pk=taken.pk).sealed_codes == ""


def test_the_books_tell_of_codes_that_were_kept_too_long(taken):
    assert audit_cards(clock.now())["codes_kept_after_they_left"].count == 0
    assert audit_cards(clock.now() + timedelta(hours=26))["codes_kept_after_they_left"].count == 1


def test_a_denied_file_may_be_asked_for_again(petra, quentin):
    made = batch(petra)
    services.ask_codes(batch_id=made.pk, reason="印刷", actor=petra)
    services.deny_codes(batch_id=made.pk, actor=quentin)
    services.ask_codes(batch_id=made.pk, reason="印刷，已说明", actor=petra)
    assert made.releases.count() == 2


def test_no_table_holds_a_code(alice, petra):
    made = batch(petra)
    code = codes(made)[0]
    redeem(alice, code)
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(
                f'SELECT count(*) FROM "{table}" AS t WHERE t::text ILIKE ANY(%s)', [[f"%{code}%", f"%{normal(code)}%"]]
            )
            assert cursor.fetchone()[0] == 0, table
    assert bytes(Card.objects.get(state="redeemed").digest) == digest(normal(code))
    assert card_with_code(code).state == "redeemed"


def test_time_marks_what_is_over(petra, alice):
    made = batch(petra, count=5, expires_at=clock.now() + timedelta(days=1))
    first = codes(made)[0]
    redeem(alice, first)
    assert services.expire_cards() == 0
    with clock.travel(clock.now() + timedelta(days=2)):
        assert services.expire_cards(limit=3) == 4
    assert sorted(made.cards.values_list("state", flat=True)) == ["expired"] * 4 + ["redeemed"]
    assert CardMove.objects.filter(to_state="expired").count() == 4


def test_the_shop_sells_cards_like_any_key_but_not_for_balance(shelf, alice, bob, petra):
    made, sku = batch(petra, count=3), shelf.sku("48.00")
    known = codes(made)
    stocked = stock_cards(batch_id=made.pk, sku_id=sku.pk, actor=petra)
    assert (stocked.imported, Key.objects.filter(sku=sku, state="available").count()) == (3, 3)
    with pytest.raises(CodesGone):
        stock_cards(batch_id=made.pk, sku_id=sku.pk, actor=petra)
    with pytest.raises(CashOnly):
        shelf.buy(alice, (sku, 1), from_wallet=True)
    order = shelf.buy(alice, (sku, 1))
    with pytest.raises(CashOnly):
        pay_from_wallet(order_id=order.pk, user=alice)
    redeem(bob, known[2])
    assert balance_of(bob) == Decimal("1050.00")


def test_spending_takes_the_gift_first_and_a_refund_puts_it_back(shelf, alice, petra):
    redeem(alice, codes(batch(petra))[0])
    order = shelf.buy(alice, (shelf.sku("80.00", keys=1), 1), from_wallet=True)
    assert (balance_of(alice), restricted_of(alice)) == (Decimal("970.00"), Decimal("0.00"))
    line = order.lines.get().pk
    for ref, amount, restricted in (("a", "30.00", "30.00"), ("b", "30.00", "50.00"), ("c", "20.00", "50.00")):
        refund(order_id=order.pk, amounts={line: Decimal(amount)}, ref=ref, reason="", actor=None)
        assert restricted_of(alice) == Decimal(restricted)
    assert balance_of(alice) == Decimal("1050.00")
    assert books() == {}


def test_a_code_in_the_reason_of_an_act_stands_nowhere_in_the_open(alice, olga, petra):
    """Staff paste what the buyer wrote to them."""
    made = batch(olga, "50.00", 2)
    first, second = codes(made)
    redeem(alice, first)
    services.take_back_card(card_id=Card.objects.get(number=1).pk, reason=f"买家要退 {first}", actor=petra)
    services.void_cards(batch_id=made.pk, first=1, last=2, reason=f"{second.lower()} 已泄露", actor=olga)
    told = [*AuditEntry.objects.values_list("detail", flat=True), *CardMove.objects.values_list("note", flat=True)]
    assert "买家要退 ****-****-****-****-****" in str(told)
    assert not any(code[:9] in str(told).upper() for code in (first, second))
