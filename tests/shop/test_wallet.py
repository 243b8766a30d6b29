"""The wallet's pages: cards."""

import pytest

from tests.desk import staff
from tests.wallet.cards import batch, codes

pytestmark = pytest.mark.django_db


def test_alice_redeems_a_card_on_the_page(as_member, alice):
    browser = as_member(alice)
    assert "/wallet/redeem/" in browser.client.get("/wallet/").content.decode()
    code = codes(batch(staff("petra"), wording="新年快乐"))[0]
    shown = browser.client.post("/wallet/redeem/", {"code": code}).content.decode()
    assert "兑换成功" in shown and "新年快乐" in shown and "1,050.00" in shown
    assert "已经兑换过" in browser.client.post("/wallet/redeem/", {"code": code}).content.decode()
    assert "只能购物" in browser.client.get("/wallet/").content.decode()


@pytest.mark.parametrize("code", ["", "x", "\0", "7" * 20, "7" * 81])
def test_a_wrong_code_is_told_beside_the_field(as_member, alice, code):
    answer = as_member(alice).client.post("/wallet/redeem/", {"code": code})
    assert answer.status_code == 200
    assert answer.context["form"].errors["code"]
