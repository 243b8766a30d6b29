"""Statements against our books: everything planted is found, nothing else is, and the same thing is never two cases."""

import io
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEntry
from common import clock
from common.clock import SHANGHAI
from payments.models import Channel, PaymentAttempt, ReconciliationCase
from payments.reconciling import cases, ours
from payments.reconciling.books import OurRefund
from payments.reconciling.checking import TooManyDifferences, check_statement, forget_unconfirmed
from payments.reconciling.models import CaseMove, Reconciliation
from payments.reconciling.rows import Period, StatementError
from payments.services import apply_second
from payments.services.applying import apply_rest, book_unclaimed
from tests.desk import staff
from tests.payments.statements import (
    DAY,
    MAPPING,
    NOON,
    WRITERS,
    Entry,
    alipay,
    entry_of,
    epay,
    make_channel,
    make_payments,
    wechat,
)
from wallet.models import Transfer

pytestmark = pytest.mark.django_db
State = ReconciliationCase.State
MIDNIGHT = datetime(2026, 11, 27, tzinfo=SHANGHAI)


@pytest.fixture(autouse=True)
def later():
    with clock.travel(NOON + timedelta(days=1)):
        yield


def check(channel, data: bytes, name: str = "bill.csv", **extra) -> Reconciliation:
    return check_statement(channel=channel, file=io.BytesIO(data), filename=name, **extra)


def reconcile(channel, data: bytes, **extra) -> Reconciliation:
    return cases.confirm_run(run_id=check(channel, data, **extra).pk)


def found(channel) -> list[tuple]:
    rows = ReconciliationCase.objects.filter(channel=channel).order_by("pk")
    return list(rows.values_list("kind", "aspect", "reference"))


@pytest.fixture
def channel(db):
    return make_channel()


@pytest.fixture
def paid(channel, charlie) -> list[PaymentAttempt]:
    """Three payments around noon, one of 1.01 to 90.99 each."""
    return make_payments(channel, charlie, [NOON + timedelta(minutes=n) for n in range(3)])


# Five hundred


def planted(attempts, unpaid, can: set[str], seed: int) -> tuple[list[Entry], Counter]:
    """The statement of a gateway that agrees on all but 500 things, and what they are."""
    chance = random.Random(seed)
    entries = [entry_of(one) for one in attempts]
    chance.shuffle(entries)
    plan: Counter = Counter({("missing", "payment"): 100, ("extra", "unknown"): 90, ("extra", "unpaid"): len(unpaid)})
    plan[("duplicate", "row")], plan[("duplicate", "twice")], plan[("different", "number")] = 30, 30, 30
    if "fee" in can:
        plan[("different", "fee")] = 50
    if "unpaid" in can:
        plan[("different", "state")] = 40
    if "refund row" in can:
        plan[("extra", "refund")] = 40
    if "refunded" in can:
        plan[("different", "refund")] = 40
    plan[("different", "amount")] = 500 - sum(plan.values())
    spots = iter(chance.sample(range(len(entries)), 500))

    def change(kind: tuple, **how) -> None:
        for _ in range(plan[kind]):
            spot = next(spots)
            entries[spot] = replace(entries[spot], **{name: act(entries[spot]) for name, act in how.items()})

    cent = Decimal("0.01")
    change(("different", "amount"), amount=lambda one: one.amount + cent, fee=lambda one: one.fee)
    change(("different", "fee"), fee=lambda one: one.fee + 2 * cent)
    change(("different", "state"), state=lambda one: "unpaid")
    change(("different", "refund"), state=lambda one: "refunded")
    change(("different", "number"), txn=lambda one: f"X{one.txn[1:]}")
    added = [replace(entries[next(spots)]) for _ in range(plan[("duplicate", "row")])]
    added += [replace(entries[next(spots)], txn=f"Y{n:027d}") for n in range(plan[("duplicate", "twice")])]
    added += [replace(entries[next(spots)], refund=f"R{n:010d}", amount=cent) for n in range(plan[("extra", "refund")])]
    added += [
        Entry(f"P-OF-ANOTHER-SHOP-{n}", f"Z{n:027d}", Decimal("3.00"), Decimal("0.02"), at=NOON)
        for n in range(plan[("extra", "unknown")])
    ]
    added += [entry_of(one, at=NOON) for one in unpaid]
    gone = {next(spots) for _ in range(plan[("missing", "payment")])}
    entries = [one for spot, one in enumerate(entries) if spot not in gone] + added
    chance.shuffle(entries)
    return entries, plan


