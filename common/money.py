"""Money: Decimal only, two places for amounts, four for unit prices, one rounding function."""

import re
from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput

CENT = Decimal("0.01")
UNIT = Decimal("0.0001")
ZERO = Decimal("0.00")
MAX_AMOUNT = Decimal("99999999.99")

# ASCII digits only: Decimal() itself would take full-width digits, "1_000", "1E5", "NaN".
_AMOUNT = re.compile(r"[0-9]{1,8}(\.[0-9]{1,2})?", re.ASCII)


def round_money(value: Decimal) -> Decimal:
    """The value in yuan with two places, halves up. Apply once per line, on the line's total."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def round_unit(value: Decimal) -> Decimal:
    """A unit price in yuan with four places, halves up."""
    return value.quantize(UNIT, rounding=ROUND_HALF_UP)


def parse_money(text: str) -> Decimal:
    """A positive or zero amount in yuan from what a person or a gateway wrote, such as "10.5".

    Raises BadInput for anything that is not plain digits with at most two decimals.
    """
    text = text.strip() if isinstance(text, str) else ""
    if not _AMOUNT.fullmatch(text):
        raise BadInput("bad_amount", _("请输入正确的金额，最多两位小数，例如 10.50"))
    return Decimal(text).quantize(CENT)
