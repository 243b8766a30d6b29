"""Thousands of forged callbacks with genuine ones among them: none believed, none answered with an error."""

import random
from decimal import Decimal
from urllib.parse import quote_from_bytes, urlencode

import pytest
from django.test import Client

from orders.models import Order
from payments.models import PaymentAttempt
from tests.sandboxes import KEY
from tests.shelf import books

SEED = 20261122
FORGED, GENUINE = 100_000, 100


class Forger:
    """Takes a genuine, signed notify and spoils one thing about it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def forge(self, fields: dict[str, str]) -> str:
        """A query string that no gateway signed."""
        spoil = self.random.choice(
            [self.change, self.drop, self.add, self.double, self.rename, self.noise, self.encode]
        )
        return spoil(dict(fields))

    def change(self, fields: dict[str, str]) -> str:
        name = self.random.choice(sorted(fields))
        fields[name] = self.other(fields[name])
        return urlencode(fields)

    def other(self, value: str) -> str:
        made = self.random.choice(
            [
                value[:-1],
                value + "0",
                value.upper() + "x",
                "",
                "0",
                "-1",
                "NaN",
                "1e9",
                "０.０１",
                value[::-1] + "1",
                "null",
            ]
        )
        return made if made != value else value + "x"

    def drop(self, fields: dict[str, str]) -> str:
        # Without sign_type the notify is still a good one: MD5 is what is meant then.
        del fields[self.random.choice(sorted(set(fields) - {"sign_type"}))]
        return urlencode(fields)

    def add(self, fields: dict[str, str]) -> str:
        return urlencode(
            fields | {self.random.choice(["param", "x", "Money", "a[]"]): self.random.choice(["0", " ", "1"])}
        )

    def double(self, fields: dict[str, str]) -> str:
        name = self.random.choice(sorted(fields))
        return urlencode([*fields.items(), (name, self.random.choice([fields[name], "1"]))])

    def rename(self, fields: dict[str, str]) -> str:
        name = self.random.choice(sorted(set(fields) - {"sign_type"}))
        return urlencode({(key.swapcase() if key == name else key): value for key, value in fields.items()})

    def noise(self, fields: dict[str, str]) -> str:
        text = urlencode(fields)
        place = self.random.randrange(text.index("=") + 1, len(text))
        return text[:place] + self.random.choice(["%00", "%FF", "%", "=", "+", "%u4E00", "%09"]) + text[place:]

    def encode(self, fields: dict[str, str]) -> str:
        """Other encodings of the same texts; where nothing but ASCII is in them, an unpaid number instead."""
        fields["out_trade_no"] += "9"
        return "&".join(f"{k}={quote_from_bytes(v.encode('gbk', 'replace'))}" for k, v in fields.items())


@pytest.mark.full
@pytest.mark.django_db
def test_forgeries_among_genuine_notifies(till, channel, shelf, make_member):
    forger, client = Forger(SEED), Client()
    sku = shelf.sku("10.00", keys=GENUINE)
    genuine = {}
    for _ in range(GENUINE):
        attempt = till.start(shelf.buy(make_member(), (sku, 1)), channel)
        till.sandbox.act(attempt.number, "pay_silently")
        genuine[attempt.pk] = till.fields(attempt)
    todo = list(genuine.items())
    for number in range(FORGED):
        _attempt, fields = forger.random.choice(list(genuine.items()))
        query = forger.forge(fields)
        reply = client.get(f"/pay/notify/{channel.code}?{query}")
        assert (reply.status_code, reply.content) == (200, b"fail"), query
        if todo and number % (FORGED // GENUINE) == 0:
            _paid, fields = todo.pop()
            assert till.send(channel, fields) == "success"
    assert not todo
    assert PaymentAttempt.objects.filter(state="paid", paid_amount=Decimal("10.00")).count() == GENUINE
    assert Order.objects.filter(state=Order.State.DELIVERED).count() == GENUINE
    assert books() == {}
    assert KEY not in str(list(PaymentAttempt.objects.values_list("last_error", flat=True)))
