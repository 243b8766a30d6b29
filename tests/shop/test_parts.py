"""Small parts of pages: the price line, Markdown, amounts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.template import Context, Template

from common.templatetags.ui import amount, unit, yuan
from shop.markdown import to_html
from shop.sparkline import EDGE, HEIGHT, WIDTH, sparkline

START = datetime(2026, 11, 1, tzinfo=UTC)


def test_price_line_goes_along_then_up():
    history = [(START, Decimal("10")), (START + timedelta(days=5), Decimal("20"))]
    line = sparkline(history, until=START + timedelta(days=10))
    low, high = HEIGHT - EDGE, EDGE
    assert line.points == f"{EDGE}.0,{low}.0 {WIDTH / 2},{low}.0 {WIDTH / 2},{high}.0 {WIDTH - EDGE}.0,{high}.0"
    assert (line.low, line.high) == (Decimal("10"), Decimal("20"))


def test_price_line_of_a_single_price_is_flat():
    line = sparkline([(START, Decimal("10"))], until=START)
    assert len({point.split(",")[1] for point in line.points.split()}) == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1234.5"), "1,234.50"),
        (Decimal("49.1040"), "49.10"),
        (Decimal("0.9950"), "1.00"),
        (Decimal("0.0350"), "0.035"),
        (Decimal("9.9000"), "9.90"),
        (Decimal("0"), "0.00"),
        (None, ""),
    ],
)
def test_amounts_show_two_places_and_more_only_where_they_say_something(value, shown):
    assert amount(value) == shown


@pytest.mark.parametrize(("value", "shown"), [("49.1040", "49.104"), ("49.1000", "49.10"), ("1234.0005", "1,234.0005")])
def test_unit_prices_show_all_their_places(value, shown):
    assert unit(Decimal(value)) == shown


def test_yuan_has_its_sign_before_the_currency():
    assert yuan(Decimal("-3")) == "−¥3.00"
    assert yuan(Decimal("3")) == "¥3.00"
    assert yuan(None) == ""


def test_icons_are_silent_unless_they_stand_alone():
    html = Template('{% load ui %}{% icon "x" %}|{% icon "x" label %}').render(Context({"label": "关闭 <b>"}))
    silent, speaking = html.split("|")
    assert 'aria-hidden="true"' in silent
    assert 'aria-label="关闭 &lt;b&gt;"' in speaking


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**粗**", "<p><strong>粗</strong></p>\n"),
        ("a\nb", "<p>a<br>\nb</p>\n"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("", ""),
    ],
)
def test_markdown(text, html):
    assert to_html(text) == html


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", " java\nscript:x"])
def test_links_lead_only_to_the_web(address):
    assert "href" not in to_html(f"[x](<{address}>)") or "script:" not in to_html(f"[x](<{address}>)")


def test_links_do_not_vouch_for_their_target():
    assert 'rel="nofollow noopener"' in to_html("[x](https://example.com)")
