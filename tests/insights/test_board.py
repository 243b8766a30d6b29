"""The board: figures that are right, that open exactly their rows, and that only those see who may."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.db import transaction

from accounts.services import create_member
from catalog.models import Product
from catalog.services.figures import refresh_figures
from common import clock
from common.clock import SHANGHAI
from events.models import Delivery, Event, Heartbeat
from insights.board import board_for
from insights.periods import Period, period_of
from membership.models import Difference, MemberTier, TierDecision
from membership.services import ensure_member
from orders.models import Order, OrderLine
from orders.services import expire, receive_payment, refund
from payments.models import Channel, PaymentAttempt, Reconciliation, ReconciliationCase
from tenancy.models import MAIN_ID
from tests.complaints import complain
from tests.desk import at_desk, staff
from tests.opinions import published, ticket_of, write
from tests.payments.statements import make_channel
from tests.shelf import Shelf

pytestmark = pytest.mark.django_db
# A Sunday afternoon in Shanghai; what is "today" and "the same time yesterday" is counted from here.
NOW = datetime(2026, 11, 22, 15, 30, tzinfo=SHANGHAI)


def ago(**how_long) -> datetime:
    return NOW - timedelta(**how_long)


@dataclass
class Shop:
    shelf: Shelf

    def buy(
        self, user, at: datetime, price: str = "10.00", *, paid: bool = True, kind: str = Product.Kind.KEY
    ) -> Order:
        """An order placed at `at`, and paid through a gateway in the same minute."""
        with clock.travel(at):
            sku = self.shelf.sku(price, keys=3 if kind == Product.Kind.KEY else 0, kind=kind)
            order = self.shelf.buy(user, (sku, 1))
            if paid:
                with transaction.atomic():
                    receive_payment(
                        order_id=order.pk, amount=order.total, channel="epay", ref=f"t:{order.pk}", at=clock.now()
                    )
        return Order.objects.get(pk=order.pk)


@pytest.fixture
def shop(shelf) -> Shop:
    return Shop(shelf)


@pytest.fixture(autouse=True)
def now():
    with clock.travel(NOW):
        yield


def board(user, days: int = 1):
    return board_for(user, Period(days, NOW))


def tiles(user, days: int = 1) -> dict:
    shown = board(user, days)
    return {tile.key: tile for tile in [*shown.todo, *shown.business]}


def test_figures_of_today_against_the_same_time_yesterday(shop, alice, olga):
    shop.buy(alice, ago(hours=1), "20.00")
    shop.buy(alice, ago(hours=15, minutes=29), "5.00")
    shop.buy(alice, ago(hours=2), "7.00", paid=False)
    yesterday = shop.buy(alice, ago(hours=25), "10.00")
    # Yesterday evening: not yet comparable with an afternoon, and not today either.
    shop.buy(alice, ago(hours=16), "1000.00")
    refund(order_id=yesterday.pk, amounts={yesterday.lines.get().pk: Decimal("4")}, ref="r", reason="x", actor=olga)
    seen = tiles(olga)
    assert (seen["orders"].value, seen["orders"].note, seen["orders"].change) == (3, "昨日同时段 1", "+200%")
    assert (seen["income"].value, seen["income"].note) == (Decimal("25.00"), "昨日同时段 ¥10.00")
    assert (seen["income"].change, seen["income"].good) == ("+150%", True)
    assert (seen["paid_rate"].shown, seen["paid_rate"].note) == ("66.7%", "3 单中 2 单已付款")
    assert seen["refunds"].value == Decimal("4.00")


def test_a_rise_of_refunds_is_no_good_news(shop, alice, olga):
    for hours, amount in ((1, "3"), (25, "1")):
        order = shop.buy(alice, ago(hours=hours))
        with clock.travel(ago(hours=hours)):
            refund(
                order_id=order.pk, amounts={order.lines.get().pk: Decimal(amount)}, ref=amount, reason="", actor=None
            )
    assert (tiles(olga)["refunds"].change, tiles(olga)["refunds"].good) == ("+200%", False)


def test_seven_days_are_held_against_the_seven_before(shop, alice, olga):
    for days, price in ((0, "1.00"), (6, "2.00"), (7, "4.00"), (13, "8.00"), (14, "16.00")):
        shop.buy(alice, ago(days=days, hours=1), price)
    income = tiles(olga, 7)["income"]
    assert (income.value, income.note) == (Decimal("3.00"), "此前 7 天 ¥12.00")
    assert tiles(olga, 30)["income"].value == Decimal("31.00")


def test_the_chart_adds_up_and_its_days_open_their_rows(shop, alice, olga):
    for days, price in ((0, "1.00"), (0, "2.00"), (3, "8.00"), (9, "64.00")):
        shop.buy(alice, ago(days=days, hours=1), price)
    bars = board(olga, 7).chart.bars
    assert [bar.point.value for bar in bars] == [0, 0, 0, Decimal("8.00"), 0, 0, Decimal("3.00")]
    assert bars[4].point.before == Decimal("64.00")
    desk = at_desk(olga)
    for bar in bars:
        rows = desk.get(bar.point.address).context["cl"].result_list
        assert sum(order.paid_total for order in rows) == bar.point.value
    hours = board(olga, 1).chart.bars
    assert len(hours) == 24 and hours[14].point.value == Decimal("3.00")


def reconciled() -> None:
    """Two differences that are open, and one that was explained."""
    run = Reconciliation.objects.create(
        channel=make_channel(), first_day=NOW, last_day=NOW, state="confirmed", created_at=NOW, confirmed_at=NOW
    )
    facts = {"run": run, "channel": run.channel, "day": NOW, "amount": 1, "opened_at": NOW}
    closed = {"state": "explained", "note": "x", "closed_at": NOW}
    for number, more in enumerate(({}, {}, closed)):
        ReconciliationCase.objects.create(kind="extra", aspect="unknown", reference=f"T{number}", **facts, **more)


def busy(shop: Shop, alice, shelf) -> None:
    """Something of everything that the board counts, and beside each something that it must not count."""
    for hours in (1, 5, 30, 200):
        shop.buy(alice, ago(hours=hours))
        shop.buy(None, ago(hours=hours), paid=False)
        order = shop.buy(alice, ago(hours=hours), "8.00")
        with clock.travel(ago(hours=hours)):
            refund(
                order_id=order.pk,
                amounts={order.lines.get().pk: Decimal("3")},
                ref=f"r{hours}",
                reason="x",
                actor=None,
            )
            create_member(username=f"new{hours}", password="tea-and-keys-9", storefront_id=MAIN_ID)
    late = shop.buy(None, ago(hours=3), paid=False)
    expire(order_id=late.pk)
    shop.buy(alice, ago(minutes=10), kind=Product.Kind.MANUAL)
    shop.buy(alice, ago(minutes=40), kind=Product.Kind.MANUAL)
    held = shop.buy(alice, ago(minutes=50), kind=Product.Kind.MANUAL)
    OrderLine.objects.filter(order=held).update(state=OrderLine.State.HELD)
    short = shop.buy(alice, ago(minutes=5), kind=Product.Kind.MANUAL)
    OrderLine.objects.filter(order=short).update(state=OrderLine.State.SHORT, refund_due_at=NOW)
    shelf.sku(keys=2, low_stock_at=5)
    shelf.sku(keys=9, low_stock_at=5)
    shelf.sku(keys=0, low_stock_at=5)
    refresh_figures()
    published(alice)
    for _number in range(2):
        write(ticket_of(alice))
    reconciled()
    event = Event.objects.create(kind="order.paid", payload={}, occurred_at=NOW, fanned_out_at=NOW)
    for number, state in enumerate(("parked", "parked", "pending")):
        Delivery.objects.create(event=event, subscriber=f"room.{number}", state=state, not_before=NOW)
    channel = Channel.objects.create(
        code="test", name="测试", gateway_url="https://pay.example/", merchant_id="1", methods=["alipay"]
    )
    attempts = (("unknown", None, short), ("unknown", NOW, held), ("pending", None, late))
    for number, (state, ask_at, order) in enumerate(attempts):
        PaymentAttempt.objects.create(
            number=f"P{number}",
            channel=channel,
            method="alipay",
            purpose="order",
            order=order,
            amount=1,
            state=state,
            created_at=NOW,
            expires_at=NOW,
            ask_at=ask_at,
        )


def decide(alice, *ranks: tuple[int, int]) -> None:
    """Decisions today: (from, to)."""
    member = MemberTier.objects.filter(user=alice).first()
    for before, after in ranks:
        TierDecision.objects.create(
            member=member,
            from_rank=before,
            to_rank=after,
            cause="enter" if after > before else "down" if after < before else "rules",
            version=member.version,
            trace=[],
            day=clock.day_of(NOW),
            at=ago(hours=1),
        )


@pytest.fixture
def member(alice):
    """Alice, whom membership knows."""
    with clock.travel(ago(days=40)):
        ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=clock.now())
    return alice


def differ(member) -> None:
    """Two open differences, and one that is over."""
    for kind, over in (("standing", None), ("sums", None), ("fold", NOW)):
        Difference.objects.create(
            member=member.tiers.get(), kind=kind, detail={}, found_at=NOW, seen_at=NOW, cleared_at=over
        )


def complain_twice(shop: Shop, alice) -> None:
    """A case that waits for staff, and one that is late."""
    for days in (0, 2):
        order = shop.buy(alice, ago(days=days, minutes=20))
        with clock.travel(ago(days=days, minutes=10)):
            complain(order)


MONEY = {"income": "paid_total", "refunds": "amount"}


@pytest.mark.parametrize("days", [1, 7, 30])
def test_every_figure_opens_exactly_its_rows(shop, shelf, member, olga, days):
    busy(shop, member, shelf)
    decide(member, (0, 1), (1, 2), (2, 1), (1, 1))
    differ(member)
    complain_twice(shop, member)
    desk = at_desk(olga)
    seen = tiles(olga, days)
    assert {"stuck", "queued", "short", "held", "low_stock", "unknown", "parked"} < set(seen)
    assert {"orders", "income", "paid_rate", "refunds", "registrations", "tiers_up", "tiers_down"} < set(seen)
    for tile in seen.values():
        answer = desk.get(tile.address)
        assert answer.status_code == 200, tile.key
        rows = list(answer.context["cl"].result_list)
        field = MONEY.get(tile.key)
        found = sum(getattr(row, field) for row in rows) if field else len(rows)
        assert found == tile.value, f"{tile.key}: {found} rows for {tile.value}"
        assert tile.value, f"{tile.key} was not put to the test"


def test_a_figure_of_nothing_opens_an_empty_list(olga):
    desk = at_desk(olga)
    for tile in tiles(olga).values():
        if tile.key != "registrations":
            assert list(desk.get(tile.address).context["cl"].result_list) == [], tile.key
            assert not tile.value
    assert tiles(olga)["paid_rate"].shown == "–"


SEES = {
    "orders.view_order": {"stuck", "queued", "short", "orders", "income", "paid_rate", "refunds"},
    "orders.view_dispute": {"disputes", "late_disputes"},
    "accounts.view_user": {"registrations"},
    "membership.view_tierdecision": {"tiers_up", "tiers_down"},
    "membership.view_difference": {"differences"},
    "catalog.view_sku": {"low_stock"},
    "payments.view_paymentattempt": {"unknown"},
    "events.view_delivery": {"parked"},
}


@pytest.mark.parametrize("permission", SEES)
def test_everybody_sees_his_own_figures_only(permission):
    user = staff("lars", permission)
    assert set(tiles(user)) == SEES[permission]
    desk = at_desk(user)
    for tile in tiles(user).values():
        assert desk.get(tile.address).status_code == 200, "what is shown can be opened"
    page = desk.get("/admin/").content.decode()
    assert set(re.findall(r'data-tile="(\w+)"', page)) == SEES[permission]


def test_staff_without_rights_read_where_to_get_some(db):
    page = at_desk(staff("newbie")).get("/admin/").content.decode()
    assert "请联系管理员加入员工组" in page and "data-tile" not in page


def test_the_page_holds_what_the_board_says(shop, alice, olga):
    shop.buy(alice, ago(hours=1), "1234.50")
    for days, title in (
        ("", "今日每小时收入"),
        ("7", "每日收入"),
        ("nonsense", "今日每小时收入"),
        ("８", "今日每小时收入"),
    ):
        page = at_desk(olga).get("/admin/", {"days": days}).content.decode()
        assert title in page and "¥1,234.50" in page
        for address in re.findall(r'class="desk-tile[^"]*" href="([^"]+)"', page):
            assert at_desk(olga).get(unescape(address)).status_code == 200


def test_the_board_asks_few_questions(shop, alice, bob, olga, django_assert_max_num_queries):
    for hours in range(1, 30):
        shop.buy(alice if hours % 2 else bob, ago(hours=hours), kind=Product.Kind.MANUAL)
    for days in (1, 7, 30):
        with django_assert_max_num_queries(26):
            board(olga, days)


def test_a_silent_worker_is_noticed(olga):
    assert "还没有运行过" in board(olga).worker[1]
    Heartbeat.objects.create(name="worker", at=ago(minutes=30))
    assert board(olga).worker == ("danger", "后台任务已停止 30 分钟")
    Heartbeat.objects.update(at=ago(seconds=20))
    assert board(olga).worker == ("success", "后台任务正常")


@pytest.mark.parametrize(
    ("asked", "days"),
    [("1", 1), ("7", 7), ("30", 30), ("", 1), ("365", 1), ("-7", 1), ("７", 7), ("²", 1), ("9" * 5000, 1), ("\x00", 1)],
)
def test_periods_are_those_that_are_offered(asked, days):
    assert period_of(asked, NOW).days == days


def test_a_day_begins_at_midnight_in_shanghai():
    period = Period(1, datetime(2026, 11, 22, 0, 30, tzinfo=SHANGHAI))
    assert period.start == datetime(2026, 11, 22, tzinfo=SHANGHAI)
    assert (period.before_start, period.before_end) == (
        datetime(2026, 11, 21, tzinfo=SHANGHAI),
        datetime(2026, 11, 21, 0, 30, tzinfo=SHANGHAI),
    )