# One of text and one of cells every time; all of them in the full lane.
USUAL = {"alipay", "generic"}


@pytest.mark.parametrize(
    "form", [one if one in USUAL else pytest.param(one, marks=pytest.mark.full) for one in WRITERS]
)
def test_five_hundred_planted_differences_are_found_in_one_run_and_nothing_else(form, charlie):
    writer, can = WRITERS[form]
    settings = {"statement": MAPPING if form == "generic" else {"form": form}}
    channel = make_channel(settings=settings)
    step = timedelta(seconds=25)
    # From a minute after one midnight to a minute before the next, and some around both.
    attempts = make_payments(channel, charlie, [MIDNIGHT + timedelta(minutes=31) + step * n for n in range(3000)])
    edge = make_payments(
        channel, charlie, [MIDNIGHT + timedelta(seconds=s) for s in (20, -20, 86_400 - 20, 86_400 + 20, 86_400 + 1500)]
    )
    unpaid = make_payments(channel, charlie, [NOON] * 60, paid=False)
    entries, plan = planted(attempts, unpaid, can, seed=3)
    # Paid on this day by the gateway's clock, heard of on either side of midnight.
    entries += [entry_of(edge[0]), entry_of(edge[2]), entry_of(edge[3], at=MIDNIGHT + timedelta(seconds=86_399))]
    run = reconcile(channel, writer(entries), period=Period(DAY, DAY))
    rows = ReconciliationCase.objects.filter(channel=channel)
    assert Counter(rows.values_list("kind", "aspect")) == plan
    assert (rows.count(), run.differences) == (500, 500)
    assert run.matched > 2400 and run.waiting == 0
    assert not Transfer.objects.exists(), "reconciling moved money"


# What is compared


def test_a_statement_that_agrees_leaves_nothing(channel, paid):
    run = reconcile(channel, epay([entry_of(one) for one in paid]))
    assert (run.rows, run.matched, run.differences, run.first_day, run.last_day) == (3, 3, 0, DAY, DAY)
    assert run.their_amount == run.our_amount == sum(one.paid_amount for one in paid)


def test_what_either_side_says_stands_in_the_case(channel, paid):
    entries = [entry_of(one) for one in paid]
    entries[0] = replace(entries[0], amount=entries[0].amount + 1)
    reconcile(channel, epay(entries))
    (case,) = ReconciliationCase.objects.all()
    assert (case.aspect, case.amount, case.line, case.attempt) == ("amount", Decimal("1.00"), 2, paid[0])
    assert case.ours["amount"] == str(paid[0].paid_amount)
    assert case.theirs["amount"] == str(paid[0].paid_amount + 1)
    assert (case.state, case.owner) == (State.OPEN, None)
    assert CaseMove.objects.get(case=case).to_state == State.OPEN


def test_fees_are_compared_only_where_somebody_said_what_they_are(channel, paid):
    entries = [entry_of(one, fee=Decimal("0.50")) for one in paid]
    assert check(channel, epay(entries)).different == 3
    channel.fee_rate = 0
    channel.save()
    assert check(channel, epay(entries)).different == 0


def test_a_rounding_cent_in_a_fee_is_no_difference(channel, paid):
    entries = [replace(entry_of(one), fee=entry_of(one).fee + Decimal("0.01")) for one in paid]
    assert check(channel, epay(entries)).differences == 0


def test_an_unpaid_order_on_both_sides_is_none(channel, charlie, paid):
    unpaid = make_payments(channel, charlie, [NOON], paid=False)
    entries = [entry_of(one) for one in paid] + [entry_of(unpaid[0], state="unpaid")]
    assert check(channel, epay(entries)).differences == 0


