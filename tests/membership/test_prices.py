"""What a member pays, and why."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import translation

from common import clock
from membership.models import Benefit, MemberTier, ProductTierRate, Program, SkuTierPrice
from membership.selectors import HigherPrice, member_prices, price_ladder
from membership.selectors.prices import rate_text
from membership.selectors.rules import holding_of
from membership.services import draft_rule_set, ensure_member, grant_floor, publish_rule_set
from orders.services import Item, quote
from tenancy.models import MAIN_ID
from tenancy.selectors import main_storefront
from tests.membership.club import OPENING, Club, at_least

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return Program.objects.get(storefront=None)


@pytest.fixture
def gold(alice, program):
    member = ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=OPENING)
    MemberTier.objects.filter(pk=member.pk).update(rank=2)
    return alice


def prices(user, *skus):
    with translation.override("zh-hans"):
        return member_prices(user_id=user and user.pk, storefront_id=MAIN_ID, skus=skus)


def test_guests_newcomers_and_ordinary_members_pay_the_list_price(shelf, alice, program):
    sku = shelf.sku("10.00")
    assert prices(None, sku) == {}
    assert prices(alice, sku) == {}
    ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=OPENING)
    assert prices(alice, sku) == {}
    assert prices(alice) == {}


def test_the_rate_of_the_tier_is_the_general_price(shelf, gold):
    sku, odd = shelf.sku("10.00"), shelf.sku("0.3333")
    found = prices(gold, sku, odd)
    assert found[sku.pk].unit_price == Decimal("9.7000")
    assert found[sku.pk].why == "黄金会员 9.7 折"
    assert found[odd.pk].unit_price == Decimal("0.3233")


def test_a_lent_tier_sets_prices_until_its_end(shelf, alice):
    sku, at = shelf.sku("10.00"), clock.now()
    member = ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=at)
    end = at + timedelta(hours=1)
    grant_floor(member_id=member.pk, rank=2, expires_at=end, ref="x", reason="加速包", at=at)
    assert prices(alice, sku)[sku.pk].unit_price == Decimal("9.7000")
    for moment, held in ((end - timedelta(seconds=1), 2), (end, 0)):
        with clock.travel(moment):
            assert (holding_of(user_id=alice.pk, storefront_id=MAIN_ID).rank, bool(prices(alice, sku))) == (
                held,
                held > 0,
            )


def test_the_more_specific_price_decides(shelf, gold, program):
    sku = shelf.sku("10.00")
    ProductTierRate.objects.create(program=program, product=sku.product, rank=2, rate=Decimal("0.98"))
    assert (prices(gold, sku)[sku.pk].unit_price, prices(gold, sku)[sku.pk].why) == (
        Decimal("9.8000"),
        "黄金会员，本商品 9.8 折",
    )
    SkuTierPrice.objects.create(program=program, sku=sku, rank=2, unit_price=Decimal("9.9000"))
    assert (prices(gold, sku)[sku.pk].unit_price, prices(gold, sku)[sku.pk].why) == (
        Decimal("9.9000"),
        "黄金会员专享价",
    )


def test_a_product_can_be_kept_out_of_the_discount(shelf, gold, program):
    sku = shelf.sku("10.00")
    ProductTierRate.objects.create(program=program, product=sku.product, rank=2, rate=1)
    assert prices(gold, sku) == {}


def test_a_price_for_another_tier_or_program_is_not_mine(shelf, gold, program):
    sku = shelf.sku("10.00")
    SkuTierPrice.objects.create(program=program, sku=sku, rank=3, unit_price=Decimal("1.0000"))
    SkuTierPrice.objects.create(
        program=Club(at_least("orders", "life", 1)).program, sku=sku, rank=2, unit_price=Decimal("2.0000")
    )
    assert prices(gold, sku)[sku.pk].unit_price == Decimal("9.7000")


def test_a_tier_price_never_raises_a_price(shelf, gold, program):
    sku = shelf.sku("10.00")
    SkuTierPrice.objects.create(program=program, sku=sku, rank=2, unit_price=Decimal("12.0000"))
    assert prices(gold, sku) == {}


def test_a_tier_without_benefit_pays_the_list_price(shelf, gold, program):
    tiers = [{"rank": rank, "name": f"V{rank}"} for rank in range(3)]
    draft = draft_rule_set(program=program, document={"tiers": tiers}, author=None)
    publish_rule_set(version_id=draft.pk, approver=None)
    assert prices(gold, shelf.sku("10.00")) == {}


def test_the_order_shows_the_step(shelf, gold):
    sku = shelf.sku("10.00")
    line = quote(storefront=main_storefront(), user_id=gold.pk, items=[Item(sku.public_id, 3)]).lines[0]
    assert line.cash == Decimal("29.10")
    assert [(step.stage, step.amount) for step in line.steps] == [
        ("list", Decimal("30.00")),
        ("member", Decimal("-0.90")),
    ]


def test_a_page_of_skus_costs_a_handful_of_queries(shelf, gold, django_assert_max_num_queries):
    skus = [shelf.sku("10.00") for _ in range(20)]
    prices(gold, *skus)  # rules that were published are read once by each process
    with django_assert_max_num_queries(6):
        assert len(prices(gold, *skus)) == 20


@pytest.mark.parametrize(
    ("rate", "chinese", "english"),
    [("0.97", "9.7 折", "3% off"), ("0.9", "9 折", "10% off"), ("0.985", "9.85 折", "1.5% off")],
)
def test_rates_read_as_people_say_them(rate, chinese, english):
    with translation.override("zh-hans"):
        assert rate_text(Decimal(rate)) == chinese
    with translation.override("en"):
        assert rate_text(Decimal(rate)) == english


def test_the_database_refuses_nonsense(shelf, program):
    sku = shelf.sku("10.00")
    tier = program.versions.get().tiers.get(rank=0)
    refused = [
        lambda: SkuTierPrice.objects.create(program=program, sku=sku, rank=1, unit_price=0),
        lambda: ProductTierRate.objects.create(program=program, product=sku.product, rank=1, rate=Decimal("1.0001")),
        lambda: Benefit.objects.create(tier=tier, kind="price_rate", layer="everyday", value=0),
        lambda: Benefit.objects.create(tier=tier, kind="badge", layer="status"),
    ]
    for attempt in refused:
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()


def higher(user, *skus):
    with translation.override("zh-hans"):
        found = price_ladder(user_id=user and user.pk, storefront_id=MAIN_ID, skus=skus)
    return [found.higher[sku.pk] for sku in skus if sku.pk in found.higher]


def test_guests_and_beginners_see_what_the_first_step_up_pays(shelf, alice, program):
    sku = shelf.sku("10.00")
    assert higher(None, sku) == higher(alice, sku) == [HigherPrice("白银会员", Decimal("9.9000"))]


def test_a_member_sees_the_next_lower_price_and_their_own(shelf, gold, program):
    sku = shelf.sku("10.00")
    ladder = price_ladder(user_id=gold.pk, storefront_id=MAIN_ID, skus=[sku])
    assert ladder.own[sku.pk].unit_price == Decimal("9.7000")
    assert higher(gold, sku)[0].unit_price < Decimal("9.7000")


def test_a_step_that_lowers_nothing_is_passed_over(shelf, gold, program):
    sku = shelf.sku("10.00")
    SkuTierPrice.objects.create(program=program, sku=sku, rank=2, unit_price=Decimal("1.00"))
    assert higher(gold, sku) == []
    SkuTierPrice.objects.create(program=program, sku=sku, rank=4, unit_price=Decimal("0.90"))
    assert higher(gold, sku)[0].unit_price == Decimal("0.9000")


def test_the_ladder_takes_no_more_queries_for_more_goods(shelf, gold, program, django_assert_num_queries):
    skus = [shelf.sku("10.00") for _ in range(5)]
    higher(gold, *skus)
    with django_assert_num_queries(2):
        higher(gold, *skus)
