"""Win-back: who is away, what is done about it once, who is left in peace, and what it brought."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import User
from common import clock
from common.clock import SHANGHAI, day_of
from events.contracts import ComebackOffered, from_payload
from events.models import Event
from events.services import relay
from insights.models import Spell, WinBackChoice, WinBackPlan
from insights.selectors.away import group_of, win_back_report
from insights.services import choose_comeback, run_win_back, save_win_back_plan, state_reason
from insights.uplift import Share, uplift, wilson
from marketing.models import Coupon
from membership.models import ActiveDay
from notifications.models import Message
from notifications.selectors import words
from orders.services import cancel
from tests.desk import at_desk, text_of
from tests.marketing.coupons import template
from tests.people import Visitor

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
Reason, Group, Action = Spell.Reason, Spell.Group, Spell.Action


@pytest.fixture
def now():
    return clock.now()


@pytest.fixture
def plan(db) -> WinBackPlan:
    """Switched on; everybody is treated, unless a test says otherwise."""
    made = WinBackPlan.objects.get()
    made.is_active = True
    save_win_back_plan(plan=made)
    return made


@pytest.fixture
def everybody_treated(monkeypatch):
    monkeypatch.setattr("insights.services.group_of", lambda user_id, control_percent: Group.TREATED)


def seen(user: User, *, days: int, at) -> User:
    """Registered long ago, and last here so many whole days before `at`."""
    last = at - days * DAY
    User.objects.filter(pk=user.pk).update(date_joined=at - 200 * DAY, last_login=last)
    ActiveDay.objects.filter(user=user).delete()
    return user


def bought(shelf, user, sku, *, days: int, at):
    with clock.travel(at - days * DAY):
        return shelf.buy(user, (sku, 1), from_wallet=True)


def night(at) -> dict[str, int]:
    with clock.travel(at):
        return run_win_back(at=clock.now())


def spell(user) -> Spell:
    return Spell.objects.get(user=user, ended_at=None)


def offers() -> list[ComebackOffered]:
    rows = Event.objects.filter(kind="comeback.offered").order_by("pk")
    return [from_payload(row.kind, row.version, row.payload) for row in rows]


class TestWhoIsAway:
    @pytest.mark.parametrize(("days", "away"), [(7, False), (8, True)])
    def test_24_seven_whole_days_without_login(self, plan, shelf, alice, now, days, away):
        """Given 7 days without login or 30 without order, then flagged."""
        bought(shelf, alice, shelf.sku(keys=1), days=9, at=now)
        seen(alice, days=days, at=now)
        if days < 9:
            ActiveDay.objects.filter(user=alice).delete()
        night(now)
        assert Spell.objects.filter(user=alice, quiet=True, no_order=False).exists() is away

    @pytest.mark.parametrize(("days", "away"), [(30, False), (31, True)])
    def test_24_thirty_whole_days_without_order(self, plan, shelf, alice, now, days, away):
        bought(shelf, alice, shelf.sku(keys=1), days=days, at=now)
        seen(alice, days=1, at=now)
        night(now)
        assert Spell.objects.filter(user=alice, quiet=False, no_order=True).exists() is away

    def test_days_are_those_of_shanghai(self, plan, shelf, alice, bob, now):
        midnight = clock.start_of_day(day_of(now))
        for user in (alice, bob):
            bought(shelf, user, shelf.sku(keys=1), days=20, at=now)
            seen(user, days=20, at=now)
        User.objects.filter(pk=alice.pk).update(last_login=midnight - 7 * DAY - timedelta(seconds=1))
        User.objects.filter(pk=bob.pk).update(last_login=midnight - 7 * DAY)
        night(midnight + timedelta(hours=1))
        assert [one.user_id for one in Spell.objects.all()] == [alice.pk]

    def test_whoever_looked_around_was_here_although_the_sign_in_is_old(self, plan, shelf, alice, now):
        bought(shelf, alice, shelf.sku(keys=1), days=20, at=now)
        seen(alice, days=100, at=now)
        ActiveDay.objects.create(user=alice, day=day_of(now) - 2 * DAY)
        night(now)
        assert not Spell.objects.exists()

    def test_new_members_staff_and_blocked_ones_are_not_away(self, plan, alice, bob, charlie, olga, now):
        for user in (bob, charlie, olga):
            seen(user, days=100, at=now)
        User.objects.filter(pk=charlie.pk).update(is_active=False)
        night(now)
        assert [one.user_id for one in Spell.objects.all()] == [bob.pk]

    def test_nothing_happens_while_the_plan_is_off(self, alice, now):
        seen(alice, days=100, at=now)
        assert night(now)["flagged"] == 0
        assert not Spell.objects.exists()

    def test_a_spell_is_one_until_they_are_back(self, plan, everybody_treated, shelf, alice, now):
        seen(alice, days=100, at=now)
        assert [night(now + n * DAY)["flagged"] for n in range(3)] == [1, 0, 0]
        assert len(offers()) == 1
        back = now + 5 * DAY
        bought(shelf, alice, shelf.sku(keys=2), days=0, at=back)
        assert night(back + DAY) == {"ordered": 1, "ended": 1, "flagged": 0, "acted": 0}
        assert Spell.objects.get().ordered_at == back
        # Away again: a new spell, but nothing is said so soon after the last time.
        assert night(back + 9 * DAY)["flagged"] == 1
        assert len(offers()) == 1
        assert night(back + 40 * DAY)["acted"] == 1


class TestWhatIsDone:
    @pytest.fixture(autouse=True)
    def setting(self, plan, everybody_treated):
        self.plan = plan

    def give(self, coupon) -> None:
        self.plan.coupon = coupon
        save_win_back_plan(plan=self.plan)

    def test_24_missing_goods_are_told_of_when_they_are_back_with_a_coupon(self, shelf, alice, now):
        """缺货 → restock + coupon."""
        self.give(template())
        sku = shelf.sku(keys=1)
        bought(shelf, alice, sku, days=40, at=now)
        seen(alice, days=40, at=now)
        night(now)
        assert (spell(alice).reason, spell(alice).sku_id, spell(alice).action) == (Reason.STOCK, sku.pk, Action.NONE)
        assert offers() == []
        shelf.stock(sku, 3)
        night(now + DAY)
        [offer] = offers()
        assert (offer.what, offer.product_id, offer.coupon) == ("restock", sku.product_id, True)
        assert Coupon.objects.get(owner=alice) == spell(alice).coupon
        assert night(now + 2 * DAY)["acted"] == 0
        assert Coupon.objects.count() == 1
        with clock.travel(now + DAY):
            relay()
        message = Message.objects.get(user=alice, kind="comeback_coupon")
        assert words(message).title == f"{sku.product.name}有货了，送你一张优惠券"
        assert message.link == reverse("shop:product", args=[sku.product.slug])

    def test_a_coupon_that_is_sold_out_is_not_promised(self, shelf, alice, bob, now):
        made = template(total_limit=1)
        self.give(made)
        sku = shelf.sku(keys=2)
        for user in (alice, bob):
            bought(shelf, user, sku, days=40, at=now)
            seen(user, days=40, at=now)
        night(now)
        shelf.stock(sku, 3)
        night(now + DAY)
        assert sorted(offer.coupon for offer in offers()) == [False, True]
        with clock.travel(now + DAY):
            relay()
        assert Message.objects.filter(kind="comeback_restock").count() == 1

    def test_24_an_order_given_up_is_answered_with_three_steps(self, shelf, alice, now):
        """操作复杂 → three-step guide."""
        with clock.travel(now - 20 * DAY):
            cancel(order_id=shelf.buy(alice, (shelf.sku(keys=1), 1)).pk, actor=alice)
        seen(alice, days=20, at=now)
        night(now)
        assert (spell(alice).reason, spell(alice).action) == (Reason.HARD, Action.GUIDE)
        with clock.travel(now):
            relay()
        message = Message.objects.get(user=alice, kind="comeback_guide")
        assert "三步" in words(message).title and message.link == reverse("insights:comeback")

    def test_who_says_nothing_is_asked_and_answered_once(self, shelf, alice, client, now):
        self.give(template())
        seen(alice, days=20, at=now)
        night(now)
        assert (spell(alice).reason, spell(alice).action) == (Reason.UNKNOWN, Action.ASK)
        client.force_login(alice)
        page = Visitor(client).see(reverse("insights:comeback"))
        assert "是哪里不方便" in page and "三步买好" in page
        for _ in range(2):
            answer = client.post(reverse("insights:comeback"), {"reason": "stock"})
            assert answer.status_code == 302
        found = Spell.objects.get(user=alice)
        assert (found.stated, found.reason, found.action) == (Reason.STOCK, Reason.UNKNOWN, Action.RESTOCK)
        assert Coupon.objects.filter(owner=alice).count() == 1
        assert [offer.what for offer in offers()] == ["ask", "restock"]
        client.post(reverse("insights:comeback"), {"reason": "hard"})
        assert [offer.what for offer in offers()] == ["ask", "restock"]

    def test_made_up_reasons_are_refused(self, alice, client, now):
        seen(alice, days=20, at=now)
        night(now)
        client.force_login(alice)
        assert client.post(reverse("insights:comeback"), {"reason": "unknown"}).status_code == 200
        assert spell(alice).stated == ""

    def test_who_is_not_away_is_only_thanked(self, alice):
        assert state_reason(user=alice, reason="stock") is None
        assert not Coupon.objects.exists()

    def test_so_many_a_night(self, make_member, now):
        self.plan.most_per_night = 2
        save_win_back_plan(plan=self.plan)
        for _ in range(5):
            seen(make_member(), days=100, at=now)
        morning = clock.start_of_day(day_of(now)) + timedelta(hours=9)
        acted = [night(morning + n * timedelta(hours=1))["acted"] for n in range(2)]
        assert acted == [2, 0]
        assert [night(morning + DAY * n)["acted"] for n in (1, 2, 3)] == [2, 1, 0]


class TestPeace:
    def test_who_wants_no_such_messages_gets_none(self, plan, everybody_treated, alice, client, now):
        seen(alice, days=100, at=now)
        client.force_login(alice)
        User.objects.filter(pk=alice.pk).update(last_login=now - 100 * DAY)
        assert client.post(reverse("insights:choice"), {"wanted": "0"}).status_code == 302
        assert "已关闭" in Visitor(client).see(reverse("insights:comeback"))
        ActiveDay.objects.filter(user=alice).delete()
        night(now)
        assert spell(alice).group == Group.LEFT_OUT
        assert offers() == []
        client.post(reverse("insights:choice"), {"wanted": "1"})
        assert not WinBackChoice.objects.exists()

    def test_switched_off_after_the_flag_nothing_comes(self, plan, everybody_treated, shelf, alice, now):
        sku = shelf.sku(keys=1)
        bought(shelf, alice, sku, days=40, at=now)
        seen(alice, days=40, at=now)
        night(now)
        choose_comeback(user=alice, wanted=False)
        shelf.stock(sku, 1)
        night(now + DAY)
        assert offers() == []
        assert spell(alice).group == Group.TREATED  # by intention: it is compared as it was assigned

    def test_24_the_control_group_is_never_written_to(self, plan, shelf, alice, now, monkeypatch):
        monkeypatch.setattr("insights.services.group_of", lambda user_id, control_percent: Group.CONTROL)
        seen(alice, days=100, at=now)
        night(now)
        assert spell(alice).group == Group.CONTROL
        state_reason(user=alice, reason="stock")
        night(now + DAY)
        assert (offers(), spell(alice).stated, spell(alice).action) == ([], Reason.STOCK, "")
        with pytest.raises(IntegrityError), transaction.atomic():
            Spell.objects.update(action=Action.ASK, acted_at=now)

    def test_24_ten_percent_by_chance_and_the_same_every_time(self):
        groups = [group_of(number, control_percent=10) for number in range(20_000)]
        assert 0.09 < groups.count(Group.CONTROL) / len(groups) < 0.11
        assert groups == [group_of(number, control_percent=10) for number in range(20_000)]
        # Who was control stays so when the share grows.
        more = [group_of(number, control_percent=20) for number in range(20_000)]
        assert all(late == Group.CONTROL for early, late in zip(groups, more, strict=True) if early == Group.CONTROL)


class TestUplift:
    def test_newcombes_own_example(self):
        """56 of 70 against 48 of 80: 0.2000, from 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
        found = uplift(Share(56, 70), Share(48, 80))
        assert found.difference == pytest.approx(0.2)
        assert found.low == pytest.approx(0.0524, abs=5e-5)
        assert found.high == pytest.approx(0.3339, abs=5e-5)
        assert found.is_certain

    def test_few_people_are_no_proof(self):
        found = uplift(Share(3, 9), Share(0, 1))
        assert found.low < 0 < found.high and not found.is_certain

    def test_nobody_to_compare_with(self):
        found = uplift(Share(3, 9), Share(0, 0))
        assert (found.difference, found.low, found.is_certain) == (None, None, False)

    def test_shares_at_the_ends(self):
        low, high = wilson(Share(0, 10))
        assert low == 0 and high == pytest.approx(0.2775, abs=5e-4)

    def test_24_uplift_is_reported_by_assignment_and_only_of_spells_watched_long_enough(self, plan, make_member, now):
        def add(count, *, group, back, days=20, **fields):
            for number in range(count):
                flagged = now - days * DAY
                Spell.objects.create(
                    user=make_member(),
                    flagged_at=flagged,
                    quiet=True,
                    no_order=False,
                    last_seen=flagged.astimezone(SHANGHAI).date(),
                    reason=Reason.STOCK,
                    group=group,
                    ordered_at=flagged + back * DAY if back is not None and number % 2 else None,
                    **fields,
                )

        add(4, group=Group.TREATED, back=3, action=Action.ASK, acted_at=now)
        add(4, group=Group.TREATED, back=15)  # too late to count
        add(2, group=Group.CONTROL, back=None)
        add(2, group=Group.TREATED, back=1, days=13)
        add(1, group=Group.LEFT_OUT, back=None)
        report = win_back_report(plan, at=now)
        whole, stock = report.rows
        assert (whole.result.treated, whole.result.control, whole.written) == (Share(2, 8), Share(0, 2), 4)
        assert stock.label == "缺货" and stock.result == whole.result
        assert (report.open_now, report.watching, report.left_out) == (13, 2, 1)


