"""Monthly rebates: what a month earns, that it is paid once, and what later news does to it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from common import clock
from common.clock import start_of_day
from events.models import Event
from marketing import tasks
from marketing.exceptions import MonthNotOver, NoOwnProgram, ProgramsOverlap, RatesDoNotRise, TermsAreFixed
from marketing.models import Rebate, RebateCorrection, RebateProgram, RebateStep
from marketing.rebates import last_day, month_after, next_step, rebate_of
from marketing.selectors import due_for, rebate_progress, rebates_of
from marketing.services import pay_due_rebates, pay_rebates, save_rebate_program
from membership.services import clear_activity, flag_activity
from tests.desk import Act, at_desk, staff, text_of
from tests.membership.club import Club, at_least, make_line, on
from tests.people import Visitor
from wallet.models import Transfer
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
STEPS = [(Decimal("10000.00"), Decimal("0.0300")), (Decimal("30000.00"), Decimal("0.0500"))]
PAY = on("2026-11-08", "05:10")


def program(steps=STEPS, **fields) -> RebateProgram:
    made = RebateProgram(**{"name": "商户月返利", "first_month": date(2026, 1, 1), **fields})
    made.full_clean()
    return save_rebate_program(program=made, steps=steps, actor=None)


@pytest.fixture
def club(db) -> Club:
    return Club(at_least("spend", "life", "1000000.00"))


def pay(at=PAY):
    with clock.travel(at):
        return pay_due_rebates(at=clock.now())


def wallet(member) -> str:
    return str(balance_of(member.user))


def rebate(member, month=OCTOBER) -> tuple[str, str, str]:
    row = Rebate.objects.get(user=member.user, month=month)
    return str(row.amount), str(row.carried), str(row.paid)


@pytest.mark.parametrize(
    ("spent", "expected"),
    [("9999.99", "0.00"), ("10000.00", "300.00"), ("29999.99", "900.00"), ("30000.00", "1500.00")],
)
def test_23_the_rate_of_the_step_on_the_whole_amount(club, spent, expected):
    """Given monthly rebates 10k:3%, 30k:5% on the whole amount, when 9,999.99 / 10,000 / 29,999.99 / 30,000, then 0 /
    300.00 / 900.00 / 1,500.00."""
    program()
    member = club.join()
    club.buy(member, spent, paid=on("2026-10-15"))
    paid = pay()
    assert wallet(member) == expected
    assert (paid.members, str(paid.amount)) == ((1, expected) if Decimal(expected) else (0, "0.00"))
    told = Event.objects.filter(kind="rebate.paid")
    assert [one.payload["amount"] for one in told] == ([expected] if Decimal(expected) else [])
    assert [one.month for one in Rebate.objects.all()] == ([OCTOBER] if Decimal(expected) else [])


@pytest.mark.parametrize(
    ("base", "rebate"),
    [("10000.00", "300.00"), ("10000.16", "300.00"), ("10000.17", "300.01"), ("33333.33", "1666.67"), ("0", "0.00")],
)
def test_a_rebate_is_rounded_once_halves_up(base, rebate):
    assert str(rebate_of(STEPS, Decimal(base))) == rebate


def test_what_is_missing_until_the_next_step():
    assert next_step(STEPS, Decimal("9999.99")).missing == Decimal("0.01")
    assert next_step(STEPS, Decimal("10000.00")).amount == Decimal("30000.00")
    assert next_step(STEPS, Decimal("30000.00")) is None


def test_months_across_years():
    assert month_after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert month_after(date(2026, 1, 1), -1) == date(2025, 12, 1)
    assert last_day(date(2028, 2, 1)) == date(2028, 2, 29)


class TestOnce:
    def test_run_twice_it_pays_once(self, club):
        program()
        member = club.join()
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        assert [pay().members, pay().members, pay(PAY + timedelta(days=9)).members] == [1, 0, 0]
        with clock.travel(PAY):
            assert pay_rebates(month=OCTOBER, at=clock.now()).members == 0
        assert wallet(member) == "300.00"
        assert Transfer.objects.filter(kind="rebate").count() == 1

    def test_broken_off_half_way_it_goes_on(self, club):
        program()
        members = [club.join() for _ in range(4)]
        for member in members:
            club.buy(member, "10000.00", paid=on("2026-10-15"))

        def stop(done, total):
            assert total == 4
            if done == 2:
                raise RuntimeError("the worker dies")

        with clock.travel(PAY):
            with pytest.raises(RuntimeError):
                pay_rebates(month=OCTOBER, at=clock.now(), progress=stop)
            assert Rebate.objects.count() == 2
            assert pay_rebates(month=OCTOBER, at=clock.now()).members == 2
        assert [wallet(member) for member in members] == ["300.00"] * 4

    def test_the_database_pays_a_month_once_and_only_what_is_left(self, club):
        made, member = program(), club.join()
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        pay()
        fields = {"user": member.user, "program": made, "steps": [], "base": 1, "rate": 0, "at": PAY}
        for wrong in (
            {"month": OCTOBER, "amount": 0, "carried": 0, "paid": 0},
            {"month": NOVEMBER, "amount": 5, "carried": -9, "paid": -4},
            {"month": NOVEMBER, "amount": 5, "carried": 0, "paid": 6},
            {"month": date(2026, 11, 2), "amount": 0, "carried": 0, "paid": 0},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                Rebate.objects.create(**fields, **wrong)


class TestDays:
    def test_a_month_ends_at_midnight_in_shanghai(self, club):
        program()
        early, late = club.join(), club.join()
        club.buy(early, "9999.99", paid=on("2026-10-31", "12:00"))
        club.buy(early, "0.01", paid=on("2026-10-31", "23:59:59"))
        club.buy(late, "9999.99", paid=on("2026-10-31", "12:00"))
        club.buy(late, "0.01", paid=on("2026-11-01", "00:00"))
        club.buy(late, "10000.00", paid=on("2026-09-30", "23:59:59"))
        pay()
        assert (wallet(early), wallet(late)) == ("300.00", "300.00")
        assert set(Rebate.objects.values_list("user", "month")) == {
            (early.user_id, OCTOBER),
            (late.user_id, date(2026, 9, 1)),
        }

    def test_it_is_paid_on_the_day_that_is_stated(self, club):
        program(pay_day=8)
        member = club.join()
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        eve = start_of_day(date(2026, 11, 8)) - timedelta(seconds=1)
        assert pay(eve).members == 0
        assert pay(eve + timedelta(seconds=1)).members == 1

    def test_a_month_that_is_not_over_is_not_paid(self, club):
        program()
        with clock.travel(on("2026-10-31", "23:59:59")), pytest.raises(MonthNotOver):
            pay_rebates(month=OCTOBER, at=clock.now())
        with clock.travel(on("2026-11-01", "00:00")):
            pay_rebates(month=OCTOBER, at=clock.now())

    def test_only_months_of_the_program(self, club):
        program(first_month=OCTOBER, last_month=OCTOBER)
        member = club.join()
        for day in ("2026-09-30", "2026-10-01", "2026-11-01"):
            club.buy(member, "10000.00", paid=on(day))
        pay(on("2026-12-08"))
        assert list(Rebate.objects.values_list("month", flat=True)) == [OCTOBER]


class TestCorrections:
    def test_a_refund_acts_on_the_month_of_the_purchase_and_is_taken_from_the_next(self, club):
        program()
        member = club.join()
        order = club.buy(member, "30000.00", paid=on("2026-10-15"))
        pay()
        assert wallet(member) == "1500.00"
        club.hear(club.refunded(order, {0: "20000.01"}), on("2026-11-20"))
        club.buy(member, "50000.00", paid=on("2026-11-21"))
        done = pay(on("2026-12-08"))
        # 9,999.99 are left of October: all of 1,500.00 goes back, out of November's 2,500.00.
        assert done.corrected == 1
        assert [(str(one.amount), str(one.base)) for one in RebateCorrection.objects.all()] == [("-1500.00", "9999.99")]
        assert rebate(member, NOVEMBER) == ("2500.00", "-1500.00", "1000.00")
        assert wallet(member) == "2500.00"
        assert pay(on("2026-12-09")).corrected == 0

    def test_what_the_next_month_cannot_cover_waits_and_no_wallet_goes_below_zero(self, club):
        program()
        member = club.join()
        order = club.buy(member, "30000.00", paid=on("2026-09-15"))
        pay(on("2026-10-08"))
        club.hear(club.refunded(order), on("2026-10-20"))
        club.buy(member, "10000.00", paid=on("2026-10-21"))
        club.buy(member, "50000.00", paid=on("2026-11-21"))
        pay(on("2026-11-08"))
        assert rebate(member) == ("300.00", "-1500.00", "0.00")
        with clock.travel(on("2026-11-09")):
            assert rebate_progress(user_id=member.user_id, at=clock.now()).owed == Decimal("1200.00")
        pay(on("2026-12-08"))
        assert rebate(member, NOVEMBER) == ("2500.00", "-1200.00", "1300.00")
        assert wallet(member) == "2800.00"

    def test_wash_trades_are_taken_back_and_paid_again_when_cleared(self, club):
        program()
        member = club.join()
        order = club.buy(member, "10000.00", paid=on("2026-10-15"))
        pay()
        refs = [f"line:{order.lines[0].id}:spend"]
        with clock.travel(on("2026-11-10")):
            flag_activity(member_id=member.pk, refs=refs, reason="wash_trade", actor=None, at=clock.now())
        pay(on("2026-11-11"))
        assert [str(one.amount) for one in RebateCorrection.objects.all()] == ["-300.00"]
        assert wallet(member) == "300.00"
        unflag(member, refs, on("2026-11-12"))
        pay(on("2026-11-13"))
        assert [str(one.amount) for one in rebates_of(user_id=member.user_id).get().corrections.order_by("number")] == [
            "-300.00",
            "300.00",
        ]
        pay(on("2026-12-08"))
        assert wallet(member) == "300.00"

    def test_what_was_delivered_late_is_added_although_the_next_month_earns_nothing(self, club):
        program()
        member = club.join()
        club.buy(member, "29999.99", paid=on("2026-10-15"))
        pay()
        club.buy(member, "0.01", paid=on("2026-10-31"), heard=on("2026-11-20"))
        assert pay(on("2026-11-21")).corrected == 1
        assert wallet(member) == "900.00"
        pay(on("2026-12-08"))
        assert rebate(member, NOVEMBER) == ("0.00", "600.00", "600.00")
        assert wallet(member) == "1500.00"
        # November is settled by that; what comes late to it is a correction again.
        club.buy(member, "10000.00", paid=on("2026-11-30"), heard=on("2026-12-09"))
        pay(on("2027-01-08"))
        assert wallet(member) == "1800.00"

    def test_delivered_after_the_day_of_payment_it_is_paid_then(self, club):
        program()
        member = club.join()
        assert pay().members == 0
        club.buy(member, "10000.00", paid=on("2026-10-31"), heard=on("2026-11-20"))
        assert pay(on("2026-11-21")).members == 1
        assert wallet(member) == "300.00"


def unflag(member, refs, at):
    with clock.travel(at):
        clear_activity(member_id=member.pk, refs=refs, reason="appeal", actor=None, at=clock.now())


class TestWhatCounts:
    def test_excluded_goods_and_points_do_not_count(self):
        club = Club(
            at_least("spend", "life", "1000000.00"), exclude=[{"reason": "gift_cards", "category": "gift_card"}]
        )
        program()
        member = club.join()
        lines = [make_line("9999.99", points_paid="500.00"), ("20000.00", "gift_card")]
        club.buy(member, *lines, paid=on("2026-10-15"))
        assert pay().members == 0

    def test_a_storefront_of_its_own_counts_its_own(self, club):
        other = Club(at_least("spend", "life", "1000000.00"))
        program(storefront=club.storefront)
        member = club.join()
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        other.buy(member, "90000.00", paid=on("2026-10-16"))
        pay()
        assert rebate(member) == ("300.00", "0.00", "300.00")

    def test_the_whole_platform_counts_together(self, club):
        other = Club(at_least("spend", "life", "1000000.00"))
        program()
        member = club.join()
        club.buy(member, "9000.00", paid=on("2026-10-15"))
        other.buy(member, "1000.00", paid=on("2026-10-16"))
        pay()
        assert rebate(member) == ("300.00", "0.00", "300.00")

    def test_a_group_gets_the_better_program_and_never_both(self, club):
        group = Group.objects.create(name="商户")
        program()
        program([(Decimal("5000.00"), Decimal("0.0800"))], group=group, name="商户加码")
        merchant, member = club.join(), club.join()
        merchant.user.groups.add(group)
        for one in (merchant, member):
            club.buy(one, "10000.00", paid=on("2026-10-15"))
        pay()
        assert (wallet(merchant), wallet(member)) == ("800.00", "300.00")

    def test_who_is_blocked_waits(self, club):
        program()
        member = club.join()
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        type(member.user).objects.filter(pk=member.user_id).update(is_active=False)
        with clock.travel(PAY):
            assert due_for(month=OCTOBER) == []
        assert pay().members == 0
        type(member.user).objects.filter(pk=member.user_id).update(is_active=True)
        assert pay(PAY + timedelta(days=30)).members == 1


class TestPrograms:
    @pytest.mark.parametrize(
        "steps",
        [
            [],
            [("10000", "0.05"), ("30000", "0.03")],
            [("10000", "0.03"), ("30000", "0.03")],
            [("10000", "0.03"), ("10000", "0.05")],
            [("10000", "1.01")],
            [("10000", "0")],
            [("0", "0.03")],
        ],
    )
    def test_steps_that_do_not_rise_are_refused(self, db, steps):
        with pytest.raises(RatesDoNotRise):
            program([(Decimal(amount), Decimal(rate)) for amount, rate in steps])

    def test_the_database_refuses_them_too(self, db):
        made = program()
        for amount, rate in (("40000", "0.05"), ("20000", "0.05"), ("5000", "0.03"), ("1", "1.2"), ("0", "0.01")):
            with pytest.raises(IntegrityError), transaction.atomic():
                RebateStep.objects.create(program=made, amount=Decimal(amount), rate=Decimal(rate))
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert made.steps.count() == 2

    def test_two_at_once_for_the_same_people_are_refused(self, club):
        made = program(first_month=OCTOBER)
        twin = {"name": "另一个", "first_month": date(2026, 12, 1)}
        with pytest.raises(ValidationError):
            program(**twin)
        with pytest.raises(ProgramsOverlap):
            save_rebate_program(program=RebateProgram(**twin), steps=STEPS, actor=None)
        program(**{**twin, "storefront": club.storefront})
        made.last_month = NOVEMBER
        save_rebate_program(program=made, steps=STEPS, actor=None)
        program(**twin)

    def test_a_storefront_without_members_of_its_own_cannot_count(self, db, club):
        storefront = type(club.storefront).objects.create(host="bare.example", name="空")
        with pytest.raises(NoOwnProgram):
            program(storefront=storefront)

    def test_what_was_paid_by_stays(self, club):
        made, member = program(), club.join()
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        save_rebate_program(program=made, steps=[(Decimal("10000.00"), Decimal("0.03"))], actor=None)
        pay()
        with pytest.raises(TermsAreFixed):
            save_rebate_program(program=made, steps=STEPS, actor=None)
        made.last_month = date(2026, 9, 1)
        with pytest.raises(TermsAreFixed):
            save_rebate_program(program=made, steps=[(Decimal("10000.00"), Decimal("0.03"))], actor=None)
        made.last_month = NOVEMBER
        save_rebate_program(program=made, steps=[(Decimal("10000.00"), Decimal("0.03"))], actor=None)


class TestPages:
    def test_a_member_sees_the_month_so_far(self, club, client: Client):
        program()
        member = club.join()
        at = clock.now()
        club.buy(member, "8000.00", paid=at)
        client.force_login(member.user)
        page = Visitor(client).see(reverse("shop:wallet"))
        assert "本月返利" in page and "¥8,000.00" in page
        assert "再消费 ¥2,000.00，整月消费按 3% 返利" in page

    def test_nothing_is_said_where_there_is_no_program(self, alice, client):
        client.force_login(alice)
        assert "本月返利" not in Visitor(client).see(reverse("shop:wallet"))

    def test_staff_look_first_and_pay_then(self, club, olga, monkeypatch):
        made, member = program(), club.join("merchant")
        month = month_after(clock.day_of(clock.now()).replace(day=1), -1)
        club.buy(member, "10000.00", paid=start_of_day(month))
        sent = []
        monkeypatch.setattr("marketing.admin.rebates.send", lambda task, *args: sent.append((task, *args)))
        act = Act(at_desk(olga), reverse("admin:marketing_rebate_pay")).fill(month=f"{month}")
        assert "¥300.00" in text_of(act.page) and "merchant" in text_of(act.page)
        assert not Rebate.objects.exists()
        act.confirm().done()
        assert sent == [("marketing.tasks.pay_rebates", f"{month}", olga.pk)]
        tasks.pay_rebates(*sent[0][1:])
        assert wallet(member) == "300.00"
        desk = at_desk(olga)
        assert "300.00" in text_of(desk.get(reverse("admin:marketing_rebate_changelist")))
        assert "商户月返利" in text_of(desk.get(reverse("admin:marketing_rebateprogram_changelist")))
        page = desk.get(reverse("admin:marketing_rebateprogram_change", args=[made.pk])).content.decode()
        assert "10000.00 3%" in page

    def test_staff_without_the_right_do_not_pay(self, db):
        desk = at_desk(staff("reader", "marketing.view_rebate"))
        assert desk.get(reverse("admin:marketing_rebate_changelist")).status_code == 200
        assert desk.post(reverse("admin:marketing_rebate_pay")).status_code == 403

    @pytest.mark.parametrize(
        ("steps", "good"),
        [
            ("10000 3%\n30000 5%", True),
            ("10,000.00 3％\r\n30,000: 4.25%", True),
            ("10000 5%\n30000 3%", False),
            ("10000 3.333%", False),
            ("一万 3%", False),
            ("10000 101%", False),
            ("", False),
        ],
    )
    def test_a_program_is_written_as_lines(self, olga, steps, good):
        fields = {"name": "月返利", "is_active": "on", "first_month": "2026-10-01", "pay_day": "8", "steps": steps}
        answer = at_desk(olga).post(reverse("admin:marketing_rebateprogram_add"), fields)
        assert (answer.status_code == 302) is good, text_of(answer)
        assert RebateProgram.objects.exists() is good

    def test_the_form_refuses_what_has_been_paid_by(self, club, olga):
        made, member = program(), club.join()
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        pay()
        address = reverse("admin:marketing_rebateprogram_change", args=[made.pk])
        fields = {"name": "新名字", "is_active": "on", "first_month": "2026-01-01", "pay_day": "8"}
        answer = at_desk(olga).post(address, {**fields, "steps": "20000 3%"})
        assert answer.status_code == 200 and answer.context["adminform"].form.errors
        assert at_desk(olga).post(address, {**fields, "steps": "10000 3%\n30000 5%"}).status_code == 302

    def test_the_command_previews_and_pays(self, club, capsys):
        program()
        member = club.join("merchant")
        club.buy(member, "10000.00", paid=on("2026-10-15"))
        with clock.travel(PAY):
            call_command("pay_rebates", "2026-10", "--preview")
            assert "merchant\t10000.00\t0.0300\t300.00\t0.00\t300.00" in capsys.readouterr().out
            assert not Rebate.objects.exists()
            call_command("pay_rebates", "2026-10")
            call_command("pay_rebates")
            with pytest.raises(CommandError):
                call_command("pay_rebates", "2026-11")
            with pytest.raises(CommandError):
                call_command("pay_rebates", "--preview")
        assert wallet(member) == "300.00"
