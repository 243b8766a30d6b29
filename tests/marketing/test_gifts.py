"""Points buy coupons, and birthdays bring them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from common import clock
from events.models import Event
from marketing.exceptions import CouponLimitReached, CouponsSoldOut, NotClaimable
from marketing.models import Coupon
from marketing.services import buy_coupon, claim_coupon, give_birthday_gifts
from membership.exceptions import InsufficientPoints, RulesRefused
from membership.models import MemberTier
from membership.selectors import month_days, points_balance
from membership.services import correct_birthday, grant_points, tell_birthday
from tenancy.models import MAIN_ID
from tests.marketing.coupons import template
from tests.membership.perks import hold, publish
from tests.shelf import books

pytestmark = pytest.mark.django_db


def points(user) -> int:
    return points_balance(user_id=user.pk, at=clock.now())


@pytest.fixture
def rich(alice):
    grant_points(user_id=alice.pk, amount=100, cause="gift", ref="pocket", at=clock.now())
    return alice


def for_points(price: int = 40, **fields):
    return template(source="points", points_price=price, **fields)


def buy(user, made, ref: str = "click") -> Coupon:
    return buy_coupon(user_id=user.pk, template=made.public_id, storefront_id=MAIN_ID, ref=ref)


class TestPointsShop:
    def test_points_and_coupon_move_together_and_once(self, rich):
        made = for_points(per_member=5)
        assert buy(rich, made).pk == buy(rich, made).pk
        assert (points(rich), Coupon.objects.count()) == (60, 1)
        assert books() == {}

    def test_too_few_points(self, rich):
        with pytest.raises(InsufficientPoints):
            buy(rich, for_points(101))
        assert not Coupon.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "refusal"),
        [
            ({"is_active": False}, NotClaimable),
            ({"event_code": "gala"}, NotClaimable),
            ({"per_member": 1}, CouponLimitReached),
        ],
    )
    def test_what_is_refused_costs_nothing(self, rich, fields, refusal):
        made = for_points(**fields)
        if refusal is CouponLimitReached:
            buy(rich, made, "first")
        before = points(rich)
        with pytest.raises(refusal):
            buy(rich, made, "second")
        assert points(rich) == before

    def test_sold_out(self, rich, bob):
        made = for_points(total_limit=1)
        grant_points(user_id=bob.pk, amount=100, cause="gift", ref="bob", at=clock.now())
        buy(bob, made, "bob's")
        with pytest.raises(CouponsSoldOut):
            buy(rich, made)
        assert points(rich) == 100

    def test_what_is_free_is_not_sold_and_what_is_sold_not_free(self, rich):
        with pytest.raises(NotClaimable):
            buy(rich, template())
        with pytest.raises(NotClaimable):
            claim_coupon(user_id=rich.pk, template=for_points().public_id, storefront_id=MAIN_ID, ref="x")

    def test_limited_events_are_for_the_tiers_that_are_asked(self, rich):
        made = for_points(event_code="gala")
        publish([], [{"kind": "limited_event", "text": "酒会", "code": "gala"}])
        with pytest.raises(NotClaimable):
            buy(rich, made)
        assert buy(hold(rich, 1), made).template == made


class TestBirthdays:
    @pytest.fixture
    def born(self, alice, bob):
        """Gold members get points and a coupon; Alice is gold, Bob is not."""
        made = template(code="birthday-10", source="gift")
        publish([], [], [{"kind": "birthday_gift", "value": Decimal(88), "code": made.code}])
        for user in (hold(alice, 2), hold(bob, 1)):
            tell_birthday(user_id=user.pk, day=date(1995, 6, 1))
        return made

    def run(self, day: date, hours: int = 1) -> int:
        at = clock.start_of_day(day) + timedelta(hours=hours)
        with clock.travel(at):
            return give_birthday_gifts(at=at)

    def test_once_a_year_on_the_day(self, born, alice):
        assert [self.run(date(2027, 5, 31), 23), self.run(date(2027, 6, 1)), self.run(date(2027, 6, 1), 2)] == [0, 1, 0]
        assert points_balance(user_id=alice.pk, at=clock.start_of_day(date(2027, 6, 2))) == 88
        assert Coupon.objects.get().owner == alice
        assert self.run(date(2028, 6, 1)) == 1
        assert Coupon.objects.count() == 2
        assert Event.objects.filter(kind="birthday.gift").count() == 2
        assert books() == {}

    def test_what_could_not_be_given_is_given_later_that_day(self, born, alice):
        born.is_active = False
        born.save()
        assert self.run(date(2027, 6, 1)) == 1
        assert points_balance(user_id=alice.pk, at=clock.start_of_day(date(2027, 6, 2))) == 88
        born.is_active = True
        born.save()
        assert [self.run(date(2027, 6, 1), 5), self.run(date(2027, 6, 1), 6)] == [1, 0]
        assert points_balance(user_id=alice.pk, at=clock.start_of_day(date(2027, 6, 2))) == 88
        assert Coupon.objects.get().owner == alice

    def test_the_coupon_alone_is_missing_where_it_never_can_be_given(self, born, alice, caplog):
        """A coupon that is sold out takes no points along; once the day is over, that was the gift."""
        born.is_active = False
        born.save()
        assert [self.run(date(2027, 6, 1)), self.run(date(2027, 6, 1), 2)] == [1, 0]
        assert "birthday-10" in caplog.text
        [told] = Event.objects.filter(kind="birthday.gift").values_list("payload", flat=True)
        assert (told["points"], told["coupon"]) == (88, False)
        born.is_active = True
        born.save()
        assert self.run(date(2027, 6, 2)) == 0 and not Coupon.objects.exists()

    def test_a_coupon_that_there_is_not_keeps_rules_from_being_published(self):
        """A slip in the code would be found on the first birthday otherwise."""
        template(code="birthday-10", source="gift")
        gift = {"kind": "birthday_gift", "value": Decimal(10)}
        with pytest.raises(RulesRefused) as refusal:
            publish([], [{**gift, "code": "birthday-1O"}], [{**gift, "code": "birthday-10"}], [gift])
        [(_path, told)] = refusal.value.problems
        assert "白银会员" in str(told) and "birthday-1O" in str(told)

    def test_told_on_the_very_day_corrected_afterwards_and_at_the_edge_of_shanghai(self, born, charlie, olga):
        """One gift a year, whatever is told when; the day is that of Shanghai, in which 16:00 UTC is tomorrow."""
        hold(charlie, 2)
        day = date(2027, 8, 15)
        with clock.travel(clock.start_of_day(day) + timedelta(hours=9)):
            tell_birthday(user_id=charlie.pk, day=date(1990, 8, 15))
        assert self.run(day, 10) == 1
        with clock.travel(clock.start_of_day(day) + timedelta(hours=11)):
            correct_birthday(user_id=charlie.pk, day=date(1990, 8, 16))
        assert [self.run(day + timedelta(days=1)), self.run(day)] == [0, 0]
        assert Coupon.objects.filter(owner=charlie).count() == 1
        last, first = datetime(2028, 8, 15, 15, 59, 59, tzinfo=UTC), datetime(2028, 8, 15, 16, 0, tzinfo=UTC)
        assert [give_birthday_gifts(at=last), give_birthday_gifts(at=first)] == [0, 1]

    def test_another_tier_and_another_birthday_bring_no_second_gift(self, alice):
        """Silver gives points, gold a coupon: who rises, and has the birthday corrected, had this year's gift already."""
        made = template(code="birthday-10", source="gift")
        publish([], [{"kind": "birthday_gift", "value": Decimal(50)}], [{"kind": "birthday_gift", "code": made.code}])
        tell_birthday(user_id=hold(alice, 1).pk, day=date(1995, 12, 30))
        day = date(2027, 12, 30)
        MemberTier.objects.filter(user=alice).update(rank=1)  # still, a year later
        assert self.run(day) == 1
        MemberTier.objects.filter(user=alice).update(rank=2)
        assert self.run(day, 5) == 0
        for told, celebrated in ((date(1995, 12, 31), date(2027, 12, 31)), (date(1995, 1, 1), date(2028, 1, 1))):
            with clock.travel(clock.start_of_day(celebrated)):
                correct_birthday(user_id=alice.pk, day=told)
            assert self.run(celebrated) == 0
        assert not Coupon.objects.exists()
        assert self.run(date(2029, 1, 1)) == 1

    def test_a_leapling_has_one_gift_in_every_year(self, born, charlie):
        hold(charlie, 2)
        with clock.travel(clock.start_of_day(date(2026, 12, 1))):
            tell_birthday(user_id=charlie.pk, day=date(2004, 2, 29))
        found = [(2027, 2, 28), (2027, 3, 1), (2028, 2, 28), (2028, 2, 29), (2028, 3, 1)]
        assert [self.run(date(*day)) for day in found] == [1, 0, 0, 1, 0]

    def test_leap_days(self):
        assert month_days(date(2027, 2, 28)) == [228, 229]
        assert month_days(date(2028, 2, 28)) == [228]
        assert month_days(date(2028, 2, 29)) == [229]
        assert month_days(date(2027, 3, 1)) == [301]
