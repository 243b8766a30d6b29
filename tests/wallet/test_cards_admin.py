"""Cards at the desk: each act in its turn, by whom it is for."""

from datetime import timedelta

import pytest

from common import clock
from tests.desk import Act, at_desk, says_it_again, staff
from tests.wallet.cards import batch, codes
from wallet.models import Card, CardBatch

pytestmark = pytest.mark.django_db
ALL = (
    "view_cardbatch",
    "view_card",
    "issue_cards",
    "review_cards",
    "export_cards",
    "release_cards",
    "stock_cards",
    "void_cards",
)
RIGHTS = [f"wallet.{one}" for one in ALL]


@pytest.fixture
def petra(db):
    return staff("petra", *RIGHTS)


@pytest.fixture
def quentin(db):
    return staff("quentin", *RIGHTS)


def page(made: CardBatch, act: str = "") -> str:
    return f"/admin/wallet/cardbatch/{made.pk}/{act + '/' if act else 'change/'}"


def test_from_the_form_to_the_file(petra, quentin):
    act = Act(at_desk(petra), "/admin/wallet/cardbatch/make/")
    act.fill(name="中秋礼品卡", kind="gift", face_value="200", count="10", last_day="2027-12-31", wording="中秋快乐")
    assert "¥2,000.00" in act.text and "另一名员工" in act.text
    assert "复核" in act.confirm().done()
    made = CardBatch.objects.get()
    assert at_desk(petra).get(page(made)).content.decode().count("/review/") == 0
    assert "已发行" in Act(at_desk(quentin), page(made, "review")).confirm().done()
    known = codes(made)
    assert "另一名员工" in Act(at_desk(petra), page(made, "ask-codes")).fill(reason="印刷").confirm().done()
    assert "24 小时后" in Act(at_desk(quentin), page(made, "approve-codes")).confirm().done()
    desk = at_desk(petra)
    assert desk.post(page(made, "take-codes"), {"_step": "run"})["Location"].startswith("/account/reauthenticate/")
    assert "还没有到可用时间" in Act(says_it_again(desk), page(made, "take-codes")).confirm().done()
    with clock.travel(clock.now() + timedelta(hours=25)):
        answer = Act(desk, page(made, "take-codes")).confirm().page
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert "no-store" in answer["Cache-Control"]
    assert [line.split(",")[1].strip('"') for line in text.splitlines()[1:]] == known
    shown = at_desk(petra).get(page(made)).content.decode()
    assert not any(code in shown for code in known)
    desk = at_desk(petra)
    assert desk.post(page(made, "take-codes-again"))["Location"].startswith("/account/reauthenticate/")
    desk.post("/account/reauthenticate/", {"password": "tea-and-keys-9"})
    again = Act(desk, page(made, "take-codes-again")).confirm().page
    assert b"".join(again.streaming_content).decode("utf-8-sig") == text
    assert "不能再下载" in Act(desk, page(made, "drop-codes")).confirm().done()


def test_each_act_needs_its_own_right(petra):
    made = batch(petra)
    vera = at_desk(staff("vera", "wallet.view_cardbatch", "wallet.view_card"))
    assert vera.get(page(made)).status_code == 200
    for act in (
        "review",
        "refuse",
        "ask-codes",
        "approve-codes",
        "deny-codes",
        "take-codes",
        "take-codes-again",
        "drop-codes",
        "void",
    ):
        assert vera.get(page(made, act)).status_code == 403, act
    assert vera.get("/admin/wallet/cardbatch/make/").status_code == 403
    assert vera.get(f"/admin/orders/orderline/cards/{made.pk}/stock/").status_code == 403


def test_a_card_in_hand_is_found_by_its_code(petra, alice):
    made = batch(petra)
    code = codes(made)[1]
    desk = at_desk(petra)
    shown = desk.get("/admin/wallet/card/", {"q": code.lower()}).content.decode()
    assert f"{made.pk}-00002" in shown and f"{made.pk}-00001" not in shown
    assert f"{made.pk}-0000" not in desk.get("/admin/wallet/card/", {"q": "no such"}).content.decode()


def test_voiding_shows_how_many_first(petra):
    made = batch(petra)
    act = Act(at_desk(petra), page(made, "void")).fill(first="2", last="3", reason="印坏了")
    assert not Card.objects.filter(state="voided").exists()
    assert "2 张" in act.confirm().done()
    assert "起始序号" in Act(at_desk(petra), page(made, "void")).fill(first="3", last="1", reason="x").text


def test_into_the_stock_of_a_sku(petra, shelf):
    made, sku = batch(petra), shelf.sku("45.00")
    address = f"/admin/orders/orderline/cards/{made.pk}/stock/"
    assert address in at_desk(petra).get(page(made)).content.decode()
    act = Act(at_desk(petra), address).fill(code=sku.code)
    assert "售价低于面值" in act.text
    assert "3 张" in act.confirm().done()
    assert "没有这个编码" in Act(at_desk(petra), address).fill(code="nothing").text