class TestDesk:
    def test_the_plan_shows_what_it_achieved(self, plan, everybody_treated, alice, olga, now):
        seen(alice, days=100, at=now)
        night(now)
        desk = at_desk(olga)
        assert "流失挽回" in text_of(desk.get(reverse("admin:insights_winbackplan_changelist")))
        answer = desk.get(reverse("admin:insights_winbackplan_change", args=[plan.pk]))
        assert "当前流失 1 人" in text_of(answer) and "某一组还没有人，无法比较" in text_of(answer)
        listed = text_of(desk.get(reverse("admin:insights_spell_changelist")))
        assert "alice" in listed and "询问原因" in listed
        rows = desk.get(reverse("admin:insights_spell_export_csv"))
        assert "alice" in b"".join(rows.streaming_content).decode()

    def test_the_plan_is_changed_with_sense(self, plan, olga):
        address = reverse("admin:insights_winbackplan_change", args=[plan.pk])
        fields = {"is_active": "on", "quiet_days": 7, "no_order_days": 30, "rest_days": 30, "most_per_night": 10}
        fields |= {"watch_days": 14, "control_percent": 0}
        assert at_desk(olga).post(address, fields).status_code == 200
        assert at_desk(olga).post(address, {**fields, "control_percent": 20}).status_code == 302
        plan.refresh_from_db()
        assert plan.control_percent == 20
