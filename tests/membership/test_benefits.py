"""Benefits as rows: what each kind holds, how it reads, and what reads it."""

import itertools
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import translation

from common import clock
from events.contracts import Line, OrderDelivered, OrderRefunded, RefundedLine
from membership.exceptions import BirthdayKnown, NotABirthday
from membership.models import Benefit, PointsBack, Program, RuleSetVersion
from membership.selectors import NO_PERKS, benefit_text, perks_for, points_balance
from membership.services import (
    copy_rule_set,
    draft_rule_set,
    give_points_back,
    grant_points,
    spend_points,
    take_points_back,
    tell_birthday,
)
from tenancy.models import MAIN_ID
from tests.desk import at_desk
from tests.marketing.coupons import template
from tests.membership.perks import hold, publish
from tests.shelf import books

pytestmark = pytest.mark.django_db

GOOD = [
    {"kind": "price_rate", "value": Decimal("0.9")},
    {"kind": "points_back", "value": Decimal("0.5")},
    {"kind": "birthday_gift", "value": Decimal(100)},
    {"kind": "birthday_gift", "code": "birthday-10"},
    {"kind": "birthday_gift", "value": Decimal(100), "code": "birthday-10"},
    {"kind": "service_queue", "value": Decimal(5)},
    {"kind": "early_access", "value": Decimal(24)},
    {"kind": "quantity_limit", "value": Decimal("1.5")},
    {"kind": "unpaid_limit", "value": Decimal(20)},
    {"kind": "badge", "text": "金徽章"},
    {"kind": "title", "text": "掌柜"},
    {"kind": "limited_event", "text": "年度酒会", "code": "gala"},
]
BAD = [
    {"kind": "price_rate"},
    {"kind": "price_rate", "value": Decimal(0)},
    {"kind": "price_rate", "value": Decimal("1.0001")},
    {"kind": "points_back", "value": Decimal(101)},
    {"kind": "points_back", "value": Decimal(-1)},
    {"kind": "birthday_gift"},
    {"kind": "birthday_gift", "value": Decimal(0)},
    {"kind": "service_queue", "value": Decimal(10)},
    {"kind": "service_queue"},
    {"kind": "early_access", "value": Decimal(721)},
    {"kind": "quantity_limit", "value": Decimal("0.5")},
    {"kind": "unpaid_limit", "value": Decimal(0)},
    {"kind": "badge"},
    {"kind": "badge", "text": "金", "value": Decimal(1)},
    {"kind": "title"},
    {"kind": "limited_event", "text": "酒会"},
    {"kind": "limited_event", "code": "gala"},
    {"kind": "delivery_first", "value": Decimal(1)},
]


@pytest.fixture
def draft():
    tiers = {"tiers": [{"rank": 0, "name": "普通会员"}]}
    return draft_rule_set(program=Program.objects.get(storefront=None), document=tiers, author=None)


def benefit(draft: RuleSetVersion, **fields) -> Benefit:
    return Benefit(tier=draft.tiers.get(rank=0), layer="everyday", **fields)


class TestForms:
    @pytest.mark.parametrize("fields", GOOD)
    def test_what_each_kind_holds(self, draft, fields):
        row = benefit(draft, **fields)
        row.full_clean()
        row.save()

    @pytest.mark.parametrize("fields", BAD)
    def test_what_no_kind_holds(self, draft, fields):
        row = benefit(draft, **fields)
        with pytest.raises(ValidationError):
            row.full_clean()
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save()

    @pytest.mark.parametrize("kind", ["early_access", "unpaid_limit", "service_queue", "birthday_gift"])
    def test_whole_numbers(self, draft, kind):
        with pytest.raises(ValidationError):
            benefit(draft, kind=kind, value=Decimal("1.5")).full_clean()

    def test_codes_only_where_they_mean_something(self, draft):
        with pytest.raises(ValidationError):
            benefit(draft, kind="points_back", value=Decimal(1), code="gala").full_clean()

    def test_one_of_a_kind_but_any_number_of_badges(self, draft):
        for _ in range(2):
            benefit(draft, kind="badge", text="徽章").save()
        benefit(draft, kind="title", text="掌柜").save()
        with pytest.raises(IntegrityError), transaction.atomic():
            benefit(draft, kind="title", text="东家").save()

    def test_a_copy_has_everything(self, draft):
        benefit(draft, kind="limited_event", text="酒会", text_en="Gala", code="gala", stacking="add").save()
        copied = Benefit.objects.get(tier__version=copy_rule_set(version=draft, author=None))
        assert (copied.text, copied.text_en, copied.code, copied.stacking) == ("酒会", "Gala", "gala", "add")

    def test_staff_read_what_is_wrong(self, draft, olga):
        tier = draft.tiers.get(rank=0)
        page = at_desk(olga).post(
            reverse("admin:membership_tierrule_change", args=[tier.pk]),
            {
                "benefits-TOTAL_FORMS": "1",
                "benefits-INITIAL_FORMS": "0",
                "benefits-0-kind": "early_access",
                "benefits-0-layer": "exclusive",
                "benefits-0-value": "1000",
                "benefits-0-stacking": "best",
            },
        )
        assert page.status_code == 200
        assert "比公开开售早多少小时，1 到 720" in page.content.decode()
        assert not Benefit.objects.filter(tier=tier).exists()


