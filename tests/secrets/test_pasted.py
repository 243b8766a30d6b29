"""People copy keys and codes into words: what they wrote is stored, what they could redeem is not."""

from decimal import Decimal

import pytest
from django.db import connection

from catalog.models import ReviewTicket
from catalog.services.moderation import reply_to_review
from common import clock
from common.concealing import conceal
from events.services import relay
from orders.services import hold_line, refund
from orders.services.disputes.answering import say_in_dispute
from orders.services.staff import reveal, set_note
from payments import services as payments
from payments.models import NotifyLog
from payments.services.applying import book_unclaimed
from tests.complaints import complain, decide
from tests.opinions import write
from tests.payments.conftest import channel, running_sandbox, sandbox, till  # noqa: F401
from wallet.models import Transfer
from wallet.sealing import open_codes
from wallet.services.batches import make_batch

pytestmark = pytest.mark.django_db


def stored(text: str) -> list[str]:
    """The tables that hold this text, in big letters or small ones."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT 1 FROM "{table}" t WHERE t::text ILIKE %s LIMIT 1', [f"%{text}%"])
            if cursor.fetchone():
                found.append(table)
    return found


@pytest.fixture
def bought(alice, shelf):
    """(the key, the order) of a member who has a key in hand; one more of the kind lies in stock."""
    sku = shelf.sku("1.00")
    key, spare = shelf.stock(sku, 2)
    return key, spare, shelf.buy(alice, (sku, 1), from_wallet=True)


SPELLINGS = [
    str,
    str.lower,
    lambda key: key.replace("-", ""),
    lambda key: key.replace("-", " - "),
    lambda key: key + "了",
]


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_in_a_case_from_its_opening_to_its_end(bought, olga, alice, spelt):
    key, _spare, order = bought
    case = complain(order, text=f"卡密{spelt(key)}提示已被使用")
    assert case.text.startswith("卡密TEST-") and "提示已被使用" in case.text
    say_in_dispute(dispute_id=case.pk, text=f"就是 {spelt(key)}", party="buyer", actor=alice)
    decide(case, "reject", by=olga, reason=f"{spelt(key)} 核实可用")
    assert stored(key) == stored(key.replace("-", "")) == []


def test_in_a_review_and_its_answer(bought):
    key, _spare, order = bought
    relay()
    ticket = ReviewTicket.objects.get(line_id=order.lines.get().pk)
    text = f"秒到账，卡密 {key.lower()} 已经用上了"
    review = write(ticket, text=text)
    assert write(ticket, text=text) == review, "the same words again are the same review"
    reply_to_review(review_id=review.pk, text=f"谢谢，{key} 可用", actor=None)
    assert stored(key) == []


def test_in_the_notes_and_reasons_of_staff_those_in_stock_too(bought, olga):
    key, spare, order = bought
    set_note(order_id=order.pk, text=f"买家的卡密是 {key}，换给他 {spare}", actor=olga)
    reveal(order_id=order.pk, reason=f"买家称 {key} 无效", limit=10, actor=olga)
    line = order.lines.get()
    refund(order_id=order.pk, amounts={line.pk: line.cash}, ref="r", reason=f"code={spare.lower()}", actor=olga)
    assert stored(key) == stored(spare) == []


def test_in_the_reasons_of_acts_about_an_orders_payment(till, channel, shelf, alice, olga):  # noqa: F811
    sku = shelf.sku("10.00")
    (key,) = shelf.stock(sku, 1)
    order = shelf.buy(alice, (sku, 1))
    first, second, third = (till.start(order, till.channel()) for _ in range(3))
    till.pay(first)
    told = {"reason": f"卡密 {key} 无效", "actor": olga}
    refund(order_id=order.pk, amounts={order.lines.get().pk: Decimal(10)}, ref="r", **told)
    back = payments.return_payment(attempt_id=first.pk, amount=Decimal(10), ref="s", **told)
    payments.settle_refund(refund_id=back.pk, done=False, **told)
    payments.confirm_payment(attempt_id=second.pk, provider_txn="T-1", amount=Decimal(10), **told)
    facts = {"channel": third.channel, "attempt_id": third.pk, "number": third.number, "amount": Decimal(10)}
    facts |= {"received_at": clock.now(), "verdict": NotifyLog.Verdict.HELD, "http_method": "GET"}
    log, other = (NotifyLog.objects.create(provider_txn=txn, **facts) for txn in ("T-2", "T-3"))
    payments.dismiss_notify(log_id=other.pk, **told)
    payments.book_held(log_id=log.pk, **told)
    book_unclaimed(channel=channel, number="P1", provider_txn="T-4", amount=Decimal(10))
    unclaimed = Transfer.objects.get(kind=Transfer.Kind.UNCLAIMED)
    payments.assign_to_order(transfer_id=unclaimed.pk, order_id=order.pk, **told)
    assert stored("无效") and stored(key) == []


def test_in_the_reason_for_which_a_line_is_held(shelf, alice, olga):
    sku = shelf.sku("1.00", kind="manual")
    order = shelf.buy(alice, (sku, 1), from_wallet=True)
    batch = make_batch(name="卡", kind="gift", face_value=1, count=1, expires_at=None, actor=olga)
    [code] = open_codes(batch)
    hold_line(line_id=order.lines.get().pk, reason=f"他用 {code} 付的", actor=olga)
    assert stored(code) == []


@pytest.mark.parametrize("spelt", [str, str.lower, lambda code: "-".join(code[at : at + 4] for at in range(0, 20, 4))])
def test_codes_of_cards_are_money(bought, olga, settings, spelt):
    batch = make_batch(name="卡", kind="gift", face_value=1, count=2, expires_at=None, actor=olga)
    code, _other = open_codes(batch)
    written = spelt(code)
    set_note(order_id=bought[2].pk, text=f"送他一张：{written}，谢谢", actor=olga)
    assert stored(code) == stored(written) == []


def test_a_password_behind_an_account_is_hidden_by_itself(alice, shelf, monkeypatch):
    sku = shelf.sku("1.00")
    monkeypatch.setattr("tests.shelf.secrets.token_hex", lambda count: "aa----hunter2-secret")
    shelf.stock(sku, 1)
    order = shelf.buy(alice, (sku, 1), from_wallet=True, key="once-only")
    case = complain(order, text="密码 HUNTER2-SECRET 不对，登录不了")
    assert case.text == "密码 ****** 不对，登录不了"


def test_other_words_stay_as_they_are():
    text = "TEST-0000 订单 K202612010001 电话 010-12345678，ABCDEFGHJKMNPQRSTVWX"
    assert conceal(text, lines=[1], products=[1]) == text
