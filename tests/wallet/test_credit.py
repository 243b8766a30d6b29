"""Credit: granted by two, used up to the limit, paid back by its day."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from audit.exceptions import SamePerson
from audit.models import AuditEntry
from common import clock
from common.clock import SHANGHAI
from common.exceptions import OwnMatter
from events.services import relay
from notifications.models import Message
from orders.services import refund
from payments.exceptions import NotWithdrawable
from payments.services import place_top_up
from tenancy.selectors import main_storefront
from tests.desk import Act, at_desk, staff
from tests.payments.conftest import channel, running_sandbox, sandbox, till  # noqa: F401
from tests.payments.withdrawals import ask, open_withdrawals, verified_account
from tests.wallet.credit import credit, two
from wallet import services
from wallet.exceptions import (
    BadCreditTerms,
    CreditExhausted,
    InsufficientBalance,
    Moved,
    NoCredit,
    NothingOwed,
)
from wallet.models import CreditLine, CreditTerms
from wallet.selectors import auto_credit_of, balance_of, credit_line_of, dues_of, restricted_of
from wallet.services import credit as credit_services
from wallet.services.credit import due_date

pytestmark = pytest.mark.django_db


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def draw(user, amount: str, key: str = ""):
    return services.draw_credit(user=user, amount=Decimal(amount), idempotency_key=key or f"d{amount}")


def repay(user, amount: str, key: str = ""):
    return services.repay_credit(user=user, amount=Decimal(amount), idempotency_key=key or f"r{amount}")


@pytest.mark.parametrize(
    ("moment", "day", "due"),
    [
        ("2026-11-01 00:00", 10, "2026-12-10"),
        ("2026-11-30 23:59", 10, "2026-12-10"),
        ("2026-12-31 12:00", 28, "2027-01-28"),
        ("2027-01-31 12:00", 1, "2027-02-01"),
    ],
)
def test_what_is_used_in_a_month_is_due_in_the_next(moment, day, due):
    assert due_date(at(moment), day) == date.fromisoformat(due)


def test_two_wishes_whose_long_keys_differ_at_the_end_are_two(alice):
    line = credit(alice, "500.00")
    draw(alice, "200")
    for end in "12":
        repay(alice, "50", f"api:{'k' * 63}{end}")
    line.refresh_from_db()
    assert line.used == Decimal("100.00")


def test_two_people_grant_it_and_neither_is_the_member(alice):
    asks, grants = two()
    wish = {"user_id": alice.pk, "limit": Decimal(500), "due_day": 10, "reason": "老客户"}
    terms = services.propose_terms(**wish, actor=asks)
    assert credit_line_of(alice) is None
    with pytest.raises(Moved):
        services.propose_terms(**wish, actor=grants)
    with pytest.raises(SamePerson):
        services.grant_terms(terms_id=terms.pk, actor=asks)
    with pytest.raises(OwnMatter):
        services.grant_terms(terms_id=terms.pk, actor=alice)
    with pytest.raises(OwnMatter):
        services.propose_terms(**{**wish, "user_id": asks.pk}, actor=asks)
    services.grant_terms(terms_id=terms.pk, actor=grants)
    with pytest.raises(Moved):
        services.refuse_terms(terms_id=terms.pk, actor=grants)
    assert (credit_line_of(alice).limit, credit_line_of(alice).free) == (500, 500)
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"credit.ask", "credit.grant"}
    for bad in ({"limit": Decimal(-1)}, {"due_day": 29}, {"due_day": 0}, {"limit": Decimal(10**9)}):
        with pytest.raises(BadCreditTerms):
            services.propose_terms(**{**wish, **bad}, actor=asks)


def test_the_database_itself_wants_two_people(alice):
    asks, _grants = two()
    wish = {"user_id": alice.pk, "limit": Decimal(500), "due_day": 10, "reason": "x"}
    services.propose_terms(**wish, actor=asks)
    for who in (asks, alice):
        with pytest.raises(IntegrityError, match="credit_terms_second_person"), transaction.atomic():
            CreditTerms.objects.update(state="granted", decided_by=who, decided_at=clock.now())


def test_used_on_request_it_buys_and_is_not_withdrawn(alice):
    credit(alice)
    draw(alice, "300.00", "same")
    draw(alice, "300.00", "same")
    line = credit_line_of(alice)
    assert (line.used, line.free) == (300, 200)
    assert (balance_of(alice), restricted_of(alice)) == (Decimal("1300.00"), Decimal("300.00"))
    for amount in ("200.01", "0", "-1"):
        with pytest.raises(CreditExhausted):
            draw(alice, amount)
    open_withdrawals()
    verified_account(alice)
    with pytest.raises(NotWithdrawable) as refusal:
        ask(alice, "700.01")
    assert "700.00" in str(refusal.value), "what is owed stays in the wallet"


def test_by_itself_at_checkout_when_the_member_wants_it(charlie, shelf):
    credit(charlie, "100.00")
    shelf.fund(charlie, "20.00")
    sku = shelf.sku("60.00", keys=5)
    with pytest.raises(InsufficientBalance):
        shelf.buy(charlie, (sku, 1), from_wallet=True)
    services.set_auto_use(user=charlie, on=True)
    assert auto_credit_of(charlie) == 100
    order = shelf.buy(charlie, (sku, 1), from_wallet=True)
    line = credit_line_of(charlie)
    assert (line.used, balance_of(charlie)) == (40, 0)
    assert line.draws.get().memo == order.number
    with pytest.raises(InsufficientBalance):
        shelf.buy(charlie, (sku, 2), from_wallet=True)
    assert credit_line_of(charlie).used == 40, "a purchase that fails uses nothing"
    refund(order_id=order.pk, amounts={order.lines.get().pk: Decimal(60)}, ref="a", reason="", actor=None)
    assert (balance_of(charlie), restricted_of(charlie)) == (60, 40)


def test_a_full_wallet_uses_no_credit(alice, shelf):
    credit(alice, auto_use=True)
    shelf.buy(alice, (shelf.sku("60.00", keys=1), 1), from_wallet=True)
    assert credit_line_of(alice).used == 0


def test_paid_back_oldest_first(alice):
    credit(alice, due_day=5)
    with clock.travel(at("2026-09-15 12:00")):
        draw(alice, "100.00")
    with clock.travel(at("2026-10-02 12:00")):
        draw(alice, "50.00")
        line = credit_line_of(alice)
        assert [(one.on.isoformat(), one.amount) for one in dues_of(line, date(2026, 10, 2))] == [
            ("2026-10-05", 100),
            ("2026-11-05", 50),
        ]
        for _ in range(2):
            repay(alice, "120.00", "same")
    line = credit_line_of(alice)
    assert (line.used, [(one.repaid, one.left) for one in line.draws.order_by("pk")]) == (30, [(100, 0), (20, 30)])
    assert repay(alice, "999.00").amount == 30
    with pytest.raises(NothingOwed):
        repay(alice, "1.00")
    assert (balance_of(alice), restricted_of(alice)) == (1000, 0)


def test_a_top_up_may_pay_it_back(till, channel, charlie):  # noqa: F811
    credit(charlie)
    draw(charlie, "80.00")
    top_up = place_top_up(
        user=charlie, storefront=main_storefront(), amount=Decimal(100), idempotency_key="t", repays_credit=True
    )
    attempt = till.start(top_up, channel)
    till.pay(attempt)
    till.send(channel, till.fields(attempt))
    assert (credit_line_of(charlie).used, balance_of(charlie)) == (0, 100)


def told(user) -> list[str]:
    relay()
    kinds = Message.objects.filter(user=user).order_by("pk").values_list("kind", flat=True)
    return [kind for kind in kinds if kind.startswith("credit")]


def test_a_credit_line_that_cannot_be_tended_holds_up_no_other(alice, bob, monkeypatch):
    with clock.travel(at("2026-09-10 09:00")):
        for user in (alice, bob):
            credit(user, due_day=5)
            draw(user, "100.00")
    tell = credit_services.tell

    def fails_first(line, *told):
        if line.user_id == min(alice.pk, bob.pk):
            raise RuntimeError("broken on purpose")
        tell(line, *told)

    monkeypatch.setattr(credit_services, "tell", fails_first)
    with clock.travel(at("2026-10-02 08:10")):
        assert services.tend_credit_lines() == (1, 0)


def test_warned_frozen_and_free_again(alice):
    with clock.travel(at("2026-09-15 12:00")):
        credit(alice, due_day=5)
        draw(alice, "100.00")
    with clock.travel(at("2026-10-01 08:10")):
        assert services.tend_credit_lines() == (0, 0)
    for moment in ("2026-10-02 08:10", "2026-10-03 08:10", "2026-10-05 08:10"):
        with clock.travel(at(moment)):
            assert services.tend_credit_lines() == ((1, 0) if "10-02" in moment else (0, 0))
    with clock.travel(at("2026-10-06 08:10")):
        assert services.tend_credit_lines() == (0, 1)
        assert services.tend_credit_lines() == (0, 0)
        assert credit_line_of(alice).state == "overdue"
        assert credit_line_of(alice).free == 0
        with pytest.raises(NoCredit):
            draw(alice, "1.00")
        repay(alice, "99.99")
        assert credit_line_of(alice).state == "overdue"
        repay(alice, "0.01")
        assert credit_line_of(alice).state == "active"
        draw(alice, "1.00")
    assert told(alice) == ["credit_granted", "credit_due", "credit_frozen", "credit_unfrozen"]
    moves = list(credit_line_of(alice).moves.order_by("pk").values_list("from_state", "to_state"))
    assert moves == [("", "active"), ("active", "overdue"), ("overdue", "active")]


def test_frozen_by_a_person_it_stays_so_until_one_lifts_it(alice, shelf):
    asks, _ = two()
    credit(alice, auto_use=True)
    draw(alice, "100.00")
    services.freeze_line(user_id=alice.pk, reason="异常", actor=asks)
    repay(alice, "100.00")
    assert credit_line_of(alice).state == "frozen"
    with pytest.raises(NoCredit):
        draw(alice, "1.00", "again")
    with pytest.raises(InsufficientBalance):
        shelf.buy(alice, (shelf.sku("1001.00", keys=1), 1), from_wallet=True)
    services.unfreeze_line(user_id=alice.pk, reason="已核实", actor=asks)
    draw(alice, "1.00", "again")


def test_a_lower_limit_takes_nothing_back_and_lends_no_more(alice):
    credit(alice, "500.00")
    draw(alice, "300.00")
    credit(alice, "200.00")
    line = credit_line_of(alice)
    assert (line.used, line.free, balance_of(alice)) == (300, 0, 1300)
    with pytest.raises(CreditExhausted):
        draw(alice, "0.01")
    repay(alice, "150.00")
    draw(alice, "50.00")


def test_whoever_has_none_finds_none(client, alice, bob):
    client.force_login(bob)
    assert client.get("/wallet/credit/").status_code == 404
    assert client.post("/wallet/credit/", {"act": "draw", "amount": "1"}).status_code == 404
    with pytest.raises(NoCredit):
        draw(bob, "1.00")


def test_on_the_page(client, alice, shelf):
    credit(alice)
    client.force_login(alice)
    assert "/wallet/credit/" in client.get("/wallet/").content.decode()
    page = client.get("/wallet/credit/")
    token = page.context["token"]
    for _ in range(2):
        assert client.post("/wallet/credit/", {"act": "draw", "amount": "100", "token": token}).status_code == 302
    shown = client.get("/wallet/credit/").content.decode()
    assert "¥400.00" in shown and "¥100.00" in shown
    for bad in ("", "x", "0", "401", "NaN"):
        assert client.post("/wallet/credit/", {"act": "draw", "amount": bad, "token": f"t{bad}"}).context["refusal"]
    client.post("/wallet/credit/", {"act": "repay", "amount": "40", "token": "r"})
    assert credit_line_of(alice).used == 60
    client.post("/wallet/credit/", {"act": "auto-on"})
    assert CreditLine.objects.get().auto_use
    sku = shelf.sku("1200.00", keys=1)
    shown = client.get(f"/checkout/?sku={sku.public_id}&quantity=1").content.decode()
    assert "另用授信 ¥140.00" in shown
    assert "先归还授信" in client.get("/wallet/topup/?for=credit&amount=60").content.decode()


def test_at_the_desk(alice):
    every = [
        f"wallet.{one}"
        for one in ("view_creditline", "view_creditterms", "propose_credit", "approve_credit", "freeze_credit")
    ]
    first, second = at_desk(staff("first", *every)), at_desk(staff("second", *every))
    act = Act(first, "/admin/wallet/creditline/propose/")
    act.fill(member="alice", limit="800", due_day="8", reason="老客户")
    assert "¥800.00" in act.text
    assert "已提交" in act.confirm().done()
    terms = CreditTerms.objects.get()
    address = f"/admin/wallet/creditterms/{terms.pk}/"
    assert "grant/" not in first.get(address + "change/").content.decode()
    assert "已批准" in Act(second, address + "grant/").confirm().done()
    line = CreditLine.objects.get()
    assert "已冻结" in Act(first, f"/admin/wallet/creditline/{line.pk}/freeze/").fill(reason="x").confirm().done()
    viewer = at_desk(staff("viewer", "wallet.view_creditline", "wallet.view_creditterms"))
    for path in (
        f"/admin/wallet/creditline/{line.pk}/freeze/",
        "/admin/wallet/creditline/propose/",
        address + "grant/",
    ):
        assert viewer.get(path).status_code == 403, path


def test_what_is_overdue_lends_nothing_also_before_beat_came(charlie, shelf, client):
    with clock.travel(at("2026-09-15 12:00")):
        credit(charlie, due_day=5, auto_use=True)
        draw(charlie, "100.00")
    with clock.travel(at("2026-10-06 00:01")):
        with pytest.raises(NoCredit):
            draw(charlie, "10.00")
        assert auto_credit_of(charlie) == 0
        with pytest.raises(InsufficientBalance):
            shelf.buy(charlie, (shelf.sku("150.00", keys=1), 1), from_wallet=True)
        client.force_login(charlie)
        assert "使用授信" not in client.get("/wallet/credit/").content.decode()
        repay(charlie, "100.00")
        draw(charlie, "10.00")


def test_a_button_that_does_not_exist_draws_nothing(client, alice):
    credit(alice)
    client.force_login(alice)
    for act in ("", "repey"):
        page = client.post("/wallet/credit/", {"act": act, "amount": "10", "token": "t"}, follow=True)
        assert "请选择要做什么" in page.content.decode()
    assert credit_line_of(alice).used == 0
