"""The base admin: bounded lists, day filters, safe exports, acts with a preview, changes in the audit log."""

import csv
import io
import re
from datetime import timedelta

import pytest

from audit.models import AuditEntry
from common import clock
from common.admin import paging
from common.admin.export import neutral
from common.admin.paging import BoundedPaginator

pytestmark = pytest.mark.django_db


def entries(count: int, at=None, **fields):
    at = at or clock.now()
    AuditEntry.objects.bulk_create(
        AuditEntry(at=at, action=fields.get("action", "test.act"), actor=f"a{n}") for n in range(count)
    )


@pytest.fixture
def desk(client, olga):
    client.force_login(olga)
    return client


def test_a_list_counts_no_further_than_it_must(desk, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(paging, "COUNT_UP_TO", 120)
    entries(300)
    page = desk.get("/admin/audit/auditentry/")
    assert "超过 120 条" in page.content.decode()
    assert len(page.context["cl"].result_list) == 50
    sixth = desk.get("/admin/audit/auditentry/?p=6")
    assert len(sixth.context["cl"].result_list) == 50
    assert "下一页" in sixth.content.decode()
    assert not desk.get("/admin/audit/auditentry/?p=7").context["cl"].result_list


def test_the_count_reads_a_bounded_number_of_rows(django_assert_num_queries):
    paginator = BoundedPaginator(AuditEntry.objects.order_by("-id"), 50)
    with django_assert_num_queries(1) as asked:
        assert paginator.count == AuditEntry.objects.none().count()
    assert f"LIMIT {paging.COUNT_UP_TO + 1}" in asked.captured_queries[0]["sql"]
    assert "ORDER BY" not in asked.captured_queries[0]["sql"]


def test_small_lists_are_counted_exactly(desk):
    entries(51)
    page = desk.get("/admin/audit/auditentry/?p=2")
    assert "共 51 条" in page.content.decode()
    assert len(page.context["cl"].result_list) == 1
    assert "下一页" not in page.content.decode()


@pytest.mark.parametrize("page", [10**20, "9" * 20, "²"])
def test_a_page_that_no_list_has_can_be_asked_for(monkeypatch, page):
    """Where pages are not counted they go on, but not past what the database can count."""
    monkeypatch.setattr(paging, "COUNT_UP_TO", 20)
    entries(60)
    found = BoundedPaginator(AuditEntry.objects.order_by("-id"), 50).page(page)
    assert len(found.object_list) in {0, 50}


def test_days_are_shanghai_days_and_both_ends_belong(desk):
    first = clock.start_of_day(clock.day_of(clock.now()))
    after = first + timedelta(days=1)
    entries(1, at=first, action="test.first")
    entries(1, at=after - timedelta(microseconds=1), action="test.last")
    entries(1, at=first - timedelta(microseconds=1), action="test.before")
    entries(1, at=after, action="test.after")
    day = clock.day_of(first)
    found = desk.get(f"/admin/audit/auditentry/?at_from={day}&at_to={day}").context["cl"].result_list
    assert {entry.action for entry in found} == {"test.first", "test.last"}


@pytest.mark.parametrize("day", ["2026-13-45", "yesterday", "0001-01-01", "9999-12-31", ""])
def test_a_day_that_is_none_filters_nothing(desk, day):
    entries(2)
    page = desk.get("/admin/audit/auditentry/", {"at_from": day, "at_to": day})
    assert len(page.context["cl"].result_list) == 2


def export(desk, query: str = "") -> list[list[str]]:
    response = desk.get(f"/admin/audit/auditentry/export-csv/{query}")
    text = b"".join(response.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_an_export_holds_what_the_list_shows_and_is_logged(desk):
    entries(60, action="test.kept")
    entries(3, action="test.other")
    rows = export(desk, "?q=test.kept")
    assert len(rows) == 61
    assert {row[3] for row in rows[1:]} == {"test.kept"}
    logged = AuditEntry.objects.get(action="admin.export")
    assert logged.actor == "olga"
    assert logged.detail == {"filters": "q:9"}, (
        "what is searched may be somebody's address, and the log forgets nothing"
    )


def test_the_export_button_repeats_the_filters(desk):
    assert "export-csv/?q=test.kept" in desk.get("/admin/audit/auditentry/?q=test.kept").content.decode()


def test_an_export_runs_no_formula(desk):
    AuditEntry.objects.create(at=clock.now(), action="test.act", actor="=1+1")
    assert "'=1+1" in [row[1] for row in export(desk)[1:]]


@pytest.mark.parametrize("text", ["\t=1", "\r\n=1", " \u3000=cmd", "＝1+1", "＋1", "＠SUM(1)", "\ufeff=1"])
def test_formulas_behind_blanks_and_in_full_width_are_harmless(text):
    assert neutral(text) == "'" + text


@pytest.mark.parametrize("text", ["", "plain", " plain", "中文", "1-2"])
def test_plain_text_is_left_alone(text):
    assert neutral(text) == text


def test_where_there_is_nothing_stands_one_sign(desk):
    entries(1)
    page = desk.get("/admin/audit/auditentry/").content.decode()
    cells = [cell.strip() for cell in re.findall(r">([^<]*)</td>", page)]
    assert "–" in cells
    assert "-" not in cells


def test_the_log_is_read_only(desk):
    entries(1)
    entry = AuditEntry.objects.get()
    assert desk.get(f"/admin/audit/auditentry/{entry.pk}/change/").status_code == 200
    assert desk.post(f"/admin/audit/auditentry/{entry.pk}/change/", {"actor": "x"}).status_code == 403
    assert desk.get("/admin/audit/auditentry/add/").status_code == 403
    assert desk.post(f"/admin/audit/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_admin_alone_may_evaluate_scripts(desk):
    assert "unsafe-eval" in desk.get("/admin/")["Content-Security-Policy"]
    assert "unsafe-eval" not in desk.get("/")["Content-Security-Policy"]