@pytest.mark.parametrize(
    ("fields", "chinese"),
    [
        ({"kind": "price_rate", "value": Decimal("0.9500")}, "会员价 9.5 折"),
        ({"kind": "points_back", "value": Decimal("0.5000")}, "每消费 1 元返 0.5 积分"),
        ({"kind": "birthday_gift", "value": Decimal("100.0000")}, "生日当天送 100 积分"),
        ({"kind": "birthday_gift", "value": Decimal(100), "code": "b"}, "生日当天送 100 积分和优惠券"),
        ({"kind": "birthday_gift", "code": "b"}, "生日礼"),
        ({"kind": "birthday_gift", "code": "b", "text": "生日送 10 元券"}, "生日送 10 元券"),
        ({"kind": "early_access", "value": Decimal(24)}, "新品提前 24 小时购买"),
        ({"kind": "early_access", "value": Decimal(24), "text": "限皮肤"}, "新品提前 24 小时购买（限皮肤）"),
        ({"kind": "quantity_limit", "value": Decimal(2)}, "单次限购放宽到 2 倍"),
        ({"kind": "unpaid_limit", "value": Decimal(20)}, "可同时有 20 个待付款订单"),
        ({"kind": "service_queue", "value": Decimal(3)}, "客服优先受理"),
        ({"kind": "badge", "text": "金徽章"}, "金徽章"),
    ],
)
def test_every_kind_reads_as_a_sentence(fields, chinese):
    with translation.override("zh-hans"):
        assert benefit_text(Benefit(**fields)) == chinese


class TestPerks:
    def test_they_are_those_of_the_tier(self, alice):
        publish([], [{"kind": "unpaid_limit", "value": Decimal(7)}, {"kind": "title", "text": "掌柜"}])
        assert perks_for(user_id=alice.pk, storefront_id=MAIN_ID) == NO_PERKS
        hold(alice, 1)
        found = perks_for(user_id=alice.pk, storefront_id=MAIN_ID)
        assert (found.unpaid, found.title, found.back, found.tier) == (7, "掌柜", Decimal(0), "白银会员")

    def test_guests_have_none(self):
        assert perks_for(user_id=None, storefront_id=MAIN_ID) == NO_PERKS

    def test_every_kind_is_read(self, alice):
        kinds = [fields for fields in GOOD if fields.get("code") != "birthday-10" or "value" in fields][0:]
        single = {fields["kind"]: fields for fields in kinds}
        template(code="birthday-10", source="gift")
        publish([], list(single.values()))
        found = perks_for(user_id=hold(alice, 1).pk, storefront_id=MAIN_ID)
        assert found.early == timedelta(hours=24)
        assert (found.gift_points, found.gift_coupon, found.priority) == (100, "birthday-10", 5)
        assert (found.most_of(10), found.most_of(90_000), found.unpaid) == (15, 100_000, 20)
        assert (found.badges, found.events) == (("金徽章",), frozenset({"gala"}))


numbers = itertools.count(900_000)


def delivered(user, *amounts: str, at=None) -> OrderDelivered:
    at = at or clock.now()
    lines = [
        Line(
            id=next(numbers),
            product_id=1,
            sku_id=1,
            category_id=1,
            category="game",
            seller_id=None,
            quantity=1,
            list=Decimal(amount),
            cash=Decimal(amount),
            points_paid=Decimal(0),
            discount=Decimal(0),
        )
        for amount in amounts
    ]
    return OrderDelivered(
        order_id=next(numbers),
        user_id=user and user.pk,
        storefront_id=MAIN_ID,
        paid_at=at,
        delivered_at=at,
        complete=True,
        lines=tuple(lines),
    )


