"""Numbers as people write them, and nothing that only a parser takes for one."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from common.forms import PlainDecimalField


@pytest.mark.parametrize(
    "text", ["1e3", "1E+500000", "1_000", "NaN", "Infinity", "０.０１", "١٠", "1,5", "0x1", "--1", "."]
)
def test_what_only_a_parser_takes_for_a_number_is_none(text):
    with pytest.raises(ValidationError):
        PlainDecimalField(max_digits=12, decimal_places=2).clean(text)


@pytest.mark.parametrize(
    ("text", "value"), [(" 10.50 ", "10.50"), ("-3", "-3"), ("+1.", "1"), (".5", "0.5"), ("007", "7")]
)
def test_what_people_write_is_read(text, value):
    assert PlainDecimalField(max_digits=12, decimal_places=2).clean(text) == Decimal(value)


def test_empty_stays_empty():
    assert PlainDecimalField(required=False).clean("") is None
