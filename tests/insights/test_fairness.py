"""The fairness page: every figure against rows counted by hand, and the rows that it opens."""

import csv
import io
import re
from datetime import date, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.utils.dateparse import parse_datetime
from django.utils.html import strip_tags

from common import clock
from events.services import relay
from insights import fairness
from insights.fair_links import waited
from insights.fair_page import fairness_page
from insights.fairness import Asked
from insights.flows import Flow, draw_flows
from insights.spans import DaySpan, span_of
from membership.models import Program
from orders.services import deliver_by_hand
from tests.desk import at_desk, staff, text_of
from tests.membership.club import Club, at_least, on

NOW = parse_datetime("2026-06-15T12:00:00+08:00")
RIGHTS = ["membership.view_tierdecision", "membership.view_membertier"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({}, "2026-03-18", "2026-06-15"),
        ({"from": "2026-05-01", "to": "2026-05-31"}, "2026-05-01", "2026-05-31"),
        ({"from": "2026-05-01"}, "2026-05-01", "2026-06-15"),
        ({"to": "2026-05-31"}, "2026-03-03", "2026-05-31"),
        ({"from": "2026-06-01", "to": "2030-01-01"}, "2026-06-01", "2026-06-15"),
        ({"from": "2026-06-10", "to": "2026-06-01"}, "2026-03-04", "2026-06-01"),
        ({"from": "\x00", "to": "9999999999"}, "2026-03-18", "2026-06-15"),
        ({"from": "0001-01-01"}, "2026-03-18", "2026-06-15"),
    ],
)
def test_the_days_of_an_address(asked, first, last):
    span = span_of(asked, NOW)
    assert (span.first.isoformat(), span.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([0, 0], None), ([5, 5, 5], "0"), ([0, 0, 0, 8], "0.75"), ([1, 3], "0.25")],
)
def test_gini(values, expected, monkeypatch, db):
    rows = f"SELECT unnest(ARRAY{values}::numeric[]) AS value, %(program)s AS program"
    monkeypatch.setitem(fairness._ROWS, "members", rows)
    found = fairness.gini_of_benefits(asked_of(Program.objects.get(storefront=None)))
    assert found == (None if expected is None else Decimal(expected))


def test_bands_fill_their_bars_and_nothing_is_invisible():
    flows = [Flow(0, 1, 990), Flow(1, 2, 1), Flow(2, 1, 9)]
    picture = draw_flows(flows, {0: "普通", 1: "白银", 2: "黄金"})
    assert [bar.name for bar in picture.left] == ["黄金", "白银", "普通"]
    assert [bar.members for bar in picture.right] == [1, 999]
    assert {band.flow: band.way for band in picture.bands} == {flows[0]: "up", flows[1]: "up", flows[2]: "down"}
    assert min(bar.height for bar in [*picture.left, *picture.right]) >= 3
    assert all(bar.y + bar.height <= picture.height for bar in [*picture.left, *picture.right])
    assert draw_flows([], {}) is None


@pytest.fixture
def club(db):
    """Two join and reach silver; one of them falls again."""
    club = Club({"enter": at_least("spend", "30d", "100.00"), "min_stay_days": 0, "grace_days": 1})
    club.buy(club.join("anna"), "120.00", paid=on("2026-03-01"))
    club.buy(club.join("bert"), "120.00", paid=on("2026-03-01"))
    club.join("cora")
    return club


def asked_of(program: Program, first: str = "2026-01-01", last: str = "2026-06-15") -> Asked:
    return Asked(program, DaySpan(date.fromisoformat(first), date.fromisoformat(last)), NOW)


def test_flows_are_decisions_that_moved_somebody(club):
    assert fairness.flows(asked_of(club.program)) == [Flow(0, 1, 2)]
    assert fairness.flows(asked_of(club.program, "2026-04-01")) == []
    assert fairness.members_by_tier(club.program) == {0: 1, 1: 2}


def test_stays_completed_and_going_on(club):
    found = {one.rank: one for one in fairness.by_tier("stays", asked_of(club.program))}
    over = {one.rank: one for one in fairness.by_tier("stays", asked_of(club.program), only="over")}
    # Joined on the first of January, silver from noon of the first of March.
    assert (over[0].rows, over[0].median) == (2, Decimal("59.5"))
    assert 1 not in over and (found[1].rows, found[1].open) == (2, 2)
    assert found[1].median == Decimal("106")
    rows, count = fairness.rows_of("stays", asked_of(club.program), 0, limit=10, offset=0)
    assert count == found[0].rows == 3 and len(rows) == 3


@pytest.fixture
def bought(shelf, alice, bob):
    """Alice buys twice and Bob once, all delivered at once."""
    sku = shelf.sku("10.00", keys=9)
    orders = [shelf.buy(alice, (sku, 1), from_wallet=True) for _ in range(2)]
    return [*orders, shelf.buy(bob, (sku, 1), from_wallet=True)]


