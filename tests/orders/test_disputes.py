"""After-sale: what may be reported and until when, who decides it, what becomes of keys and money, and what time does."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit.models import AuditEntry
from catalog.exceptions import OutOfStock
from catalog.models import Key, Product
from common import clock
from common.crypto import DecryptionFailed
from common.exceptions import OwnMatter
from events.services import relay
from membership.models import Activity
from notifications.models import Mail, Message
from notifications.selectors import words
from orders import services
from orders.exceptions import (
    AlreadyDisputed,
    AppealOver,
    BadDispute,
    BadPicture,
    BadWords,
    DisputeMoved,
    NotDisputable,
    NothingToRefund,
    RefundTooLarge,
    SameDecider,
    SellerFirst,
    TooManyPictures,
    WarrantyOver,
    WrongRefund,
)
from orders.models import (
    Dispute,
    DisputeMove,
    DisputePicture,
    DisputePiece,
    DisputeRules,
    Order,
    OrderLine,
    OrderRefund,
)
from orders.selectors import delivered_of, pieces_of
from tests.complaints import WORDS, complain, decide, keys_on, picture
from tests.shelf import books
from wallet.selectors import balance_of, credit_of_order

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
State, Outcome = Dispute.State, Dispute.Outcome


def later(after: timedelta, at=None):
    return clock.travel((at or clock.now()) + after)


def line_of(order: Order) -> OrderLine:
    return order.lines.get()


def fresh(dispute: Dispute) -> Dispute:
    return Dispute.objects.get(pk=dispute.pk)


class TestReporting:
    def test_one_key_of_three(self, bought):
        key = keys_on(line_of(bought))[1]
        dispute = complain(bought, key)
        assert (dispute.state, dispute.seller_id) == (State.SELLER, None)
        assert dispute.due_at == dispute.opened_at + 24 * HOUR == dispute.desk_due_at
        assert [piece.key_id for piece in dispute.pieces.all()] == [key.pk]
        assert line_of(bought).open_disputes == 1
        (move,) = dispute.moves.all()
        assert (move.cause, move.party, move.text) == ("opened", "buyer", WORDS)
        assert [piece.dispute == dispute for piece in pieces_of(line_of(bought))] == [False, True, False]

    def test_many_keys_in_one_case_and_the_rest_in_another(self, bought):
        first, second, third = keys_on(line_of(bought))
        complain(bought, first, second)
        complain(bought, third)
        assert line_of(bought).open_disputes == 2

    def test_a_key_is_in_one_case_only(self, bought):
        first, second, _ = keys_on(line_of(bought))
        complain(bought, first)
        with pytest.raises(AlreadyDisputed):
            complain(bought, first, second)
        assert Dispute.objects.count() == 1
        with pytest.raises(IntegrityError), transaction.atomic():
            DisputePiece.objects.create(dispute=Dispute.objects.get(), line=line_of(bought), key=first)

    def test_only_keys_of_the_line(self, bought, shelf, warranted, bob):
        others = keys_on(line_of(shelf.buy(bob, (warranted(), 1), from_wallet=True)))
        with pytest.raises(BadDispute):
            complain(bought, *others)
        with pytest.raises(BadDispute):
            complain(bought, key_ids=frozenset(), whole=False)
        with pytest.raises(BadDispute):
            complain(bought, whole=True)

    @pytest.mark.parametrize("says", [{"reason": "because"}, {"wish": "gold"}, {"route": "cash"}])
    def test_what_is_no_choice(self, bought, says):
        with pytest.raises(BadDispute):
            complain(bought, **says)

    @pytest.mark.parametrize("text", ["", "   \n ", "短", "长" * 1001, "\0\0\0\0\0"])
    def test_words_are_needed(self, bought, text):
        with pytest.raises(BadWords):
            complain(bought, text=text)

    def test_keys_in_the_words_are_masked(self, bought):
        texts = [one.text for one in delivered_of(bought)]
        dispute = complain(bought, text=f"这两条不行：{texts[0]} 和 {texts[1]}")
        stored = fresh(dispute).text + dispute.moves.get().text
        assert not any(text in stored for text in texts)
        assert keys_on(line_of(bought))[0].preview in stored

    def test_an_undelivered_line_and_a_refunded_one(self, shelf, warranted, alice):
        waiting = shelf.buy(alice, (warranted(kind=Product.Kind.MANUAL, keys=0), 1), from_wallet=True)
        with pytest.raises(NotDisputable):
            complain(waiting)
        paid = shelf.buy(alice, (warranted(), 1), from_wallet=True)
        services.refund(order_id=paid.pk, amounts={line_of(paid).pk: paid.total}, ref="r", reason="", actor=None)
        with pytest.raises(NotDisputable):
            complain(paid)

    def test_the_warranty_ends(self, bought):
        until = line_of(bought).settles_at
        with clock.travel(until + timedelta(seconds=1)), pytest.raises(WarrantyOver):
            complain(bought)
        with clock.travel(until):
            assert complain(bought).state == State.SELLER

    def test_a_settled_line_is_final(self, bought):
        line = line_of(bought)
        OrderLine.objects.filter(pk=line.pk).update(settled_at=line.settles_at)
        with pytest.raises(WarrantyOver):
            complain(bought)

    def test_without_a_warranty_the_operator_grants_some_hours(self, shelf, warranted, alice):
        sku = warranted(days=0)
        early, late = (shelf.buy(alice, (sku, 1), from_wallet=True) for _ in range(2))
        with later(23 * HOUR):
            complain(early)
        DisputeRules.objects.update(no_warranty_hours=2)
        with later(3 * HOUR), pytest.raises(WarrantyOver):
            complain(late)

    def test_goods_by_hand_are_reported_as_a_whole_once(self, shelf, warranted, alice, olga):
        order = shelf.buy(alice, (warranted(kind=Product.Kind.MANUAL, keys=0), 2), from_wallet=True)
        services.deliver_by_hand(line_id=line_of(order).pk, text="account----secret", actor=olga)
        dispute = complain(order)
        assert [piece.key_id for piece in dispute.pieces.all()] == [None]
        with pytest.raises(AlreadyDisputed):
            complain(order)

    def test_a_guest_reports_and_gets_mail(self, shelf, warranted):
        order = shelf.buy(None, (warranted(), 1))
        with transaction.atomic():
            services.receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref="g", at=clock.now())
        complain(Order.objects.get(pk=order.pk))
        relay()
        assert Mail.objects.filter(kind="dispute_opened", order=order).count() == 1


class TestEvidence:
    def test_pictures_are_drawn_anew_and_sealed(self, bought):
        upload = picture((3000, 2000), "JPEG")
        dispute = complain(bought, pictures=[upload])
        stored = DisputePicture.objects.get(move__dispute=dispute)
        assert (stored.width, stored.height) == (1600, 1067)
        opened = services.open_picture(stored)
        assert opened[:4] == b"RIFF" and opened[8:12] == b"WEBP"
        assert opened[:64] not in bytes(stored.sealed)

    @pytest.mark.parametrize(
        "content",
        [b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n broken"],
    )
    def test_what_is_no_picture(self, bought, content):
        with pytest.raises(BadPicture):
            complain(bought, pictures=[SimpleUploadedFile("x.png", content)])
        assert not Dispute.objects.exists()

    def test_too_large_and_too_many(self, bought):
        DisputeRules.objects.update(max_picture_mb=1, max_pictures=2)
        with pytest.raises(BadPicture):
            complain(bought, pictures=[io.BytesIO(b"\x89PNG" + b"0" * (1024 * 1024))])
        with pytest.raises(TooManyPictures):
            complain(bought, pictures=[picture() for _ in range(3)])

    def test_a_picture_moved_to_another_row_does_not_open(self, bought):
        complain(bought, pictures=[picture(), picture()])
        one, two = DisputePicture.objects.all()
        DisputePicture.objects.filter(pk=one.pk).update(sealed=two.sealed)
        with pytest.raises(DecryptionFailed):
            services.open_picture(DisputePicture.objects.get(pk=one.pk))


class TestAnswers:
    def test_the_seller_answers_and_the_operator_has_the_next_word(self, bought, olga):
        dispute = complain(bought)
        services.answer_dispute(dispute_id=dispute.pk, text="同意换新", proposal=Outcome.REPLACE, actor=olga)
        dispute = fresh(dispute)
        assert (dispute.state, dispute.proposal) == (State.OPERATOR, Outcome.REPLACE)
        assert AuditEntry.objects.filter(action="dispute.answer").count() == 1
        with pytest.raises(DisputeMoved):
            services.answer_dispute(dispute_id=dispute.pk, text="再说一次", proposal="", actor=olga)

    def test_of_a_sellers_goods_nobody_decides_before_the_seller_had_time(self, bought, olga):
        OrderLine.objects.update(seller_id=7)
        dispute = complain(bought)
        assert dispute.seller_id == 7
        with pytest.raises(SellerFirst):
            decide(dispute, Outcome.REJECT, by=olga)
        with later(25 * HOUR):
            services.sweep_disputes()
            assert decide(dispute, Outcome.REJECT, by=olga).state == State.DECIDED

    def test_staff_ask_and_the_buyer_is_told_and_replies(self, bought, olga, alice):
        dispute = complain(bought)
        services.say_in_dispute(dispute_id=dispute.pk, text="请补截图", party="operator", actor=olga)
        services.say_in_dispute(dispute_id=dispute.pk, text="补上了", party="buyer", pictures=[picture()], actor=alice)
        relay()
        assert Message.objects.filter(user=alice, kind="dispute_asked").count() == 1
        assert [move.cause for move in dispute.moves.all()] == ["opened", "asked", "added"]
        services.withdraw_dispute(dispute_id=dispute.pk)
        with pytest.raises(DisputeMoved):
            services.say_in_dispute(dispute_id=dispute.pk, text="还有", party="buyer")


class TestReplacing:
    def test_exactly_the_reported_keys_are_replaced(self, bought, olga, alice):
        old = keys_on(line_of(bought))
        dispute = decide(complain(bought, old[0], old[2]), Outcome.REPLACE, by=olga)
        held = keys_on(line_of(bought))
        assert len(held) == 3 and old[1] in held
        assert not {old[0].pk, old[2].pk} & {key.pk for key in held}
        assert list(Key.objects.filter(state="replaced").order_by("pk")) == [old[0], old[2]]
        pieces = {piece.key_id: piece.replacement_id for piece in dispute.pieces.all()}
        assert set(pieces.values()) == {key.pk for key in held} - {old[1].pk}
        assert dispute.state == State.DECIDED and not OrderRefund.objects.exists()
        # The buyer's order shows the new ones only.
        assert {one.key_id for one in delivered_of(bought)} == {key.pk for key in held}
        relay()
        assert Message.objects.filter(user=alice, kind="dispute_replaced").count() == 1

    def test_a_replaced_key_is_never_sold_again(self, shelf, warranted, alice, bob, olga):
        sku = warranted(keys=2)
        order = shelf.buy(alice, (sku, 1), from_wallet=True)
        decide(complain(order), Outcome.REPLACE, by=olga)
        with pytest.raises(OutOfStock):
            shelf.buy(bob, (sku, 1), from_wallet=True)
        bad = Key.objects.get(state="replaced")
        with pytest.raises(DatabaseError), transaction.atomic():
            Key.objects.filter(pk=bad.pk).update(state="available")

    def test_short_stock_is_said_and_may_wait(self, shelf, warranted, alice, olga):
        sku = warranted(keys=2)
        order = shelf.buy(alice, (sku, 2), from_wallet=True)
        dispute = complain(order)
        with pytest.raises(OutOfStock):
            decide(dispute, Outcome.REPLACE, by=olga)
        assert fresh(dispute).state == State.SELLER
        decide(dispute, Outcome.REPLACE, by=olga, wait=True)
        assert fresh(dispute).state == State.RESTOCK
        shelf.stock(sku, 1)
        assert services.serve_restocked() == 0
        shelf.stock(sku, 1)
        assert services.serve_restocked() == 1
        assert fresh(dispute).state == State.DECIDED
        assert Key.objects.filter(state="replaced").count() == 2
        assert books() == {}

    def test_what_waits_too_long_is_paid_back(self, shelf, warranted, alice, olga):
        order = shelf.buy(alice, (warranted(keys=2), 2), from_wallet=True)
        dispute = decide(complain(order, keys_on(line_of(order))[0]), Outcome.REPLACE, by=olga, wait=True)
        with later(49 * HOUR):
            assert services.sweep_disputes() == 1
            assert services.sweep_disputes() == 0
        dispute = fresh(dispute)
        assert (dispute.state, dispute.outcome, dispute.refunded) == (State.CLOSED, Outcome.REFUND, Decimal("10.00"))
        assert balance_of(alice) == Decimal("990.00")

    def test_the_buyer_need_not_wait(self, shelf, warranted, alice, olga):
        order = shelf.buy(alice, (warranted(keys=1), 1), from_wallet=True)
        dispute = complain(order)
        with pytest.raises(DisputeMoved):
            services.take_money_instead(dispute_id=dispute.pk, actor=alice)
        decide(dispute, Outcome.REPLACE, by=olga, wait=True)
        services.take_money_instead(dispute_id=dispute.pk, actor=alice)
        assert balance_of(alice) == Decimal("1000.00")

    def test_first_come_first_served_whatever_the_tier(self, shelf, warranted, alice, bob, olga):
        sku = warranted(keys=2)
        cases = []
        for number, member in enumerate((bob, alice)):
            with later(number * HOUR):
                cases.append(complain(shelf.buy(member, (sku, 1), from_wallet=True)))
        # Decided the other way round.
        for dispute in reversed(cases):
            decide(dispute, Outcome.REPLACE, by=olga, wait=True)
        shelf.stock(sku, 1)
        assert services.serve_restocked() == 1
        assert [fresh(one).state for one in cases] == [State.DECIDED, State.RESTOCK]

    def test_a_fresh_key_that_is_bad_too_can_be_reported(self, bought, olga):
        first = decide(complain(bought, keys_on(line_of(bought))[0]), Outcome.REPLACE, by=olga)
        services.accept_decision(dispute_id=first.pk)
        again = Key.objects.get(pk=first.pieces.get().replacement_id)
        assert complain(bought, again).state == State.SELLER
        old = Key.objects.get(state="replaced")
        with pytest.raises(BadDispute):
            complain(bought, old)

    def test_a_bundle_gets_the_same_part_anew(self, shelf, warranted, alice, olga):
        parts = [shelf.sku("3.00", keys=3), shelf.sku("4.00", keys=3)]
        bundle = warranted("6.00", keys=0, kind=Product.Kind.BUNDLE)
        for part in parts:
            bundle.bundle_items.create(component=part, quantity=1)
        order = shelf.buy(alice, (bundle, 1), from_wallet=True)
        bad = next(key for key in keys_on(line_of(order)) if key.sku_id == parts[1].pk)
        decide(complain(order, bad), Outcome.REPLACE, by=olga)
        assert sorted(key.sku_id for key in keys_on(line_of(order))) == sorted(part.pk for part in parts)

    def test_goods_by_hand_are_delivered_anew(self, shelf, warranted, alice, olga):
        order = shelf.buy(alice, (warranted(kind=Product.Kind.MANUAL, keys=0), 1), from_wallet=True)
        services.deliver_by_hand(line_id=line_of(order).pk, text="old account", actor=olga)
        dispute = complain(order)
        with pytest.raises(BadDispute):
            decide(dispute, Outcome.REPLACE, by=olga, wait=True)
        decide(dispute, Outcome.REPLACE, by=olga, content="new account")
        assert [one.text for one in delivered_of(order)] == ["old account", "new account"]
        services.accept_decision(dispute_id=dispute.pk)
        # What was delivered anew may turn out bad as well.
        assert complain(order).state == State.SELLER


class TestMoney:
    def test_a_full_refund_ends_the_case(self, bought, alice, olga):
        dispute = decide(complain(bought, keys_on(line_of(bought))[0]), Outcome.REFUND, by=olga)
        assert (dispute.state, dispute.refunded) == (State.CLOSED, Decimal("10.00"))
        assert balance_of(alice) == Decimal("980.00")
        assert OrderRefund.objects.get().ref == f"dispute:{dispute.pk}:1"
        assert line_of(bought).open_disputes == 0
        with pytest.raises(AlreadyDisputed):
            complain(bought, keys_on(line_of(bought))[0])

    def test_part_of_it_and_after_an_appeal_the_rest(self, bought, alice, olga, peter):
        dispute = decide(complain(bought), Outcome.PARTIAL, by=olga, amount=Decimal("7.00"))
        assert (dispute.state, dispute.outcome, dispute.refunded) == (State.DECIDED, "partial", Decimal("7.00"))
        services.appeal_decision(dispute_id=dispute.pk, text="只退这点不够", actor=alice)
        dispute = decide(dispute, Outcome.REFUND, by=peter)
        assert (dispute.state, dispute.refunded) == (State.CLOSED, Decimal("30.00"))
        assert balance_of(alice) == Decimal("1000.00")
        assert Order.objects.get(pk=bought.pk).state == Order.State.REFUNDED

    @pytest.mark.parametrize("amount", ["0.00", "-1.00", "10.01", "30.00"])
    def test_never_more_than_the_pieces_cost(self, bought, olga, amount):
        dispute = complain(bought, keys_on(line_of(bought))[0])
        with pytest.raises(WrongRefund):
            decide(dispute, Outcome.PARTIAL, by=olga, amount=Decimal(amount))
        assert not OrderRefund.objects.exists()

    def test_all_that_is_left_is_a_full_refund_whatever_it_is_called(self, bought, olga):
        dispute = complain(bought, keys_on(line_of(bought))[0])
        assert decide(dispute, Outcome.PARTIAL, by=olga, amount=Decimal("10.00")).outcome == Outcome.REFUND

    def test_odd_cents_never_add_up_to_more_than_was_paid(self, shelf, warranted, alice, olga):
        order = shelf.buy(alice, (warranted("3.3350", keys=3), 3), from_wallet=True)
        for key in keys_on(line_of(order)):
            decide(complain(order, key), Outcome.REFUND, by=olga)
        line = line_of(order)
        assert line.refunded <= line.cash and line.cash - line.refunded < Decimal("0.02")
        assert balance_of(alice) <= Decimal("1000.00")

    def test_what_staff_refunded_elsewhere_counts(self, bought, olga):
        dispute = complain(bought, keys_on(line_of(bought))[0])
        pk = line_of(bought).pk
        services.refund(order_id=bought.pk, amounts={pk: Decimal("25.00")}, ref="r", reason="", actor=olga)
        dispute.line.refresh_from_db()
        assert services.refundable_of(dispute) == Decimal("5.00")
        with pytest.raises(WrongRefund):
            decide(dispute, Outcome.PARTIAL, by=olga, amount=Decimal("6.00"))

    def test_a_line_paid_back_whole_ends_its_cases(self, bought, olga):
        first, second, third = keys_on(line_of(bought))
        waiting, decided = complain(bought, first), decide(complain(bought, second), Outcome.REJECT, by=olga)
        line = line_of(bought)
        services.refund(order_id=bought.pk, amounts={line.pk: line.cash}, ref="r", reason="", actor=olga)
        assert (fresh(waiting).state, fresh(waiting).outcome) == (State.CLOSED, Outcome.REFUND)
        assert (fresh(decided).state, fresh(decided).outcome) == (State.CLOSED, Outcome.REJECT)
        assert line_of(bought).open_disputes == 0
        with pytest.raises(DisputeMoved):
            decide(waiting, Outcome.REFUND, by=olga)
        assert third.pk

    def test_nothing_is_left_to_refund(self, bought, olga, peter, alice):
        dispute = decide(complain(bought, keys_on(line_of(bought))[0]), Outcome.REPLACE, by=olga)
        services.refund(
            order_id=bought.pk, amounts={line_of(bought).pk: Decimal("29.99")}, ref="r", reason="", actor=olga
        )
        services.appeal_decision(dispute_id=dispute.pk, text="新的也不行", actor=alice)
        assert decide(dispute, Outcome.REFUND, by=peter).refunded == Decimal("0.01")
        with pytest.raises(RefundTooLarge):
            services.refund(
                order_id=bought.pk, amounts={line_of(bought).pk: Decimal("0.01")}, ref="s", reason="", actor=olga
            )
        assert NothingToRefund.code

    def test_a_guests_money_waits_at_the_order(self, shelf, warranted, olga):
        order = shelf.buy(None, (warranted(), 1))
        with transaction.atomic():
            services.receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref="g", at=clock.now())
        order.refresh_from_db()
        dispute = complain(order, route=Dispute.Route.ORIGINAL)
        decide(dispute, Outcome.REFUND, by=olga)
        assert (order.refunds.get().target, credit_of_order(order.pk)) == (OrderRefund.Target.ORIGINAL, 0)
        # No attempt brought this money, so that no gateway takes it back.
        relay()
        assert credit_of_order(order.pk) == Decimal("10.00")


class TestDeciding:
    def test_a_rejection_says_why_and_can_be_appealed(self, bought, olga, alice):
        with pytest.raises(BadWords):
            decide(complain(bought), Outcome.REJECT, by=olga, reason="  ")
        dispute = decide(Dispute.objects.get(), Outcome.REJECT, by=olga, reason="已在你的账号兑换")
        assert (dispute.state, dispute.verdict) == (State.DECIDED, "已在你的账号兑换")
        assert dispute.due_at == dispute.decided_at + 72 * HOUR
        relay()
        message = Message.objects.get(user=alice, kind="dispute_rejected")
        assert "申诉" in words(message).body and "%" not in words(message).body

    def test_twice_is_once(self, bought, olga, peter):
        dispute = complain(bought)
        decide(dispute, Outcome.REJECT, by=olga)
        with pytest.raises(DisputeMoved):
            decide(dispute, Outcome.REFUND, by=peter)

    def test_an_appeal_is_decided_by_another(self, bought, olga, peter, alice):
        dispute = decide(complain(bought), Outcome.REJECT, by=olga)
        services.appeal_decision(dispute_id=dispute.pk, text="请再看一次", pictures=[picture()], actor=alice)
        dispute = fresh(dispute)
        assert dispute.state == State.APPEALED
        assert not services.may_decide(dispute, olga) and services.may_decide(dispute, peter)
        with pytest.raises(SameDecider):
            decide(dispute, Outcome.REPLACE, by=olga)
        dispute = decide(dispute, Outcome.REPLACE, by=peter)
        assert (dispute.state, dispute.outcome) == (State.CLOSED, Outcome.REPLACE)
        with pytest.raises(AppealOver):
            services.appeal_decision(dispute_id=dispute.pk, text="再来一次看看", actor=alice)
        with pytest.raises(IntegrityError), transaction.atomic():
            Dispute.objects.filter(pk=dispute.pk).update(appeal_decided_by_id=olga.pk)

    def test_an_appeal_that_nobody_else_decides_in_time_comes_to_an_end(self, bought, olga, alice):
        """Olga works alone."""
        dispute = decide(complain(bought), Outcome.REJECT, by=olga)
        services.appeal_decision(dispute_id=dispute.pk, text="请再看一次", actor=alice)
        until = fresh(dispute).due_at
        with clock.travel(until - timedelta(seconds=1)), pytest.raises(SameDecider):
            decide(dispute, Outcome.REFUND, by=olga)
        with clock.travel(until):
            services.sweep_disputes()
            relay()
            assert Message.objects.filter(user=olga, kind="dispute_overdue").count() == 1
            dispute = decide(dispute, Outcome.REFUND, by=olga)
        assert (dispute.state, dispute.is_alone) == (State.CLOSED, True)
        entry = AuditEntry.objects.filter(action="dispute.decide").latest("pk")
        assert entry.detail["appeal"] is True and entry.detail["alone"] is True

    def test_nobody_decides_about_their_own_order(self, shelf, warranted, olga, peter):
        shelf.fund(olga, "100.00")
        dispute = complain(shelf.buy(olga, (warranted(keys=1), 1), from_wallet=True))
        assert not services.may_decide(dispute, olga)
        for outcome in (Outcome.REFUND, Outcome.REPLACE, Outcome.REJECT):
            with pytest.raises(OwnMatter):
                decide(dispute, outcome, by=olga)
        with pytest.raises(OwnMatter):
            services.answer_dispute(dispute_id=dispute.pk, text="同意换新", proposal=Outcome.REPLACE, actor=olga)
        decide(dispute, Outcome.REPLACE, by=peter, wait=True)
        with pytest.raises(OwnMatter):
            services.take_money_instead(dispute_id=dispute.pk, party="operator", actor=olga)
        # As the buyer she takes what another granted.
        services.take_money_instead(dispute_id=dispute.pk, actor=olga)
        assert balance_of(olga) == Decimal("100.00")

    def test_an_appeal_that_is_rejected_takes_nothing_back(self, bought, olga, peter, alice):
        dispute = decide(complain(bought), Outcome.PARTIAL, by=olga, amount=Decimal("5.00"))
        services.appeal_decision(dispute_id=dispute.pk, text="太少了再看看", actor=alice)
        dispute = decide(dispute, Outcome.REJECT, by=peter)
        assert (dispute.outcome, dispute.refunded) == (Outcome.PARTIAL, Decimal("5.00"))
        assert dispute.moves.last().outcome == Outcome.REJECT
        relay()
        assert Message.objects.filter(user=alice, kind="dispute_rejected").count() == 1

    def test_an_appeal_comes_in_time(self, bought, olga, alice):
        dispute = decide(complain(bought), Outcome.REJECT, by=olga)
        with later(73 * HOUR), pytest.raises(AppealOver):
            services.appeal_decision(dispute_id=dispute.pk, text="来晚了一点", actor=alice)

    def test_an_appeal_can_be_taken_back(self, bought, olga, alice):
        dispute = decide(complain(bought), Outcome.REJECT, by=olga)
        services.appeal_decision(dispute_id=dispute.pk, text="我再想一想", actor=alice)
        services.withdraw_dispute(dispute_id=dispute.pk, actor=alice)
        assert (fresh(dispute).state, fresh(dispute).outcome) == (State.CLOSED, Outcome.REJECT)
        with pytest.raises(AlreadyDisputed):
            complain(bought)

    def test_accepting_ends_it(self, bought, olga):
        dispute = complain(bought)
        with pytest.raises(DisputeMoved):
            services.accept_decision(dispute_id=dispute.pk)
        decide(dispute, Outcome.REPLACE, by=olga)
        services.accept_decision(dispute_id=dispute.pk)
        assert fresh(dispute).state == State.CLOSED

    def test_withdrawn_it_may_be_reported_again(self, bought, olga):
        dispute = complain(bought)
        services.withdraw_dispute(dispute_id=dispute.pk)
        services.withdraw_dispute(dispute_id=dispute.pk)
        assert fresh(dispute).state == State.WITHDRAWN and line_of(bought).open_disputes == 0
        with pytest.raises(DisputeMoved):
            decide(dispute, Outcome.REFUND, by=olga)
        assert complain(bought).state == State.SELLER

    def test_history_is_kept(self, bought):
        complain(bought)
        for attempt in (DisputeMove.objects.all().delete, lambda: DisputeMove.objects.update(text="")):
            with pytest.raises(DatabaseError), transaction.atomic():
                attempt()

    def test_every_decision_is_audited(self, bought, olga):
        decide(complain(bought), Outcome.REJECT, by=olga, abusive=True)
        entry = AuditEntry.objects.get(action="dispute.decide")
        assert entry.actor_id == olga.pk
        assert entry.detail["outcome"] == "reject" and entry.detail["abusive"] is True


class TestTime:
    def test_a_silent_seller_leaves_it_to_the_operator(self, bought):
        dispute = complain(bought)
        assert services.sweep_disputes() == 0
        with later(25 * HOUR):
            assert services.sweep_disputes() == 1
            assert services.sweep_disputes() == 0
        dispute = fresh(dispute)
        assert dispute.state == State.OPERATOR
        assert dispute.moves.last().cause == "seller_silent"

    def test_of_a_late_operator_staff_are_told_once(self, bought, olga, alice):
        dispute = complain(bought)
        services.answer_dispute(dispute_id=dispute.pk, text="请平台看", proposal="", actor=olga)
        with later(49 * HOUR):
            assert services.sweep_disputes() == 1
            assert services.sweep_disputes() == 0
            relay()
        assert fresh(dispute).state == State.OPERATOR
        assert Message.objects.filter(user=olga, kind="dispute_overdue").count() == 1
        assert not Message.objects.filter(user=alice, kind="dispute_overdue").exists()

    def test_a_decision_that_nobody_appealed_is_final(self, bought, olga):
        dispute = decide(complain(bought), Outcome.REJECT, by=olga)
        with later(73 * HOUR):
            services.sweep_disputes()
        assert fresh(dispute).state == State.CLOSED

    def test_one_that_fails_stops_no_other(self, bought, monkeypatch):
        first, second, _ = keys_on(line_of(bought))
        broken, fine = complain(bought, first), complain(bought, second)
        real = services.disputes.sweeping.move_dispute

        def fails(dispute, *args, **more):
            if dispute.pk == broken.pk:
                raise ZeroDivisionError
            return real(dispute, *args, **more)

        monkeypatch.setattr(services.disputes.sweeping, "move_dispute", fails)
        with later(25 * HOUR):
            assert services.sweep_disputes() == 1
        assert fresh(fine).state == State.OPERATOR

    def test_a_disputed_line_settles_when_the_case_is_over(self, bought, olga):
        dispute = complain(bought)
        with later(31 * DAY):
            assert services.settle_due() == 0
            decide(dispute, Outcome.REJECT, by=olga)
            assert services.settle_due() == 0
            services.accept_decision(dispute_id=dispute.pk)
            assert services.settle_due() == 1

    def test_the_operators_hours_hold(self, bought):
        DisputeRules.objects.update(seller_hours=5)
        assert (dispute := complain(bought)).due_at == dispute.opened_at + 5 * HOUR
        with pytest.raises(IntegrityError), transaction.atomic():
            DisputeRules.objects.update(seller_hours=0)


class TestReputation:
    def disputes(self, member) -> list[Activity]:
        return list(Activity.objects.filter(member__user=member, metric="dispute"))

    def test_a_made_up_case_counts_when_it_is_over(self, bought, olga, alice):
        dispute = decide(complain(bought), Outcome.REJECT, by=olga, abusive=True)
        relay()
        assert self.disputes(alice) == []
        services.accept_decision(dispute_id=dispute.pk)
        relay()
        (fact,) = self.disputes(alice)
        assert (fact.value, fact.subject) == (1, f"order:{bought.pk}")

    def test_an_honest_mistake_and_an_appeal_that_wins_count_nothing(self, bought, olga, peter, alice):
        first, second, _ = keys_on(line_of(bought))
        mistaken = decide(complain(bought, first), Outcome.REJECT, by=olga)
        services.accept_decision(dispute_id=mistaken.pk)
        accused = decide(complain(bought, second), Outcome.REJECT, by=olga, abusive=True)
        services.appeal_decision(dispute_id=accused.pk, text="我没有乱报", actor=alice)
        decide(accused, Outcome.REFUND, by=peter)
        relay()
        assert self.disputes(alice) == []


def test_the_books_find_what_is_wrong(bought, olga):
    decide(complain(bought, keys_on(line_of(bought))[0]), Outcome.PARTIAL, by=olga, amount=Decimal("2.00"))
    assert books() == {}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_dispute SET refunded = 3")
        cursor.execute("UPDATE orders_orderline SET open_disputes = 0")
    found = set(books())
    assert {
        "orders.disputes_unlike_refunds",
        "orders.disputes_unlike_pieces",
        "orders.open_disputes_unlike_lines",
    } <= found
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_dispute SET refunded = 2")
        cursor.execute("UPDATE orders_orderline SET open_disputes = 1")
