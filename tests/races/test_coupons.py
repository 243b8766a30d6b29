"""Races over coupons. The naive twins read first and write later, and must lose."""

import threading

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from common import clock
from marketing.models import Coupon, CouponSlot, CouponUse
from marketing.services import buy_coupon, claim_coupon, revoke_coupon
from membership.selectors import audit_points, points_balance
from membership.services import grant_points
from orders import services
from orders.services import AUTO
from tenancy.models import MAIN_ID
from tests.marketing.coupons import give, template
from tests.shelf import books

pytestmark = pytest.mark.django_db(transaction=True)

MEMBERS = 8


def pocket(user, amount: int) -> None:
    grant_points(user_id=user.pk, amount=amount, cause="gift", ref=f"pocket:{user.pk}:{amount}", at=clock.now())


def points(user) -> int:
    return points_balance(user_id=user.pk, at=clock.now())


def kinds(results: list) -> list[str]:
    return sorted(type(one).__name__ for one in results)


class TestLastPlace:
    """Eight members, one coupon left."""

    def naive_claim(self, template_id: int, user_id: int, all_have_read: threading.Barrier) -> None:
        left = CouponSlot.objects.filter(template=template_id, coupon=None).count()
        all_have_read.wait()
        if left:
            at = clock.now()
            Coupon.objects.create(
                template_id=template_id,
                owner_id=user_id,
                number=1,
                source_ref=f"naive:{user_id}",
                issued_at=at,
                expires_at=at,
            )

    @pytest.mark.damages_books
    def test_the_naive_twin_gives_it_to_everybody(self, race, make_member):
        made, members = template(total_limit=1), [make_member() for _ in range(MEMBERS)]
        barrier = threading.Barrier(MEMBERS)
        race.run(*[lambda m=m: self.naive_claim(made.pk, m.pk, barrier) for m in members])
        assert Coupon.objects.count() == MEMBERS

    def test_one_member_gets_it(self, race, make_member):
        made, members = template(total_limit=1), [make_member() for _ in range(MEMBERS)]
        results = race.run(
            *[
                lambda m=m: claim_coupon(
                    user_id=m.pk, template=made.public_id, storefront_id=MAIN_ID, ref=f"claim:{m.pk}"
                )
                for m in members
            ]
        )
        assert kinds(results) == ["Coupon"] + ["CouponsSoldOut"] * (MEMBERS - 1)
        assert books() == {}

    def test_enough_for_all_none_is_refused(self, race, make_member):
        made, members = template(total_limit=MEMBERS), [make_member() for _ in range(MEMBERS)]
        results = race.run(
            *[
                lambda m=m: claim_coupon(
                    user_id=m.pk, template=made.public_id, storefront_id=MAIN_ID, ref=f"claim:{m.pk}"
                )
                for m in members
            ]
        )
        assert kinds(results) == ["Coupon"] * MEMBERS
        assert books() == {}


class TestOneMember:
    def naive_claim(self, template_id: int, user_id: int, number: int, all_have_read: threading.Barrier) -> None:
        taken = Coupon.objects.filter(template=template_id, owner=user_id).count()
        all_have_read.wait()
        if taken < 2:
            at = clock.now()
            Coupon.objects.create(
                template_id=template_id,
                owner_id=user_id,
                number=number,
                source_ref=f"naive:{number}",
                issued_at=at,
                expires_at=at,
            )

    @pytest.mark.damages_books
    def test_the_naive_twin_passes_the_limit(self, race, alice):
        made, barrier = template(per_member=2), threading.Barrier(MEMBERS)
        race.run(*[lambda n=n: self.naive_claim(made.pk, alice.pk, n, barrier) for n in range(MEMBERS)])
        assert Coupon.objects.count() == MEMBERS

    def test_the_limit_holds(self, race, alice):
        made = template(per_member=2)
        results = race.run(
            *[
                lambda n=n: claim_coupon(
                    user_id=alice.pk, template=made.public_id, storefront_id=MAIN_ID, ref=f"claim:{n}"
                )
                for n in range(MEMBERS)
            ]
        )
        assert kinds(results) == ["Coupon"] * 2 + ["CouponLimitReached"] * (MEMBERS - 2)

    def test_one_click_repeated_in_parallel_is_one_coupon(self, race, alice):
        made = template(per_member=9)
        results = race.run(
            *[lambda: claim_coupon(user_id=alice.pk, template=made.public_id, storefront_id=MAIN_ID, ref="click")]
            * MEMBERS
        )
        assert {one.pk for one in results} == {Coupon.objects.get().pk}