def refunded(order: OrderDelivered, amount: str, ref: str) -> OrderRefunded:
    line = order.lines[0]
    told = RefundedLine(
        id=line.id,
        product_id=1,
        category="game",
        amount=Decimal(amount),
        cash=line.cash,
        quantity=1,
        complete=False,
    )
    return OrderRefunded(
        refund_ref=ref,
        order_id=order.order_id,
        user_id=order.user_id,
        storefront_id=MAIN_ID,
        paid_at=order.paid_at,
        refunded_at=order.paid_at,
        amount=Decimal(amount),
        complete=False,
        lines=(told,),
    )


class TestPointsBack:
    @pytest.fixture
    def gold(self, alice):
        publish([], [], [{"kind": "points_back", "value": Decimal("0.5")}])
        return hold(alice, 2)

    def points(self, user) -> int:
        return points_balance(user_id=user.pk, at=clock.now())

    def hear(self, news) -> int:
        service = give_points_back if isinstance(news, OrderDelivered) else take_points_back
        return service(**{"order" if isinstance(news, OrderDelivered) else "refund": news}, at=clock.now())

    def test_whole_points_by_line_and_once(self, gold):
        order = delivered(gold, "19.99", "10.00")
        assert [self.hear(order), self.hear(order)] == [14, 0]
        assert self.points(gold) == 14
        assert books() == {}

    def test_tiers_without_it_and_guests(self, gold, bob):
        assert self.hear(delivered(hold(bob, 1), "100.00")) == 0
        assert self.hear(delivered(None, "100.00")) == 0
        assert self.hear(delivered(gold, "1.99")) == 0

    def test_refunds_leave_what_was_kept(self, gold):
        order = delivered(gold, "20.00")
        self.hear(order)
        assert [self.hear(refunded(order, "5.00", ref)) for ref in ("r1", "r1", "r2")] == [3, 0, 2]
        assert self.points(gold) == 5
        assert self.hear(refunded(order, "10.00", "r3")) == 5
        assert self.points(gold) == 0
        assert books() == {}

    def test_every_order_of_the_news_ends_the_same(self, gold, make_member):
        for steps in itertools.permutations(range(3)):
            user = hold(make_member(), 2)
            order = delivered(user, "20.00")
            news = [order, refunded(order, "5.00", f"a{user.pk}"), refunded(order, "4.50", f"b{user.pk}")]
            for step in (*steps, *steps):
                self.hear(news[step])
            assert self.points(user) == 5, steps
            assert PointsBack.objects.get(pk=order.lines[0].id).refunds.keys() == {f"a{user.pk}", f"b{user.pk}"}
        assert books() == {}

    def test_the_tier_is_that_of_the_payment(self, bob):
        """Who rises, or falls, while an order waits to be delivered gets what was promised when it was paid."""
        publish(
            [], [{"kind": "points_back", "value": Decimal("0.1")}], [{"kind": "points_back", "value": Decimal("1")}]
        )
        at = clock.now() + timedelta(hours=1)
        with clock.travel(at):
            order = delivered(hold(bob, 1), "9.99", at=at)
        with clock.travel(at + timedelta(hours=1)):
            hold(bob, 2)
            later = delivered(bob, "9.99", at=clock.now())
            assert [self.hear(order), self.hear(later)] == [0, 9]
        with clock.travel(at):
            again = delivered(bob, "10.00", at=at)
        with clock.travel(at + timedelta(hours=2)):
            assert self.hear(again) == 1

    def test_more_money_back_than_was_paid_takes_no_more_points_than_were_given(self, gold):
        order = delivered(gold, "20.00")
        self.hear(order)
        assert [self.hear(refunded(order, amount, ref)) for amount, ref in (("19.99", "a"), ("20.00", "b"))] == [10, 0]
        assert self.points(gold) == 0
        assert books() == {}

    def test_what_was_spent_already_is_owed(self, gold):
        order = delivered(gold, "20.00")
        self.hear(order)
        spend_points(user_id=gold.pk, amount=10, cause="coupon", ref="s", at=clock.now())
        self.hear(refunded(order, "20.00", "r"))
        assert self.points(gold) == 0
        grant_points(user_id=gold.pk, amount=15, cause="gift", ref="g", at=clock.now())
        assert self.points(gold) == 5
        assert books() == {}


class TestBirthday:
    def test_it_is_said_once(self, alice):
        tell_birthday(user_id=alice.pk, day=date(1995, 2, 28))
        assert tell_birthday(user_id=alice.pk, day=date(1995, 2, 28)).month_day == 228
        with pytest.raises(BirthdayKnown):
            tell_birthday(user_id=alice.pk, day=date(1995, 3, 1))

    @pytest.mark.parametrize("day", [date(1899, 12, 31), date(2090, 1, 1)])
    def test_days_that_are_nobodys_birthday(self, alice, day):
        with pytest.raises(NotABirthday):
            tell_birthday(user_id=alice.pk, day=day)
