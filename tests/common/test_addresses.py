"""Who is calling, when the caller lies about it."""

import pytest
from django.test import Client, RequestFactory

from common.addresses import UNKNOWN, client_address, counted_as


def asked(remote: str = "203.0.113.9", forwarded: str | None = None):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers)


@pytest.mark.parametrize("forwarded", ["1.2.3.4", "127.0.0.1, 10.0.0.1", "' OR 1=1 --", ""])
def test_without_proxies_of_ours_nobody_is_believed(settings, forwarded):
    settings.TRUSTED_PROXIES = 0
    assert client_address(asked(forwarded=forwarded)) == "203.0.113.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (1, "198.51.100.7", "198.51.100.7"),
        # What stands further left was sent by the client.
        (1, "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        (2, "1.2.3.4, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (1, " 198.51.100.7 ,, ", "198.51.100.7"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "::ffff:198.51.100.7", "198.51.100.7"),
        # Fewer hops than proxies: the request came past them.
        (2, "198.51.100.7", "203.0.113.9"),
        (1, None, "203.0.113.9"),
        (1, "unknown", "203.0.113.9"),
        (1, "198.51.100.7:4711", "203.0.113.9"),
        (1, "'; DROP TABLE orders_order; --", "203.0.113.9"),
        (1, "198.51.100.7\0", "203.0.113.9"),
        (1, "１９８.51.100.7", "203.0.113.9"),
        (1, "0x7f.1", "203.0.113.9"),
    ],
)
def test_believed_only_as_far_as_our_proxies_wrote_it(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    assert client_address(asked(forwarded=forwarded)) == address


@pytest.mark.parametrize("remote", ["", "unix:", "localhost"])
def test_no_address_at_all_is_still_a_valid_one(remote):
    assert client_address(asked(remote)) == UNKNOWN


@pytest.mark.django_db
def test_an_order_keeps_the_address_that_was_decided(settings):
    settings.TRUSTED_PROXIES = 0
    answer = Client().get("/", headers={"X-Forwarded-For": "1.2.3.4"})
    assert answer.wsgi_request.client_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ],
)
def test_addresses_are_counted_by_what_one_person_has(address, name):
    assert counted_as(address) == name
