from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exceptions import BadInput
from common.money import CENT, MAX_AMOUNT, parse_money, round_money, round_unit


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0.00"),
        ("10.5", "10.50"),
        (" 10.50\n", "10.50"),
        ("007", "7.00"),
        ("99999999.99", "99999999.99"),
    ],
)
def test_plain_amounts_are_read(text, amount):
    assert str(parse_money(text)) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "０.０１",
        "１０",
        "10．5",
        "٣",
        "1_000",
        "1,000",
        "1E5",
        "1e-1",
        "1E+500000",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "-0",
        "-1",
        "+1",
        "0.005",
        "1.",
        ".5",
        "100000000",
        "9" * 10_000,
        "0x10",
        "1\0",
        "1 0",
        "¥1",
        "1.0\n.0",
        None,
        1,
        1.5,
        Decimal("1"),
        b"1",
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(BadInput):
        parse_money(text)


@given(st.decimals(min_value=0, max_value=MAX_AMOUNT, places=2))
def test_what_is_printed_is_read_again(amount):
    assert parse_money(str(amount)) == amount


@given(st.text())
def test_no_text_makes_anything_but_an_amount_or_a_refusal(text):
    try:
        amount = parse_money(text)
    except BadInput:
        return
    assert 0 <= amount <= MAX_AMOUNT
    assert amount == amount.quantize(CENT)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.005", "0.01"), ("0.015", "0.02"), ("0.025", "0.03"), ("-0.005", "-0.01"), ("0.0049", "0.00")],
)
def test_halves_go_up(value, rounded):
    assert str(round_money(Decimal(value))) == rounded


def test_unit_prices_keep_four_places():
    assert str(round_unit(Decimal("0.00005"))) == "0.0001"
    assert str(round_unit(Decimal("9.99"))) == "9.9900"
