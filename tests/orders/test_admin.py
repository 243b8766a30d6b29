"""The order desk: found, read as one story, and acted on by those who may."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import User
from audit.models import AuditEntry
from catalog.models import Key, Product
from common import clock
from orders.exceptions import IllegalMove, NothingToDeliver
from orders.models import DeliveryRules, Order, OrderLine
from orders.selectors import STUCK_AFTER, delivered_of
from orders.services import (
    expire,
    hold_line,
    pay_from_wallet,
    receive_payment,
    redeliver,
    refund,
    refund_overdue_short,
    release_held,
)
from tests.desk import Act, at_desk, staff
from tests.shelf import books
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db
LIST = "/admin/orders/order/"
EVERYTHING = [
    f"orders.{name}"
    for name in (
        "view_order",
        "refund_order",
        "deliver_order",
        "hold_order",
        "cancel_order",
        "note_order",
        "reveal_keys",
    )
]


@pytest.fixture
def desk(db):
    return at_desk(staff("sue", *EVERYTHING, "accounts.view_user"))


def page(order: Order, act: str = "change") -> str:
    return f"{LIST}{order.pk}/{act}/"


def listed(desk, query: dict | str = "") -> list[Order]:
    answer = desk.get(LIST + query) if isinstance(query, str) else desk.get(LIST, query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def short_order(shelf, user, keys: int = 2) -> Order:
    """Paid for three, of which stock had `keys`: the order expired, lost some keys to others and was paid late."""
    sku = shelf.sku(keys=3)
    order = shelf.buy(user, (sku, 3))
    lost = list(Key.objects.filter(sku=sku, state="reserved").order_by("-pk").values_list("pk", flat=True))[: 3 - keys]
    Key.objects.filter(pk__in=lost).update(state="void", line_id=None)
    pay_from_wallet(order_id=order.pk, user=user)
    return Order.objects.get(pk=order.pk)


def test_an_order_is_found_by_number_contact_and_buyer(shelf, alice, bob, desk):
    sku = shelf.sku(keys=5)
    mine, guests = shelf.buy(alice, (sku, 1), from_wallet=True), shelf.buy(None, (sku, 1))
    shelf.buy(bob, (sku, 1))
    assert listed(desk, {"q": mine.number}) == [mine]
    assert listed(desk, {"q": mine.number.lower()}) == [mine]
    assert listed(desk, {"q": "guest@example.com"}) == [guests]
    assert listed(desk, {"q": "ALI"}) == [mine]
    assert len(listed(desk, {"q": mine.number[:9]})) == 3, "a day's orders by the beginning of their numbers"
    assert listed(desk, {"q": "nobody"}) == []


def test_filters_show_their_rows(shelf, alice, desk):
    sku = shelf.sku(keys=9)
    by_hand = shelf.sku(kind=Product.Kind.MANUAL)
    unpaid, done = shelf.buy(alice, (sku, 1)), shelf.buy(alice, (sku, 1), from_wallet=True)
    queued = shelf.buy(alice, (by_hand, 1), from_wallet=True)
    old = shelf.buy(alice, (by_hand, 1), from_wallet=True)
    long_ago = clock.now() - STUCK_AFTER - timedelta(minutes=1)
    Order.objects.filter(pk=old.pk).update(paid_at=long_ago)
    short = short_order(shelf, alice)
    refund(order_id=done.pk, amounts={done.lines.get().pk: Decimal("1")}, ref="r", reason="x", actor=None)
    assert listed(desk, "?state__exact=unpaid") == [unpaid]
    assert listed(desk, "?waiting=queued") == [old, queued]
    assert listed(desk, "?waiting=short") == [short]
    assert listed(desk, "?waiting=stuck") == [old]
    assert listed(desk, "?money=unpaid") == [unpaid]
    assert listed(desk, "?money=refunded") == [done]
    assert listed(desk, "?paid_with=wallet") == [short, old, queued, done]
    today = clock.day_of(clock.now())
    assert len(listed(desk, f"?placed_at_from={today}&placed_at_to={today}")) == 5
    assert listed(desk, f"?placed_at_from={today + timedelta(days=1)}") == []


def test_the_list_needs_few_queries_however_long(shelf, alice, bob, desk, django_assert_max_num_queries):
    sku = shelf.sku(keys=40)
    for user in (alice, bob) * 15:
        shelf.buy(user, (sku, 1), from_wallet=True)
    with django_assert_max_num_queries(14):
        assert len(listed(desk)) == 30


def test_the_page_tells_the_whole_story(shelf, alice, desk):
    order = shelf.buy(alice, (shelf.sku(keys=3), 2), from_wallet=True)
    refund(order_id=order.pk, amounts={order.lines.get().pk: Decimal("3")}, ref="r1", reason="一条无效", actor=None)
    text = desk.get(page(order)).content.decode()
    for told in ("下单", "余额支付", "全部发货", "退款 ¥3.00 至会员余额", "一条无效", "alice", "¥20.00"):
        assert told in text, told
    keys = [one.text for one in delivered_of(order)]
    assert len(keys) == 2
    assert not any(key in text for key in keys), "keys are masked"
    assert keys[0][:6] in text


def test_a_refund_is_previewed_then_done_once(shelf, alice, desk):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=2), 1), (shelf.sku("20.00", keys=2), 1), from_wallet=True)
    first, second = order.lines.all()
    act = Act(desk, page(order, "refund"))
    assert 'value="20.00"' in act.text, "the whole is proposed"
    act.fill(**{f"line_{first.pk}": "4.50", f"line_{second.pk}": "", "reason": "卡密失效"})
    assert "确认退款 ¥4.50" in act.text and "¥974.50" in act.text and "不会收回卡密" in act.text
    assert balance_of(alice) == Decimal("970.00"), "a preview moves nothing"
    again = act._hidden()
    assert "已退款 ¥4.50" in act.confirm().done()
    desk.post(act.address, again)
    order.refresh_from_db()
    assert (order.refunded_total, balance_of(alice)) == (Decimal("4.50"), Decimal("974.50"))
    assert order.refunds.get().reason == "卡密失效"
    assert books() == {}


@pytest.mark.parametrize("amount", ["10.01", "-1", "0", "NaN", "1.001", "x"])
def test_a_refund_beyond_what_was_paid_is_refused(shelf, alice, desk, amount):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=2), 1), from_wallet=True)
    line = order.lines.get()
    act = Act(desk, page(order, "refund")).fill(**{f"line_{line.pk}": amount, "reason": "x"})
    assert 'name="_step" value="preview"' in act.text
    desk.post(page(order, "refund"), {"_step": "run", "_token": "t", f"line_{line.pk}": amount, "reason": "x"})
    assert balance_of(alice) == Decimal("990.00")


def test_two_who_refund_at_once_refund_once_in_all(shelf, alice, desk):
    """Both looked at the same preview; the second meets what the first did."""
    order = shelf.buy(alice, (shelf.sku("10.00", keys=2), 1), from_wallet=True)
    line = order.lines.get()
    fields = {f"line_{line.pk}": "10.00", "reason": "x"}
    one, two = (Act(desk, page(order, "refund")).fill(**fields) for _ in range(2))
    one.confirm()
    two.confirm()
    assert two.page.status_code == 200 and balance_of(alice) == Decimal("1000.00")
    order.refresh_from_db()
    assert order.state == Order.State.REFUNDED


def test_a_guests_refund_waits_on_the_order(shelf, desk):
    order = shelf.buy(None, (shelf.sku("10.00", keys=2), 1))
    receive_payment(order_id=order.pk, amount=Decimal("10"), channel="epay", ref="n1", at=clock.now())
    act = Act(desk, page(order, "refund")).fill(**{f"line_{order.lines.get().pk}": "10", "reason": "x"})
    assert "订单待退款账户" in act.text
    act.confirm()
    assert "待买家领取的退款" in desk.get(page(order)).content.decode()


def test_short_lines_are_served_from_new_stock(shelf, alice, desk):
    order = short_order(shelf, alice)
    act = Act(desk, page(order, "redeliver"))
    assert "库存仍不足" in act.text and "从库存补发" not in act.text
    shelf.stock(order.lines.get().sku, 5)
    act = Act(desk, page(order, "redeliver"))
    assert "已补发 1 件" in act.confirm().done()
    order.refresh_from_db()
    assert order.state == Order.State.DELIVERED and len(delivered_of(order)) == 3


def test_a_line_is_delivered_by_hand(shelf, alice, desk):
    order = shelf.buy(alice, (shelf.sku(kind=Product.Kind.MANUAL), 1), from_wallet=True)
    line = order.lines.get()
    assert line.state == OrderLine.State.QUEUED
    act = Act(desk, page(order, "deliver")).fill(line=line.pk, text="已充值 13800000000")
    assert "已充值 13800000000" in act.text
    act.confirm()
    order.refresh_from_db()
    assert order.state == Order.State.DELIVERED
    assert [one.text for one in delivered_of(order)] == ["已充值 13800000000"]
    assert "13800000000" not in desk.get(page(order)).content.decode()


def test_lines_are_held_with_a_reason_and_released(shelf, alice, desk):
    order = shelf.buy(alice, (shelf.sku(kind=Product.Kind.MANUAL), 1), from_wallet=True)
    Act(desk, page(order, "hold")).fill(reason=" ")
    assert order.lines.get().state == OrderLine.State.QUEUED
    act = Act(desk, page(order, "hold")).fill(reason="风控复核")
    assert "测试商品" in act.text
    assert "已暂缓 1 项商品" in act.confirm().done()
    line = order.lines.get()
    assert (line.state, line.hold_reason) == ("held", "风控复核")
    assert listed(desk, "?waiting=held") == [order]
    told = desk.get(page(order)).content.decode()
    assert "暂缓发货" in told and "风控复核" in told and page(order, "deliver") not in told
    act = Act(desk, page(order, "release"))
    assert "风控复核" in act.text
    assert "已放行 1 项商品" in act.confirm().done()
    line.refresh_from_db()
    assert (line.state, line.hold_reason) == ("queued", "")
    logged = AuditEntry.objects.filter(action__in=["order.hold", "order.release"]).order_by("pk")
    assert [(one.action, one.actor, one.detail["reason"]) for one in logged] == [
        ("order.hold", "sue", "风控复核"),
        ("order.release", "sue", "风控复核"),
    ]


def test_a_held_line_is_neither_refilled_nor_refunded_until_it_is_released(shelf, alice, olga):
    order = short_order(shelf, alice, keys=1)
    line = order.lines.get()
    hold_line(line_id=line.pk, reason="核对", actor=olga)
    shelf.stock(line.sku, 5)
    with pytest.raises(NothingToDeliver):
        redeliver(order_id=order.pk, actor=olga)
    with clock.travel(order.paid_at + timedelta(days=9)):
        assert refund_overdue_short() == 0
    release_held(line_id=line.pk, actor=olga)
    line.refresh_from_db()
    assert (line.state, line.pieces_delivered, len(delivered_of(order))) == ("delivered", 3, 3)
    with pytest.raises(IllegalMove):
        hold_line(line_id=line.pk, reason="太晚", actor=olga)
    assert books() == {}


def test_a_refund_says_which_pieces_are_not_delivered_any_more(shelf, alice, desk):
    order = short_order(shelf, alice, keys=1)
    line = order.lines.get()
    act = Act(desk, page(order, "refund")).fill(**{f"line_{line.pk}": "10.00", "reason": "缺货"})
    assert "其中 1 件退款后不再补发" in act.text
    act.confirm()
    line.refresh_from_db()
    assert (line.state, line.pieces_missing) == ("short", 1)


def test_an_unpaid_order_is_cancelled_and_its_keys_return(shelf, alice, desk):
    sku = shelf.sku(keys=2)
    order = shelf.buy(alice, (sku, 2))
    assert "订单已取消" in Act(desk, page(order, "cancel")).confirm().done()
    assert Key.objects.filter(sku=sku, state="available").count() == 2
    assert "sue" in desk.get(page(order)).content.decode()


def test_a_look_at_the_keys_needs_a_reason_and_is_logged(shelf, alice, desk):
    order = shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)
    keys = [one.text for one in delivered_of(order)]
    act = Act(desk, page(order, "reveal")).fill(reason="")
    assert not AuditEntry.objects.filter(action="order.reveal").exists()
    act.fill(reason="买家称无法使用")
    assert not any(key in act.text for key in keys)
    act.confirm()
    assert all(key in act.text for key in keys)
    assert "no-store" in act.page["Cache-Control"]
    logged = AuditEntry.objects.get(action="order.reveal")
    assert (logged.actor, logged.detail) == ("sue", {"reason": "买家称无法使用", "count": 2})
    told = desk.get(page(order)).content.decode()
    assert "查看卡密" in told and "买家称无法使用" in told


def test_looks_are_limited_by_the_hour(shelf, alice, desk, settings):
    settings.KEY_REVEALS_PER_HOUR = 1
    order = shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)
    keys = [one.text for one in delivered_of(order)]
    Act(desk, page(order, "reveal")).fill(reason="x").confirm()
    act = Act(desk, page(order, "reveal")).fill(reason="x").confirm()
    assert not any(key in act.text for key in keys)
    assert AuditEntry.objects.filter(action="order.reveal").count() == 1


def test_a_note_is_kept_and_the_log_tells_only_that_it_changed(shelf, alice, desk):
    order = shelf.buy(alice, (shelf.sku(keys=2), 1))
    Act(desk, page(order, "note")).fill(text="客户来电，先不发").confirm()
    Act(desk, page(order, "note")).fill(text="<b>已解决</b>").confirm()
    text = desk.get(page(order)).content.decode()
    assert "&lt;b&gt;已解决" in text and "<b>已解决" not in text
    assert AuditEntry.objects.filter(action="order.note").latest("pk").detail == {"before": 8, "length": 10}


@pytest.mark.parametrize(
    "act", ["refund", "redeliver", "deliver", "hold", "release", "give-credit", "pay-out", "reveal", "note", "cancel"]
)
def test_looking_permits_no_act(shelf, alice, act):
    order = shelf.buy(alice, (shelf.sku(keys=2), 1), from_wallet=True)
    desk = at_desk(staff("lars", "orders.view_order"))
    assert desk.get(page(order)).status_code == 200
    assert desk.get(page(order, act)).status_code == 403
    posted = {"_step": "run", "reason": "x", "text": "x", f"line_{order.lines.get().pk}": "1"}
    assert desk.post(page(order, act), posted).status_code == 403
    assert balance_of(alice) == Decimal("990.00")
    assert act not in desk.get(page(order)).content.decode().split("desk-order")[0].split("/admin/")[-1]


def test_only_acts_that_fit_are_offered(shelf, alice, desk):
    def offered(order):
        text = desk.get(page(order)).content.decode()
        return {
            act
            for act in ("refund", "redeliver", "deliver", "hold", "release", "reveal", "cancel")
            if page(order, act) in text
        }

    sku = shelf.sku(keys=9)
    unpaid = shelf.buy(alice, (sku, 1))
    assert offered(unpaid) == {"cancel"}
    assert offered(shelf.buy(alice, (sku, 1), from_wallet=True)) == {"refund", "reveal"}
    assert offered(short_order(shelf, alice)) == {"refund", "reveal", "redeliver", "deliver", "hold"}
    Order.objects.filter(pk=unpaid.pk).update(pay_deadline=clock.now())
    expire(order_id=unpaid.pk)
    assert offered(unpaid) == set()


def test_orders_are_not_edited(shelf, alice, olga):
    order = shelf.buy(alice, (shelf.sku(keys=2), 1))
    desk = at_desk(olga)
    assert desk.post(page(order), {"total": "0.01", "state": "delivered"}).status_code == 403
    assert desk.post(page(order, "delete"), {"post": "yes"}).status_code == 403
    assert desk.get(f"{LIST}add/").status_code == 403


def test_an_export_needs_its_permission_and_names_whole_lines(shelf, alice, desk):
    order = shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)
    assert desk.get(f"{LIST}export-csv/").status_code == 403
    exporter = at_desk(staff("eva", "orders.view_order", "orders.export_order"))
    text = b"".join(exporter.get(f"{LIST}export-csv/?q={order.number}").streaming_content).decode()
    head, row = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    told = dict(zip(head, row, strict=True))
    assert told["订单号"] == order.number and told["商品"] == str(order.lines.get())
    assert told["状态"] == "已发货" and told["应付"] == "20.00"


def test_lines_and_refunds_have_lists_of_their_own(shelf, alice, olga, desk):
    order = short_order(shelf, alice)
    refund(order_id=order.pk, amounts={order.lines.get().pk: Decimal("2")}, ref="r9", reason="补偿", actor=olga)
    lines = desk.get("/admin/orders/orderline/?state__exact=short")
    assert [line.order_id for line in lines.context["cl"].result_list] == [order.pk]
    assert order.number in lines.content.decode() and "2 / 3" in lines.content.decode()
    refunds = desk.get("/admin/orders/orderrefund/").content.decode()
    assert "补偿" in refunds and "olga" in refunds and "¥2.00" in refunds
    stranger = at_desk(staff("gina", "catalog.view_product"))
    assert stranger.get("/admin/orders/orderline/").status_code == 403
    assert stranger.get("/admin/orders/orderrefund/").status_code == 403
    assert stranger.get(page(order)).status_code == 403


def test_the_operator_sets_when_short_goods_are_refunded(shelf, alice, desk):
    """What a buyer was told stays: the change is for lines that run short from now on."""
    told = short_order(shelf, alice)
    operator = at_desk(staff("ivy", "orders.view_deliveryrules", "orders.change_deliveryrules"))
    address = "/admin/orders/deliveryrules/1/change/"
    assert "自付款起算" in operator.get(address).content.decode()
    for wrong in ("0", "721", "-1", "1.5", "x"):
        assert operator.post(address, {"short_refund_hours": wrong}).status_code == 200
    assert operator.post(address, {"short_refund_hours": "2"}).status_code == 302
    entry = AuditEntry.objects.get(action="admin.change", target_type="orders.DeliveryRules")
    assert entry.actor_id == User.objects.get(username="ivy").pk
    assert desk.get(address).status_code == 403
    later = short_order(shelf, alice)
    for order, hours in ((told, 24), (later, 2)):
        assert order.lines.get().refund_due_at == order.paid_at + timedelta(hours=hours)
    with clock.travel(later.paid_at + timedelta(hours=3)):
        assert refund_overdue_short() == 1
    told.refresh_from_db()
    later.refresh_from_db()
    assert (told.refunded_total, later.refunded_total > 0) == (0, True)
    shown = Act(desk, f"/admin/orders/order/{told.pk}/redeliver/").text
    assert "自动退款时间" in shown


def test_a_line_that_was_held_keeps_the_time_that_its_buyer_was_told(shelf, alice, olga):
    line = short_order(shelf, alice).lines.get()
    due = line.refund_due_at
    DeliveryRules.objects.update(short_refund_hours=720)
    hold_line(line_id=line.pk, reason="查", actor=olga)
    assert release_held(line_id=line.pk, actor=olga).refund_due_at == due


def test_what_the_buyer_filled_in_goes_by_the_names_that_the_product_gives(desk, shelf, alice):
    zone = {"value": "ios-wechat", "label": "苹果微信区", "label_en": "iOS WeChat"}
    fields = [
        {"name": "zone", "label": "区服", "label_en": "Server", "type": "select", "options": [zone]},
        {"name": "account", "label": "账号", "label_en": "Account"},
    ]
    sku = shelf.sku("30.00", kind=Product.Kind.MANUAL, buyer_fields=fields)
    answers = {"zone": "ios-wechat", "account": "123456"}
    order = shelf.buy(alice, (sku, 1), fields=answers, from_wallet=True)
    line = order.lines.get()
    listed_line = desk.get("/admin/orders/orderline/").content.decode()
    assert "区服 苹果微信区；账号 123456" in listed_line and "ios-wechat" not in listed_line
    shown = desk.get(page(order)).content.decode()
    assert "<dt>区服</dt><dd>苹果微信区</dd>" in shown
    act = Act(desk, page(order, "deliver")).fill(line=line.pk, text="已充值")
    assert "区服" in act.text and "苹果微信区" in act.text and "ios-wechat" not in act.text
    # A field that the product no longer has keeps what it was called.
    sku.product.buyer_fields = []
    sku.product.save()
    assert "<dt>zone</dt><dd>ios-wechat</dd>" in desk.get(page(order)).content.decode()
