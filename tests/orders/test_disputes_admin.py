"""The desk of after-sale: what is due first, who may do what, and that a preview tells what will happen."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from common import clock
from orders import services
from orders.models import Dispute, DisputePicture, DisputeRules, OrderRefund
from tests.complaints import complain, decide, keys_on, picture
from tests.desk import Act, at_desk, staff, text_of

pytestmark = pytest.mark.django_db
SEES = ["orders.view_dispute"]
LIST = reverse("admin:orders_dispute_changelist")
HOUR = timedelta(hours=1)
# The acts that fit a fresh case, by the right that each needs.
RIGHTS = {
    "orders.answer_dispute": ("answer",),
    "orders.decide_dispute": ("replace", "reject", "ask_buyer"),
    "orders.refund_dispute": ("refund_all", "refund_part"),
}


@pytest.fixture
def sku(shelf):
    return shelf.sku("10.00", keys=8)


@pytest.fixture
def bought(shelf, sku, alice):
    return shelf.buy(alice, (sku, 3), from_wallet=True)


@pytest.fixture
def dispute(bought) -> Dispute:
    return complain(bought, keys_on(bought.lines.get())[0], pictures=[picture()])


def page(dispute: Dispute) -> str:
    return reverse("admin:orders_dispute_change", args=[dispute.pk])


def act(dispute: Dispute, name: str) -> str:
    return reverse(f"admin:orders_dispute_{name}", args=[dispute.pk])


def numbers(client, query: str = "") -> list[str]:
    return [one.number for one in client.get(f"{LIST}{query}").context["cl"].result_list]


class TestTheList:
    def test_what_is_due_first_stands_first_and_what_is_over_last(self, shelf, sku, alice, bob, olga):
        cases = []
        for hours, member in ((0, alice), (1, bob), (2, alice)):
            with clock.travel(clock.now() + hours * HOUR):
                cases.append(complain(shelf.buy(member, (sku, 1), from_wallet=True)))
        services.withdraw_dispute(dispute_id=cases[0].pk)
        with clock.travel(clock.now() + 25 * HOUR + timedelta(minutes=30)):
            client = at_desk(olga)
            assert numbers(client) == [cases[1].number, cases[2].number, cases[0].number]
            assert numbers(client, "?turn=overdue") == [cases[1].number]
            assert numbers(client, "?turn=desk") == [cases[1].number, cases[2].number]
            assert "超时" in text_of(client.get(LIST))

    def test_filters_and_search(self, dispute, bought, alice, olga):
        client = at_desk(olga)
        product = bought.lines.get().product_id
        for query in ("state__exact=seller", "reason__exact=used", f"product={product}", "turn=open", "turn=mine"):
            assert numbers(client, f"?{query}") == [dispute.number], query
        for query in ("state__exact=closed", "reason__exact=other", f"product={product + 1}", "product=x%00"):
            assert numbers(client, f"?{query}") in ([], [dispute.number]), query
        for term in (dispute.number, dispute.number[:9].lower(), bought.number, "alice"):
            assert numbers(client, f"?q={term}") == [dispute.number], term
        assert numbers(client, "?q=bob") == []

    def test_export(self, dispute, olga):
        client = at_desk(staff("vera", *SEES))
        assert client.get(f"{LIST}export-csv/").status_code == 403
        answer = at_desk(olga).get(f"{LIST}export-csv/")
        assert dispute.number in b"".join(answer.streaming_content).decode()


class TestThePage:
    def test_it_shows_both_sides_pieces_and_evidence(self, dispute, bought, olga):
        services.answer_dispute(dispute_id=dispute.pk, text="逐条验过", proposal="replace", actor=olga)
        client = at_desk(olga)
        answer = client.get(page(dispute))
        shown = text_of(answer)
        assert "逐条验过" in shown and keys_on(bought.lines.get())[0].preview in shown
        shot = DisputePicture.objects.get()
        address = reverse("admin:orders_dispute_picture", args=[dispute.pk, shot.public_id])
        assert address in answer.content.decode()
        assert client.get(address)["Content-Type"] == "image/webp"
        assert dispute.number in text_of(client.get(reverse("admin:orders_order_change", args=[bought.pk])))

    def test_evidence_is_for_who_sees_cases(self, dispute, alice):
        address = reverse("admin:orders_dispute_picture", args=[dispute.pk, DisputePicture.objects.get().public_id])
        assert at_desk(staff("nora", "orders.view_order")).get(address).status_code in {302, 403, 404}
        assert at_desk(alice).get(address).status_code == 302
        assert at_desk(staff("vera", *SEES)).get(address).status_code == 200

    @pytest.mark.parametrize("right", [None, *RIGHTS])
    def test_each_act_needs_its_right(self, dispute, right):
        client = at_desk(staff("vera", *SEES, *([right] if right else [])))
        shown = client.get(page(dispute)).content.decode()
        for needed, acts in RIGHTS.items():
            for name in acts:
                assert (act(dispute, name) in shown) == (needed == right), name
                assert client.get(act(dispute, name)).status_code == (200 if needed == right else 403), name


class TestActs:
    def test_replacing_after_a_preview(self, dispute, olga):
        done = Act(at_desk(olga), act(dispute, "replace")).fill(reason="已核实，为你换新")
        assert "足够，立即换新" in done.text and "作废" in done.text
        assert "换新" in done.confirm().done()
        assert Dispute.objects.get().outcome == "replace"

    def test_short_stock_is_said(self, dispute, sku, shelf, bob, olga):
        shelf.buy(bob, (sku, 5), from_wallet=True)
        tried = Act(at_desk(olga), act(dispute, "replace")).fill(reason="为你换新")
        assert "库存不足" in tried.text
        queued = Act(at_desk(olga), act(dispute, "replace")).fill(reason="为你换新", wait="on")
        assert "排队" in queued.text
        queued.confirm().done()
        assert Dispute.objects.get().state == "restock"
        Act(at_desk(olga), act(dispute, "money_instead")).confirm().done()
        assert OrderRefund.objects.get().amount == Decimal("10.00")
        assert AuditEntry.objects.filter(action="dispute.money_instead").exists()

    def test_part_of_the_money(self, dispute, olga):
        client = at_desk(olga)
        too_much = Act(client, act(dispute, "refund_part")).fill(amount="10.01", reason="差额")
        assert "确认退款" not in too_much.text
        told = Act(client, act(dispute, "refund_part")).fill(amount="4.00", reason="面额标错，退差额")
        assert "4.00" in told.text and "alice" in told.text and "申诉" in told.text
        told.confirm().done()
        assert (Dispute.objects.get().state, Dispute.objects.get().refunded) == ("decided", Decimal("4.00"))

    def test_the_last_button_twice_refunds_once(self, dispute, olga):
        told = Act(at_desk(olga), act(dispute, "refund_all")).fill(reason="全额退款")
        address, fields = told.address, told._hidden()
        told.confirm()
        told.client.post(address, fields)
        assert OrderRefund.objects.count() == 1

    def test_rejecting_says_what_it_may_cost_the_member(self, dispute, olga):
        told = Act(at_desk(olga), act(dispute, "reject")).fill(reason="已在你的账号兑换", abusive="on")
        assert "信誉" in told.text
        told.confirm().done()
        assert Dispute.objects.get().is_abusive

    def test_who_decided_is_not_offered_the_appeal(self, dispute, olga, alice):
        vera = staff("vera", *SEES, "orders.decide_dispute")
        decide(dispute, "reject", by=vera)
        services.appeal_decision(dispute_id=dispute.pk, text="请再看一次", actor=alice)
        assert act(dispute, "reject") not in at_desk(vera).get(page(dispute)).content.decode()
        refused = Act(at_desk(vera), act(dispute, "reject")).fill(reason="还是不行").confirm()
        assert "另一位员工" in refused.text
        Act(at_desk(olga), act(dispute, "replace")).fill(reason="复核后换新").confirm().done()
        assert Dispute.objects.get().state == "closed"

    def test_an_appeal_that_nobody_else_took_is_offered_with_a_warning(self, dispute, alice):
        vera = staff("vera", *SEES, "orders.decide_dispute")
        decide(dispute, "reject", by=vera)
        services.appeal_decision(dispute_id=dispute.pk, text="请再看一次", actor=alice)
        dispute.refresh_from_db()
        with clock.travel(dispute.due_at):
            desk = at_desk(vera)
            assert numbers(desk, "?turn=mine") == [dispute.number]
            told = Act(desk, act(dispute, "reject")).fill(reason="复核后维持原裁定")
            assert "你在复核自己的裁定" in told.text
            told.confirm().done()
            assert "由原裁定人复核" in text_of(desk.get(page(dispute)))

    def test_answering_and_asking(self, dispute, olga):
        Act(at_desk(olga), act(dispute, "ask_buyer")).fill(text="请补截图").confirm().done()
        Act(at_desk(olga), act(dispute, "answer")).fill(text="请平台核实", proposal="").confirm().done()
        assert [move.cause for move in dispute.moves.all()] == ["opened", "asked", "answered"]


class TestMany:
    def test_many_with_one_reason_each_by_itself(self, bought, olga):
        cases = [complain(bought, key) for key in keys_on(bought.lines.get())]
        services.withdraw_dispute(dispute_id=cases[2].pk)
        chosen = {"action": "refund_chosen", "_selected_action": [one.pk for one in cases]}
        told = Act(at_desk(olga), LIST, **chosen).fill(reason="同一批次问题，全额退款")
        assert "20.00" in told.text and cases[0].number in told.text
        assert "2" in told.confirm().done()
        assert OrderRefund.objects.count() == 2
        assert Dispute.objects.filter(verdict="同一批次问题，全额退款").count() == 2

    def test_what_stock_does_not_reach_is_told(self, shelf, alice, olga):
        sku = shelf.sku("10.00", keys=3)
        order = shelf.buy(alice, (sku, 2), from_wallet=True)
        cases = [complain(order, key) for key in keys_on(order.lines.get())]
        chosen = {"action": "replace_chosen", "_selected_action": [one.pk for one in cases]}
        done = Act(at_desk(olga), LIST, **chosen).fill(reason="同一批次问题").confirm().done()
        assert cases[1].number in done
        assert sorted(Dispute.objects.values_list("state", flat=True)) == ["decided", "seller"]


def test_rules_are_set_and_checked(olga):
    client = at_desk(olga)
    address = reverse("admin:orders_disputerules_change", args=[1])
    fields = {
        "seller_hours": 12,
        "operator_hours": 24,
        "appeal_hours": 48,
        "restock_hours": 24,
        "no_warranty_hours": 6,
        "max_pictures": 3,
        "max_picture_mb": 5,
    }
    assert client.post(address, fields).status_code == 302
    assert DisputeRules.objects.get().seller_hours == 12
    assert client.post(address, {**fields, "seller_hours": 0}).status_code == 200
    assert DisputeRules.objects.get().seller_hours == 12
    assert AuditEntry.objects.filter(action="admin.change", target_type="orders.DisputeRules").exists()


def test_the_board_counts_what_waits(dispute, olga):
    with clock.travel(clock.now() + 25 * HOUR):
        board = at_desk(olga).get(reverse("admin:index")).context["board"]
    tiles = {tile.key: tile for tile in board.todo}
    assert (tiles["disputes"].value, tiles["late_disputes"].value) == (1, 1)
    assert numbers(at_desk(olga), "?" + tiles["disputes"].address.split("?")[1]) == [dispute.number]
