"""What a part of a line cost, and what part of a line some money has paid back."""

from decimal import Decimal

from common.money import round_money
from orders.models import OrderLine


def share_of(line: OrderLine, pieces: int) -> Decimal:
    """What was paid for so many of the line's pieces, in yuan."""
    return round_money(line.cash * pieces / line.pieces)


def waived_by(line: OrderLine, refunded: Decimal) -> int:
    """How many of the undelivered pieces `refunded` yuan in all have paid back."""
    whole = int(refunded * line.pieces / line.cash)
    if refunded and share_of(line, whole + 1) <= refunded:
        whole += 1  # the share was rounded down
    return min(whole, line.pieces - line.pieces_delivered)


def returned_by(line: OrderLine, refunded: Decimal) -> int:
    """How many of the delivered pieces `refunded` yuan have paid back, a part of one counting as one: what is not delivered
    is paid back first."""
    undelivered = line.pieces - line.pieces_delivered
    count = 0
    while count < line.pieces_delivered and share_of(line, undelivered + count) < refunded:
        count += 1
    return count
