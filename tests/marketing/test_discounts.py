"""What a coupon takes off, to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.money import CENT, ZERO
from marketing.discounts import MEMBER, QUANTITY, Discount, PricedLine, discount, split
from marketing.models import CouponTemplate

EVERYTHING = {"categories": frozenset(), "products": frozenset()}


def off(amount: str, **fields) -> CouponTemplate:
    return CouponTemplate(kind="amount", amount_off=Decimal(amount), min_spend=fields.pop("min_spend", ZERO), **fields)


def rate(value: str, **fields) -> CouponTemplate:
    return CouponTemplate(kind="rate", rate=Decimal(value), min_spend=fields.pop("min_spend", ZERO), **fields)


def line(cash: str, product: int = 1, category: int = 1, list_total: str = "", stage: str = "") -> PricedLine:
    return PricedLine(
        product, frozenset({category}), Decimal(list_total or cash), Decimal(cash), frozenset({stage} - {""})
    )


def taken(found: Discount) -> list[str]:
    return [str(share.off) for share in found.shares.values()]


def test_an_amount_is_shared_in_proportion():
    found = discount(off("10.00"), [line("60.01"), line("40.01")], **EVERYTHING)
    assert taken(found) == ["6.00", "4.00"]
    assert found.amount == found.gain == Decimal("10.00")


def test_the_odd_cents_go_where_the_remainder_is_largest():
    assert split(Decimal("0.10"), [Decimal("1.00")] * 3) == [Decimal("0.04"), Decimal("0.03"), Decimal("0.03")]
    assert split(Decimal("0.05"), [Decimal("0.50"), Decimal("1.00")]) == [Decimal("0.02"), Decimal("0.03")]


def test_a_rate_is_rounded_once_on_the_whole():
    found = discount(rate("0.9"), [line("0.33")] * 3, **EVERYTHING)
    assert found.amount == Decimal("0.10")


def test_a_rate_can_be_capped():
    assert discount(rate("0.5", max_off=Decimal("20.00")), [line("100.00")], **EVERYTHING).amount == Decimal("20.00")


def test_nothing_is_free():
    found = discount(off("500.00"), [line("3.00"), line("0.01"), line("0.02")], **EVERYTHING)
    assert [share.cash for share in found.shares.values()] == [CENT] * 3
    assert discount(off("1.00"), [line("0.01")], **EVERYTHING).reason == "金额太小，无法再减"


def test_the_minimum_counts_what_is_in_scope():
    template = off("5.00", min_spend=Decimal("50.00"))
    lines = [line("49.99", category=1), line("100.00", category=2)]
    found = discount(template, lines, categories=frozenset({1}), products=frozenset())
    assert (found.works, found.reason) == (False, "还差 ¥0.01 可用")
    assert discount(template, lines, categories=frozenset({2}), products=frozenset()).amount == Decimal("5.00")


def test_out_of_scope():
    found = discount(off("5.00"), [line("10.00", product=7)], categories=frozenset({9}), products=frozenset({8}))
    assert (found.works, found.reason) == (False, "不适用于这些商品")
    assert discount(off("5.00"), [line("10.00", product=8)], categories=frozenset({9}), products=frozenset({8})).works


@pytest.mark.parametrize(("flag", "stage"), [("with_member_price", MEMBER), ("with_quantity_price", QUANTITY)])
def test_prices_that_do_not_go_together_the_better_one_holds(flag, stage):
    reduced = [line("90.00", list_total="100.00", stage=stage)]
    assert discount(off("15.00"), reduced, **EVERYTHING).gain == Decimal("15.00")
    alone = off("15.00", **{flag: False})
    found = discount(alone, reduced, **EVERYTHING)
    assert (found.amount, found.gain, found.shares[0].cash) == (Decimal("15.00"), Decimal("5.00"), Decimal("85.00"))
    assert found.shares[0].drops_price
    worse = discount(off("10.00", **{flag: False}), reduced, **EVERYTHING)
    assert (worse.works, worse.reason) == (False, "当前的会员价或批发价更省")
    # The other kind of price is none of its business.
    other = MEMBER if stage == QUANTITY else QUANTITY
    assert discount(alone, [line("90.00", list_total="100.00", stage=other)], **EVERYTHING).gain == Decimal("15.00")


cents = st.integers(1, 5_000_00).map(lambda n: n * CENT)


@given(st.lists(cents, min_size=1, max_size=12), st.data())
def test_shares_add_up_and_none_is_above_its_weight(weights, data):
    amount = data.draw(st.integers(0, int(sum(weights) / CENT))) * CENT
    shares = split(amount, weights)
    assert sum(shares) == amount
    whole = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert 0 <= share <= weight
        assert abs(share - amount * weight / whole) < CENT


@st.composite
def priced(draw) -> PricedLine:
    listed = draw(cents)
    cash = draw(st.integers(1, int(listed / CENT))) * CENT
    stages = draw(st.sets(st.sampled_from([MEMBER, QUANTITY]), max_size=2)) if cash < listed else set()
    place = draw(st.integers(1, 3))
    return PricedLine(place, frozenset({place}), listed, cash, frozenset(stages))


templates = st.one_of(
    st.builds(
        lambda amount, low, flags: off(str(amount), min_spend=low, **flags),
        cents,
        st.integers(0, 100_00).map(lambda n: n * CENT),
        st.fixed_dictionaries({"with_member_price": st.booleans(), "with_quantity_price": st.booleans()}),
    ),
    st.builds(
        lambda value, most, flags: rate(str(value), max_off=most, **flags),
        st.integers(1, 9999).map(lambda n: n * Decimal("0.0001")),
        st.none() | cents,
        st.fixed_dictionaries({"with_member_price": st.booleans(), "with_quantity_price": st.booleans()}),
    ),
)


@given(templates, st.lists(priced(), min_size=1, max_size=6), st.sets(st.integers(1, 3)))
def test_no_coupon_makes_an_order_dearer_or_free(template, lines, scope):
    found = discount(template, lines, categories=frozenset(scope), products=frozenset())
    if not found.works:
        assert found.reason and not found.shares
        return
    assert sum((share.off for share in found.shares.values()), ZERO) == found.amount
    before = sum((one.cash for one in lines), ZERO)
    after = sum((found.shares[n].cash if n in found.shares else one.cash for n, one in enumerate(lines)), ZERO)
    assert before - after == found.gain > 0
    for place, share in found.shares.items():
        assert CENT <= share.cash <= lines[place].list_total
        assert share.off >= 0
        assert share.off == share.off.quantize(CENT)
    if template.kind == "amount":
        assert found.amount <= template.amount_off
    elif template.max_off is not None:
        assert found.amount <= template.max_off