def test_refunds_are_held_against_ours_once_there_are_any(channel, paid, monkeypatch):
    def of_ours(asked, period, numbers):
        at = NOON + timedelta(hours=1)
        return [
            OurRefund(number="R1", payment=paid[0].number, amount=Decimal("0.50"), at=at),
            OurRefund(number="R2", payment=paid[1].number, amount=Decimal("0.50"), at=at),
            OurRefund(number="R3", payment=paid[2].number, amount=Decimal("0.50"), at=at),
        ]

    monkeypatch.setattr(ours, "our_refunds", of_ours)
    channel.settings = {"statement": {"form": "wechat"}}
    channel.save()
    entries = [entry_of(one) for one in paid]
    entries += [
        entry_of(paid[0], refund="R1", amount=Decimal("0.50")),
        entry_of(paid[1], refund="R2", amount=Decimal("0.40")),
        entry_of(paid[1], refund="R9", amount=Decimal("0.10")),
        entry_of(paid[1], refund="R9", amount=Decimal("0.10")),
    ]
    reconcile(channel, wechat(entries))
    assert Counter((kind, aspect) for kind, aspect, _reference in found(channel)) == {
        ("different", "refund"): 1,
        ("extra", "refund"): 1,
        ("duplicate", "row"): 1,
        ("missing", "refund"): 1,
    }


# Around midnight


def at_midnight(channel, user) -> PaymentAttempt:
    """We heard of it ten seconds after midnight; the gateway counts it on the day before."""
    return make_payments(channel, user, [MIDNIGHT + timedelta(days=1, seconds=10)])[0]


def next_day(entry: Entry) -> Entry:
    return replace(entry, at=NOON + timedelta(days=1))


