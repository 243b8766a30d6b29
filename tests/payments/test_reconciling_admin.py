"""Statements and differences at the desk: upload, preview, confirm, hand out, close, and who may not."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from audit.models import AuditEntry
from common import clock
from payments.models import Channel, PaymentAttempt, ReconciliationCase
from payments.reconciling.models import Reconciliation
from tests.desk import Act, at_desk, staff, text_of
from tests.payments.statements import NOON, Entry, entry_of, epay, generic, make_channel, make_payments

pytestmark = pytest.mark.django_db
RUNS, CASES = "/admin/payments/reconciliation/", "/admin/payments/reconciliationcase/"
SEES = ["payments.view_reconciliation", "payments.view_reconciliationcase", "payments.view_paymentattempt"]


@pytest.fixture(autouse=True)
def later():
    with clock.travel(NOON + timedelta(hours=30)):
        yield


@pytest.fixture
def fay(db):
    return staff("fay", *SEES, "payments.reconcile_channel", "payments.work_case", "payments.change_channel")


@pytest.fixture
def desk(fay):
    return at_desk(fay)


@pytest.fixture
def channel(db):
    return make_channel("bookish")


@pytest.fixture
def paid(channel, charlie):
    return make_payments(channel, charlie, [NOON, NOON + timedelta(minutes=1)])


def upload(desk, channel, data: bytes, name: str = "bill.csv", **typed):
    file = SimpleUploadedFile(name, data)
    return desk.post(f"{RUNS}upload/", {"channel": channel.pk, "file": file, "day": "", "form": "", **typed})


def uploaded(desk, channel, data: bytes) -> Reconciliation:
    answer = upload(desk, channel, data)
    assert answer.status_code == 302, text_of(answer)
    return Reconciliation.objects.latest("pk")


def test_a_statement_is_uploaded_previewed_and_confirmed(desk, channel, paid, fay):
    run = uploaded(desk, channel, epay([entry_of(paid[0]), Entry("P-NONE", "T-NONE", paid[0].amount)]))
    page = desk.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "还没有建立任何差异" in page and paid[1].number in page and "T-NONE" in page
    assert not ReconciliationCase.objects.exists()
    act = Act(desk, f"{RUNS}{run.pk}/confirm/")
    assert "确认并建差异" in act.text and "T-NONE" in act.text
    assert "已建立对账差异" in act.confirm().done()
    # Whoever confirms has them.
    assert set(ReconciliationCase.objects.values_list("state", "owner")) == {("assigned", fay.pk)}
    page = desk.get(f"{RUNS}{run.pk}/change/").content.decode()
    address = f"{CASES}?run__id__exact={run.pk}&amp;kind__exact=missing"
    assert address in page
    listed = text_of(desk.get(address.replace("&amp;", "&")))
    assert paid[1].number in listed and "T-NONE" not in listed
    logged = AuditEntry.objects.get(action="reconciliation.confirm")
    assert (logged.actor, logged.detail["count"]) == ("fay", 2)


def test_what_is_wrong_with_a_file_is_told_on_the_form(desk, channel):
    answer = upload(desk, channel, "商户订单号,订单金额,支付状态\nP1,一块,已支付\n".encode())
    assert answer.status_code == 200 and "第 2 行“订单金额”不是金额：一块" in text_of(answer)
    assert "日期写成" in text_of(upload(desk, channel, b"x", day="heute"))
    answer = desk.post(f"{RUNS}upload/", {"channel": "x", "day": ""}, HTTP_ACCEPT_LANGUAGE="en")
    assert answer.status_code == 200
    big = upload(desk, channel, b"x" * (3 * 1024 * 1024 + 1), name="a.xlsx")
    assert "manage.py reconcile" in text_of(big)
    assert not Reconciliation.objects.exists()


def test_a_preview_can_be_dropped(desk, channel, paid):
    run = uploaded(desk, channel, epay([entry_of(paid[0])]))
    assert "已放弃" in Act(desk, f"{RUNS}{run.pk}/drop/").confirm().done()
    assert not ReconciliationCase.objects.exists()
    assert "这次对账已经处理过" in Act(desk, f"{RUNS}{run.pk}/confirm/").confirm().done()


def test_differences_are_handed_out_in_bulk_and_closed_one_by_one(desk, channel, paid, fay):
    run = uploaded(desk, channel, epay([Entry("P-NONE", "T-NONE", paid[0].amount)]))
    Act(desk, f"{RUNS}{run.pk}/confirm/").confirm()
    ids = list(ReconciliationCase.objects.values_list("pk", flat=True))
    chosen = {"action": "assign_chosen", "_selected_action": ids}
    act = Act(desk, CASES, **chosen)
    assert "负责人" in act.text
    gus = staff("gus", "payments.work_case")
    act.fill(owner=gus.pk)
    assert "将分派" in act.text
    assert "已分派 3 条差异" in act.confirm().done()
    assert set(ReconciliationCase.objects.values_list("state", "owner")) == {("assigned", gus.pk)}
    case = ReconciliationCase.objects.filter(kind="missing").first()
    act = Act(desk, f"{CASES}{case.pk}/settle/").fill(note="渠道已补入次日账单")
    assert "不会移动任何款项" in act.text
    assert "已结案" in act.confirm().done()
    page = text_of(desk.get(f"{CASES}{case.pk}/change/"))
    assert "已平账" in page and "渠道已补入次日账单" in page and "gus" in page
    assert "重新打开" in page
    Act(desk, f"{CASES}{case.pk}/reopen/").fill(note="看错了").confirm()
    case.refresh_from_db()
    assert (case.state, case.owner) == ("assigned", gus)


def test_a_case_leads_to_the_acts_that_put_it_right(channel, charlie, paid):
    late = make_payments(channel, charlie, [NOON], paid=False)[0]
    boss = at_desk(
        staff("boss", *SEES, "payments.reconcile_channel", "payments.ask_gateway", "payments.confirm_payment")
    )
    run = uploaded(boss, channel, epay([*(entry_of(one) for one in paid), entry_of(late)]))
    Act(boss, f"{RUNS}{run.pk}/confirm/").confirm()
    case = ReconciliationCase.objects.get()
    page = boss.get(f"{CASES}{case.pk}/change/").content.decode()
    for name in ("ask_now", "confirm"):
        assert reverse(f"admin:payments_paymentattempt_{name}", args=[late.pk]) in page
    assert PaymentAttempt.objects.get(pk=late.pk).state == "closed"
    assert "对账差异" in text_of(boss.get(f"/admin/payments/paymentattempt/{late.pk}/change/"))


def test_a_channel_learns_how_its_statements_look(desk, channel, paid):
    act = Act(desk, f"{RUNS}statement-form/?channel={channel.pk}")
    base = {"channel": channel.pk, "form": "generic"}
    assert "至少要写金额列" in act.fill(**base).text
    columns = {
        "number": "商家单号",
        "txn": "流水",
        "amount": "实收（元）",
        "fee": "扣费",
        "state": "结果",
        "at": "入账时间",
    }
    typed = {f"column_{name}": text for name, text in columns.items()}
    act.fill(**base, **typed, word_paid="OK，GOOD")
    assert "实收（元）" in act.text
    assert "已保存账单格式" in act.confirm().done()
    channel.refresh_from_db()
    assert channel.settings["statement"]["words"] == {"paid": ["OK", "GOOD"]}
    run = uploaded(desk, channel, generic([entry_of(one) for one in paid]))
    assert (run.form, run.differences) == ("generic", 0)


def test_who_may_only_look_uploads_and_closes_nothing(channel, paid, desk):
    run = uploaded(desk, channel, epay([entry_of(paid[0])]))
    lars = at_desk(staff("lars", *SEES))
    assert lars.get(f"{RUNS}{run.pk}/change/").status_code == 200
    for path in ("upload/", f"{run.pk}/confirm/", f"{run.pk}/drop/", "statement-form/"):
        assert lars.post(f"{RUNS}{path}", {"_step": "run"}).status_code == 403, path
    Act(desk, f"{RUNS}{run.pk}/confirm/").confirm()
    case = ReconciliationCase.objects.get()
    for name in ("assign", "explain", "settle", "reopen"):
        assert lars.post(f"{CASES}{case.pk}/{name}/", {"_step": "run", "note": "x"}).status_code == 403, name
    case.refresh_from_db()
    assert case.state == "assigned"


def test_the_board_counts_what_is_open(desk, channel, paid):
    run = uploaded(desk, channel, epay([entry_of(paid[0])]))
    Act(desk, f"{RUNS}{run.pk}/confirm/").confirm()
    page = desk.get("/admin/").content.decode()
    assert f"{CASES}?work=live" in page and "处差异等待处理" in page
    assert paid[1].number in text_of(desk.get(f"{CASES}?work=live"))
    assert paid[1].number in text_of(desk.get(f"{CASES}?work=mine"))
    assert paid[1].number not in text_of(desk.get(f"{CASES}?work=nobody"))


def test_the_channel_s_page_tells_how_far_it_was_compared(desk, channel, paid, fay):
    seer = at_desk(staff("sue", *SEES, "payments.view_channel"))
    run = uploaded(desk, channel, epay([entry_of(one) for one in paid]))
    Act(desk, f"{RUNS}{run.pk}/confirm/").confirm()
    page = text_of(seer.get(f"/admin/payments/channel/{channel.pk}/change/"))
    assert "已对账至" in page and "2026-11-27" in page
    assert Channel.objects.get(pk=channel.pk).settings == {}