def test_what_is_in_stock_is_delivered_as_it_is_paid_and_what_staff_do_takes_time(bought, shelf, alice, olga):
    by_hand = shelf.buy(alice, (shelf.sku("20.00", kind="manual"), 1), from_wallet=True)
    with clock.travel(by_hand.paid_at + timedelta(minutes=7)):
        deliver_by_hand(line_id=by_hand.lines.get().pk, text="OK", actor=olga)
    relay()
    today = clock.day_of(clock.now())
    asked = Asked(Program.objects.get(storefront=None), DaySpan(today, today), clock.now() + timedelta(days=1))
    [stock] = fairness.by_tier("waiting", asked)
    assert (stock.rows, stock.people, stock.median, stock.p95, stock.open) == (3, 2, 0, 0, 0)
    [hand] = fairness.by_tier("by_hand", asked)
    assert (hand.rows, hand.median, hand.open) == (1, 420, 1)
    panels = {panel.key: text_of_cells(panel.rows) for panel in fairness_page(asked).panels}
    assert panels["waiting"] == [["普通会员", "3", "100.0%", "0 毫秒", "0", "–"]]
    assert panels["by_hand"] == [["普通会员", "1", "7.0 分钟", "7.0 分钟"]]
    assert (waited(Decimal("0.0124")), waited(Decimal("1.04"))) == ("12 毫秒", "1.0 秒")
    assert fairness.rows_of("waiting", asked, None, only="open", limit=9, offset=0) == ([], 0)


def text_of_cells(rows) -> list[list[str]]:
    return [[strip_tags(str(cell)) for cell in row] for row in rows]


def test_the_page_opens_for_who_sees_members_and_for_nobody_else(club):
    for number, rights in enumerate(([], RIGHTS[:1], RIGHTS[1:], ["orders.view_order"])):
        client = at_desk(staff(f"clerk{number}", *rights))
        for path in ("", "stays/", "stays/csv/"):
            assert client.get(f"/admin/fairness/{path}").status_code == 403
    client = at_desk(staff("ann", *RIGHTS))
    for path in (
        "",
        "stays/",
        "by_hand/",
        "waiting/",
        "benefits/",
        "newcomers/",
        "members/",
        "stays/csv/",
        "flows/csv/",
    ):
        assert client.get(f"/admin/fairness/{path}?program={club.program.pk}").status_code == 200


@pytest.mark.parametrize("path", ["nonsense/", "nonsense/csv/", "?program=999999", "benefits/csv/"])
def test_what_is_not_there_is_not_found(path, db):
    assert at_desk(staff("ann", *RIGHTS)).get(f"/admin/fairness/{path}").status_code == 404


@pytest.mark.parametrize("query", ["?from=%00", "?rank=%00&p=-3", "?p=99999999999", "?rank=99&p=9", "?program=x"])
def test_strange_addresses_show_something(query, db):
    client = at_desk(staff("ann", *RIGHTS))
    assert client.get(f"/admin/fairness/{query}").status_code == 200
    assert client.get(f"/admin/fairness/stays/{query}").status_code == 200


def test_figures_open_their_rows(club):
    client = at_desk(staff("ann", *RIGHTS))
    with clock.travel(NOW):
        answer = client.get(f"/admin/fairness/?program={club.program.pk}&from=2026-01-01&to=2026-06-15")
        page = answer.context["fair"]
        assert "升级" in text_of(answer) and "<svg" in answer.content.decode()
        wide, narrow = page.drawings
        [moved] = wide.moved
        assert narrow.picture.width < 360 < wide.picture.width
        listed = client.get(moved.address)
        assert listed.status_code == 200 and listed.context["cl"].result_count == moved.band.flow.members == 2
        rows = client.get(f"/admin/fairness/stays/?program={club.program.pk}&from=2026-01-01&to=2026-06-15&rank=1")
        assert rows.context["count"] == 2 and "anna" in text_of(rows)
        # Every figure leads somewhere, and the tiles to as many rows as they say.
        gini_, given, up, down = page.tiles
        assert client.get(up.address).context["cl"].result_count == int(up.figure) == 2
        assert client.get(down.address).context["cl"].result_count == int(down.figure) == 0
        assert client.get(gini_.address).context["count"] == 3 and client.get(given.address).context["count"] == 0
        assert client.get(wide.right[0][1]).context["cl"].result_count == wide.right[0][0].members
        leads = {one for panel in page.panels for row in panel.rows for cell in row for one in hrefs(cell)}
        assert len(leads) > 5 and {client.get(one).status_code for one in leads} == {200}
        figures = [cell for panel in page.panels for row in panel.rows for cell in row if re.search(r"\d", str(cell))]
        assert [cell for cell in figures if not hrefs(cell)] == []
        over = client.get(rows.wsgi_request.get_full_path() + "&only=over")
        assert over.context["count"] == 0 and "已结束的停留" in text_of(over)


def hrefs(cell) -> list[str]:
    return [unescape(one) for one in re.findall(r'href="([^"]+)"', str(cell))]


def test_the_csv_holds_the_figures_of_the_page(club):
    client = at_desk(staff("ann", *RIGHTS))
    with clock.travel(NOW):
        answer = client.get(f"/admin/fairness/flows/csv/?program={club.program.pk}&from=2026-01-01&to=2026-06-15")
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert rows == [["原等级", "新等级", "次数"], ["普通会员", "白银", "2"]]