def test_a_payment_of_midnight_is_looked_for_on_both_sides(channel, charlie, paid):
    late = at_midnight(channel, charlie)
    other = make_payments(channel, charlie, [NOON + timedelta(days=1)])
    second = epay([entry_of(one) for one in other])
    # The later statement alone cannot know.
    run = reconcile(channel, second)
    assert (run.differences, run.waiting) == (0, 1)
    first = epay([*(entry_of(one) for one in paid), entry_of(late, at=MIDNIGHT + timedelta(hours=23, minutes=59))])
    assert reconcile(channel, first).differences == 0
    # Now that the earlier one has shown it, the later one waits for nothing.
    run = reconcile(channel, second)
    assert (run.differences, run.waiting) == (0, 0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_payment_of_midnight_in_neither_statement_is_missing(channel, charlie, paid, order):
    late = at_midnight(channel, charlie)
    other = make_payments(channel, charlie, [NOON + timedelta(days=1)])
    files = [epay([entry_of(one) for one in paid]), epay([entry_of(one) for one in other])]
    for which in order:
        assert found(channel) == []
        reconcile(channel, files[which])
    assert found(channel) == [("missing", "payment", late.number)]


def test_what_we_heard_of_hours_late_is_found_in_the_statement_of_its_day(channel, charlie, paid):
    late = make_payments(channel, charlie, [NOON + timedelta(days=1)])[0]
    reconcile(channel, epay([*(entry_of(one) for one in paid), entry_of(late, at=NOON)]))
    other = make_payments(channel, charlie, [NOON + timedelta(days=1, hours=1)])
    assert reconcile(channel, epay([entry_of(one) for one in other])).differences == 0


def test_rows_of_other_days_are_left_alone(channel, charlie, paid):
    stranger = Entry("P-OTHER", "T-OTHER", Decimal("1.00"), at=NOON - timedelta(days=2))
    data = epay([*(entry_of(one) for one in paid), stranger])
    assert check(channel, data, period=Period(DAY, DAY)).differences == 0
    assert check(channel, data).extra == 1


# Again


def test_the_same_file_twice_makes_no_second_case(channel, paid):
    data = epay([entry_of(one) for one in paid[1:]])
    first = reconcile(channel, data)
    again = reconcile(channel, data)
    assert ReconciliationCase.objects.count() == 1
    first.refresh_from_db()
    assert (first.state, again.state) == (Reconciliation.State.REPLACED, Reconciliation.State.CONFIRMED)
    assert CaseMove.objects.count() == 1


def test_a_corrected_file_updates_and_closes_what_agrees_now(channel, paid, olga):
    entries = [entry_of(one) for one in paid]
    wrong = [replace(entries[0], amount=entries[0].amount + 1), entries[1]]
    reconcile(channel, epay(wrong))
    assert [kind for kind, *_rest in found(channel)] == ["different", "missing"]
    corrected = [replace(entries[0], amount=entries[0].amount + 2), *entries[1:]]
    reconcile(channel, epay(corrected))
    differs, missing = ReconciliationCase.objects.order_by("pk")
    assert (differs.amount, differs.state) == (Decimal("2.00"), State.ASSIGNED)
    assert (missing.state, missing.note, missing.owner) == (State.EXPLAINED, cases.AGREES, olga)


def test_a_closed_case_stays_closed_unless_the_facts_change(channel, paid, olga):
    entries = [entry_of(one) for one in paid]
    reconcile(channel, epay([replace(entries[0], amount=entries[0].amount + 1), *entries[1:]]))
    case = ReconciliationCase.objects.get()
    cases.close_case(case_id=case.pk, state=State.SETTLED, note="渠道已补款", actor=olga)
    reconcile(channel, epay([replace(entries[0], amount=entries[0].amount + 1), *entries[2:], entries[1]]))
    case.refresh_from_db()
    assert (case.state, case.owner) == (State.SETTLED, olga)
    reconcile(channel, epay([replace(entries[0], amount=entries[0].amount + 5), *entries[1:]]))
    case.refresh_from_db()
    assert (case.state, case.owner, case.amount) == (State.ASSIGNED, olga, Decimal("5.00"))


def test_a_case_of_an_unpaid_attempt_ends_when_it_turns_out_to_be_paid(channel, charlie, paid):
    late = make_payments(channel, charlie, [NOON], paid=False)[0]
    data = epay([*(entry_of(one) for one in paid), entry_of(late)])
    reconcile(channel, data)
    assert found(channel) == [("extra", "unpaid", f"T{late.number}")]
    PaymentAttempt.objects.filter(pk=late.pk).update(
        state="paid", paid_at=NOON + timedelta(hours=20), paid_amount=late.amount, provider_txn=f"T{late.number}"
    )
    reconcile(channel, data)
    assert ReconciliationCase.objects.get().state == State.EXPLAINED


def test_a_row_beyond_the_days_that_the_file_claims_is_told(channel, paid):
    """A gateway's file of one day that holds a payment of eight days later: nobody else would look for it."""
    later = NOON + timedelta(days=8)
    mine = [entry_of(one) for one in paid]
    reconcile(channel, alipay([*mine, Entry("P-NONE", "T-LATE", Decimal("5.00"), at=later)]), form="alipay")
    assert found(channel) == [("extra", "unknown", "T-LATE")]
    assert ReconciliationCase.objects.get().day == later.date()


def test_rows_of_days_that_nobody_asked_for_are_counted(channel, paid):
    mine = [entry_of(one) for one in paid]
    data = alipay([*mine, Entry("P-NONE", "T-LATE", Decimal("5.00"), at=NOON + timedelta(days=8))])
    run = check(channel, data, form="alipay", period=Period(DAY, DAY))
    assert (run.outside, run.extra, run.rows) == (1, 0, len(mine))


class TestForeignMoney:
    """Stripe asked for dollars: 72 yuan at 7.2."""

    @pytest.fixture
    def dollars(self, channel, paid):
        one = paid[0]
        foreign = {"currency": "USD", "currency_amount": Decimal("10.00"), "rate": Decimal("7.2")}
        PaymentAttempt.objects.filter(pk=one.pk).update(amount=72, paid_amount=72, **foreign)
        PaymentAttempt.objects.exclude(pk=one.pk).delete()
        Channel.objects.update(fee_rate=0)
        channel.refresh_from_db()
        return PaymentAttempt.objects.get()

    @staticmethod
    def bill(attempt, amount: str = "10.00", back: str = "0.00", currency: str = "usd") -> bytes:
        names = "id,Created date (UTC),Amount,Amount Refunded,Currency,Status,Fee,number (metadata)"
        day = f"{NOON.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        row = f"{attempt.provider_txn},{day},{amount},{back},{currency},Paid,0.59,{attempt.number}"
        return f"{names}\n{row}\n".encode()

    def test_what_both_know_is_no_difference(self, channel, dollars):
        run = check(channel, self.bill(dollars), form="stripe")
        assert (run.differences, run.matched, run.their_amount) == (0, 1, Decimal("72.00"))

    def test_a_wrong_amount_is_told_in_yuan(self, channel, dollars):
        reconcile(channel, self.bill(dollars, amount="1.00"), form="stripe")
        case = ReconciliationCase.objects.get()
        assert (case.aspect, case.amount) == ("amount", Decimal("-64.80"))
        assert (case.ours["currency"], case.theirs["currency"]) == ("10 USD", "USD")

    def test_so_is_a_refund_that_we_do_not_know(self, channel, dollars):
        reconcile(channel, self.bill(dollars, back="2.50"), form="stripe")
        case = ReconciliationCase.objects.get()
        assert (case.aspect, case.amount) == ("refund", Decimal("-18.00"))

    def test_money_that_nobody_asked_for_is_another_currency(self, channel, dollars):
        reconcile(channel, self.bill(dollars, currency="eur"), form="stripe")
        assert ReconciliationCase.objects.get().aspect == "currency"


@pytest.mark.damages_books
def test_a_second_payment_that_was_credited_is_known(channel, paid):
    first = paid[0]
    apply_second(attempt_id=first.pk, provider_txn="SECOND", amount=first.amount)
    data = epay([*(entry_of(one) for one in paid), replace(entry_of(first), txn="SECOND")])
    assert check(channel, data).differences == 0


@pytest.mark.damages_books
def test_what_was_booked_in_two_parts_is_one_payment(channel, paid):
    """Staff confirmed too little; of the gateway's own notify the rest was booked."""
    first = paid[0]
    assert apply_rest(attempt_id=first.pk, provider_txn=first.provider_txn, amount=Decimal(3))
    data = epay([replace(entry_of(first), amount=first.paid_amount + 3), *(entry_of(one) for one in paid[1:])])
    reconcile(channel, data)
    assert [aspect for _kind, aspect, _reference in found(channel) if aspect != "fee"] == []


@pytest.mark.damages_books
def test_money_that_nobody_expected_leads_to_its_transfer(channel, paid):
    transfer = Transfer.objects.create(ref=f"gw:{channel.pk}:T-STRANGE", kind="unclaimed", at=NOON)
    reconcile(channel, epay([*(entry_of(one) for one in paid), Entry("P-NONE", "T-STRANGE", Decimal("5.00"))]))
    case = ReconciliationCase.objects.get()
    assert (case.kind, case.aspect, case.transfer_id) == ("extra", "unknown", transfer.pk)


class TestMoneyBesideFirstPayments:
    """A second payment of a number, and money that nobody expected: booked, so a statement has to show it."""

    @pytest.fixture(params=["second", "unexpected"])
    def book(self, request, channel, paid):
        """Books five yuan at a time, and returns how a gateway tells of it."""

        def booked(at: datetime) -> Entry:
            number = paid[0].number if request.param == "second" else "P-NONE"
            told = {"provider_txn": "AGAIN", "amount": Decimal("5.00")}
            with clock.travel(at):
                if request.param == "second":
                    apply_second(attempt_id=paid[0].pk, **told)
                else:
                    book_unclaimed(channel=channel, number=number, **told)
            return Entry(number, "AGAIN", Decimal("5.00"), fee=Decimal("0.03"), at=at)

        return booked

    def missing(self, channel) -> list[str]:
        rows = ReconciliationCase.objects.filter(channel=channel, kind="missing", aspect="payment")
        return list(rows.filter(state__in=ReconciliationCase.LIVE).values_list("reference", flat=True))

    @pytest.mark.damages_books
    def test_what_no_statement_shows_is_missing(self, channel, paid, book):
        entry = book(NOON + timedelta(minutes=5))
        run = reconcile(channel, epay([entry_of(one) for one in paid]))
        assert (run.missing, self.missing(channel)) == (1, ["AGAIN"])
        case = ReconciliationCase.objects.get()
        assert (case.amount, case.ours["number"]) == (Decimal("-5.00"), entry.number)
        assert (case.attempt_id is None) == (case.transfer_id is not None)
        # The first payment in another statement does not end the case.
        reconcile(channel, epay([entry_of(paid[0], at=NOON + timedelta(days=1))]))
        assert self.missing(channel) == ["AGAIN"]
        run = reconcile(channel, epay([*(entry_of(one) for one in paid), entry]))
        assert (run.missing, self.missing(channel)) == (0, [])

    @pytest.mark.damages_books
    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_at_midnight_it_is_looked_for_on_both_sides(self, channel, charlie, paid, book, order):
        book(MIDNIGHT + timedelta(days=1, seconds=10))
        other = make_payments(channel, charlie, [NOON + timedelta(days=1)])
        files = [epay([entry_of(one) for one in paid]), epay([entry_of(one) for one in other])]
        for which in order:
            assert self.missing(channel) == []
            reconcile(channel, files[which])
        assert self.missing(channel) == ["AGAIN"]
        # The gateway tells of it late, in the statement of the day before.
        entry = Entry("P-NONE", "AGAIN", Decimal("5.00"), at=MIDNIGHT + timedelta(hours=23, minutes=59))
        reconcile(channel, epay([*(entry_of(one) for one in paid), entry]))
        assert self.missing(channel) == []

    @pytest.mark.damages_books
    def test_heard_of_hours_late_it_is_found_in_the_statement_of_its_day(self, channel, charlie, paid, book):
        entry = replace(book(NOON + timedelta(days=1)), at=NOON)
        reconcile(channel, epay([*(entry_of(one) for one in paid), entry]))
        other = make_payments(channel, charlie, [NOON + timedelta(days=1, hours=1)])
        assert reconcile(channel, epay([entry_of(one) for one in other])).differences == 0


@pytest.mark.damages_books
def test_of_a_second_payment_both_sides_are_compared(channel, paid):
    first = paid[0]
    apply_second(attempt_id=first.pk, provider_txn="AGAIN", amount=Decimal("5.00"))
    entries = [*(entry_of(one) for one in paid), Entry(first.number, "AGAIN", Decimal("4.00"), fee=Decimal("0.02"))]
    reconcile(channel, epay(entries))
    assert found(channel) == [("different", "amount", "AGAIN")]


@pytest.mark.damages_books
def test_a_statement_without_transactions_shows_both_payments_of_a_number(channel, paid):
    first = paid[0]
    with clock.travel(NOON + timedelta(minutes=5)):
        apply_second(attempt_id=first.pk, provider_txn="AGAIN", amount=Decimal("500.00"))
    second = Entry(first.number, "", Decimal("500.00"), fee=Decimal("3.00"))
    entries = [second, *(entry_of(one, txn="") for one in paid)]
    assert check(channel, epay(entries)).differences == 0
    run = check(channel, epay([*entries, second]))
    assert (run.differences, run.duplicate) == (1, 1)


# Who works on it


def test_whoever_confirms_has_the_cases(channel, paid, olga):
    fay = staff("fay", "payments.work_case")
    run = check(channel, epay([entry_of(one) for one in paid[1:]]))
    cases.confirm_run(run_id=run.pk, actor=fay)
    case = ReconciliationCase.objects.get()
    assert (case.state, case.owner) == (State.ASSIGNED, fay)
    assert CaseMove.objects.get().owner_id == fay.pk


def test_else_it_is_who_has_the_fewest_of_those_with_the_right(db):
    lars = staff("lars", "payments.reconcile_channel")
    fay, gus = staff("fay", "payments.work_case"), staff("gus", "payments.work_case")
    for owner in (fay, gus, fay):
        channel = make_channel()
        run = check(channel, epay([Entry("P-NONE", "T-NONE", Decimal("5.00"))]))
        cases.confirm_run(run_id=run.pk, actor=lars)
        assert ReconciliationCase.objects.get(channel=channel).owner == owner


def test_where_nobody_has_the_right_a_case_waits(channel, paid):
    reconcile(channel, epay([entry_of(one) for one in paid[1:]]))
    case = ReconciliationCase.objects.get()
    assert (case.state, case.owner) == (State.OPEN, None)


def test_a_case_goes_from_hand_to_hand_with_its_history(channel, paid, olga):
    reconcile(channel, epay([entry_of(one) for one in paid[1:]]))
    case = ReconciliationCase.objects.get()
    assert (case.state, case.owner) == (State.ASSIGNED, olga)
    fay = staff("fay", "payments.work_case")
    with pytest.raises(cases.NotAWorker):
        cases.assign_cases(case_ids=[case.pk], owner=staff("lars"), actor=olga)
    assert cases.assign_cases(case_ids=[case.pk], owner=fay, actor=olga) == 1
    with pytest.raises(cases.NoteNeeded):
        cases.close_case(case_id=case.pk, state=State.SETTLED, note="  ", actor=fay)
    with pytest.raises(cases.CaseMoved):
        cases.close_case(case_id=case.pk, state=State.OPEN, note="x", actor=fay)
    cases.close_case(case_id=case.pk, state=State.EXPLAINED, note="渠道次日补账", actor=fay)
    for act in (
        lambda: cases.close_case(case_id=case.pk, state=State.SETTLED, note="x", actor=fay),
        lambda: cases.assign_cases(case_ids=[case.pk], owner=fay, actor=olga),
    ):
        with pytest.raises(cases.CaseMoved):
            act()
    cases.reopen_case(case_id=case.pk, note="又查了一次", actor=fay)
    case.refresh_from_db()
    assert (case.state, case.owner) == (State.ASSIGNED, fay)
    moves = list(CaseMove.objects.values_list("from_state", "to_state", "actor_id"))
    assert moves == [
        ("", "assigned", None),
        ("assigned", "assigned", olga.pk),
        ("assigned", "explained", fay.pk),
        ("explained", "assigned", fay.pk),
    ]
    told = AuditEntry.objects.filter(target_type="payments.ReconciliationCase").values_list("action", flat=True)
    assert sorted(told) == ["case.assign", "case.close", "case.reopen"]


# Whole runs


def test_a_statement_of_another_shop_makes_no_thousand_cases(channel):
    entries = [Entry(f"X{n}", f"T{n}", Decimal("1.00")) for n in range(5001)]
    with pytest.raises(TooManyDifferences):
        check(channel, epay(entries))
    assert not Reconciliation.objects.exists()


def test_a_preview_is_confirmed_once_and_not_for_ever(channel, paid):
    run = check(channel, epay([entry_of(one) for one in paid[1:]]))
    assert (run.state, run.missing, ReconciliationCase.objects.count()) == ("checked", 1, 0)
    with clock.travel(clock.now() + timedelta(hours=3)), pytest.raises(cases.PreviewOld):
        cases.confirm_run(run_id=run.pk)
    assert cases.confirm_run(run_id=run.pk).found == []
    for act in (cases.confirm_run, cases.drop_run):
        with pytest.raises(cases.RunMoved):
            act(run_id=run.pk)
    left = check(channel, epay([entry_of(one) for one in paid[1:]]))
    with clock.travel(clock.now() + timedelta(days=2)):
        assert forget_unconfirmed() == 1
    left.refresh_from_db()
    assert (left.state, left.found, left.borders) == (Reconciliation.State.DROPPED, [], {})


def test_days_that_the_statement_is_not_of_are_refused(channel, paid):
    with pytest.raises(StatementError) as refused:
        check(channel, epay([entry_of(one) for one in paid]), period=Period.parse("2026-11-01..2026-11-05"))
    assert refused.value.code == "outside"
    for text in ("", "yesterday", "2026-13-01", "2026-11-05..2026-11-01", "2026-01-01..2026-11-01", "0001-01-01"):
        with pytest.raises(StatementError):
            Period.parse(text)


# The command


def run_command(channel, path, *flags: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command("reconcile", channel.code, str(path), *flags, stdout=out, stderr=err)
    return out.getvalue() + err.getvalue()


def test_the_command_tells_and_makes_cases(channel, paid, tmp_path):
    path = tmp_path / "bill.csv"
    path.write_bytes(epay([entry_of(one) for one in paid[1:]]))
    assert "渠道缺少 1" in run_command(channel, path, "--check")
    assert not ReconciliationCase.objects.exists()
    told = run_command(channel, path, "--day", "2026-11-27")
    assert "新建差异 1 条" in told and paid[0].number in told and "读取账单" in told
    told = run_command(channel, path, "--day", "2026-11-27")
    assert "差异没有重复建立" in told and "新建差异 0 条" in told
    path.write_bytes(b"1,2\n")
    with pytest.raises(CommandError, match="第 1 行"):
        run_command(channel, path)
    with pytest.raises(CommandError, match="没有代码为"):
        call_command("reconcile", "nowhere", str(path))
    with pytest.raises(CommandError, match="nothing"):
        call_command("reconcile", channel.code, str(tmp_path / "nothing"))