class TestForPoints:
    """Points buy coupons: what is not handed out costs nothing, what is handed out costs once."""

    def buy(self, user, made, ref: str):
        return lambda: buy_coupon(user_id=user.pk, template=made.public_id, storefront_id=MAIN_ID, ref=ref)

    def test_one_click_repeated_in_parallel_is_paid_once(self, race, alice):
        made = template(source="points", points_price=40, per_member=9)
        pocket(alice, 100)
        results = race.run(*[self.buy(alice, made, "click")] * MEMBERS)
        assert {one.pk for one in results} == {Coupon.objects.get().pk}
        assert points(alice) == 60
        # Many clicks of their own: as many as the points are enough for, and no more than the limit allows.
        results = race.run(*[self.buy(alice, made, f"click{n}") for n in range(MEMBERS)])
        assert kinds(results) == ["Coupon"] + ["InsufficientPoints"] * (MEMBERS - 1)
        pocket(alice, 1000)
        results = race.run(*[self.buy(alice, made, f"more{n}") for n in range(MEMBERS + 2)])
        assert kinds(results) == ["Coupon"] * 7 + ["CouponLimitReached"] * 3
        assert points(alice) == 1020 - 7 * 40
        assert books() == {} and not any(audit_points().values())

    def test_the_last_place_costs_one_member(self, race, make_member):
        made, members = (
            template(source="points", points_price=40, total_limit=1),
            [make_member() for _ in range(MEMBERS)],
        )
        for member in members:
            pocket(member, 40)
        results = race.run(*[self.buy(member, made, f"last:{member.pk}") for member in members])
        assert kinds(results) == ["Coupon"] + ["CouponsSoldOut"] * (MEMBERS - 1)
        assert sorted(points(member) for member in members) == [0] + [40] * (MEMBERS - 1)
        assert books() == {} and not any(audit_points().values())


class TestOneCoupon:
    """One coupon, eight orders at once."""

    def naive_use(self, coupon_id: int, order_id: int, all_have_read: threading.Barrier) -> bool:
        usable = Coupon.objects.get(pk=coupon_id).state == Coupon.State.USABLE
        all_have_read.wait()
        if usable:
            Coupon.objects.filter(pk=coupon_id).update(state="used", order_id=order_id, used_at=clock.now())
        return usable

    @pytest.mark.damages_books
    def test_the_naive_twin_uses_it_eight_times(self, race, alice):
        coupon, barrier = give(alice), threading.Barrier(MEMBERS)
        results = race.run(*[lambda n=n: self.naive_use(coupon.pk, n, barrier) for n in range(1, MEMBERS + 1)])
        assert results == [True] * MEMBERS

    @pytest.mark.parametrize("from_wallet", [True, False])
    def test_one_order_has_it(self, race, shelf, alice, settings, from_wallet):
        settings.UNPAID_CAPS = {"account": 99, "device": 99, "address": 99}
        coupon, sku = give(alice), shelf.sku("50.00", keys=MEMBERS)
        results = race.run(
            *[lambda: shelf.buy(alice, (sku, 1), coupon=coupon.public_id, from_wallet=from_wallet)] * MEMBERS
        )
        assert kinds(results) == ["CouponGone"] * (MEMBERS - 1) + ["Order"]
        assert CouponUse.objects.count() == 1
        assert books() == {}

    def test_cancelled_by_two_hands_it_comes_back_once(self, race, shelf, alice, olga):
        coupon = give(alice)
        order = shelf.buy(alice, (shelf.sku("50.00", keys=2), 1), coupon=AUTO)
        race.run(
            lambda: services.cancel(order_id=order.pk, actor=alice),
            lambda: services.cancel(order_id=order.pk, actor=olga),
        )
        coupon.refresh_from_db()
        assert coupon.state == "usable"
        assert CouponUse.objects.filter(given_back_at=None).count() == 0
        assert books() == {}

    def test_late_money_against_a_new_order_with_the_same_coupon(self, race, shelf, alice):
        for number in range(5):
            coupon, sku = give(alice, off="5.00"), shelf.sku("50.00", keys=5)
            order = shelf.buy(alice, (sku, 1), coupon=coupon.public_id)
            services.cancel(order_id=order.pk, actor=alice)

            def late(order=order, number=number):
                with transaction.atomic():
                    return services.receive_payment(
                        order_id=order.pk, amount=order.total, channel="epay", ref=f"late:{number}", at=clock.now()
                    )

            paid, other = race.run(
                late,
                lambda sku=sku, coupon=coupon: shelf.buy(alice, (sku, 1), coupon=coupon.public_id, from_wallet=True),
            )
            assert (paid, type(other).__name__) in {
                (services.PaymentOutcome.PAID, "CouponGone"),
                (services.PaymentOutcome.CREDITED, "Order"),
            }
            assert CouponUse.objects.filter(coupon=coupon, given_back_at=None).count() == 1
        assert books() == {}

    def test_revoked_against_used(self, race, shelf, alice, olga):
        for _ in range(5):
            coupon, sku = give(alice), shelf.sku("50.00", keys=1)
            revoked, order = race.run(
                lambda coupon=coupon: revoke_coupon(coupon_id=coupon.pk, reason="误发", actor=olga),
                lambda coupon=coupon, sku=sku: shelf.buy(alice, (sku, 1), coupon=coupon.public_id, from_wallet=True),
            )
            assert {type(revoked).__name__, type(order).__name__} in (
                {"Coupon", "CouponGone"},
                {"CouponGone", "Order"},
            )
        assert books() == {}


def test_the_coupon_is_locked_after_the_wallet_and_before_keys(shelf, alice):
    give(alice)
    sku = shelf.sku("50.00", keys=1)
    with CaptureQueriesContext(connection) as captured:
        shelf.buy(alice, (sku, 1), coupon=AUTO, from_wallet=True)
    locked = [query["sql"] for query in captured if "FOR UPDATE" in query["sql"]]
    places = [
        next(place for place, sql in enumerate(locked) if table in sql)
        for table in ("wallet_account", "marketing_coupon", "catalog_key")
    ]
    assert places == sorted(places)
