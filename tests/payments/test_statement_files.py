"""Files that are no statements, or not whole ones: each is refused with the line that is to blame."""

import gzip
import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pytest

from common.clock import SHANGHAI
from payments.reconciling import files, forms
from payments.reconciling.reading import read_statement
from payments.reconciling.rows import Kind, State, StatementError
from payments.reconciling.values import amount_of, exact_amount, plain, time_of
from tests.payments.statements import MAPPING, Entry, alipay, bepusdt, epay, generic, stripe, table, wechat

ENTRIES = [Entry(f"P{n}", f"2026112722001400000{n}", Decimal(n + 10), Decimal("0.06")) for n in range(5)]
NAMES = ["商户订单号", "订单金额", "支付状态", "完成时间"]
GOOD = ["P1", "10.00", "已支付", "2026-11-27 12:00:00"]


def read(data: bytes, form=forms.EPAY):
    return read_statement(io.BytesIO(data), form)


def refusal(data: bytes, form=forms.EPAY) -> tuple:
    with pytest.raises(StatementError) as refused:
        read(data, form)
    text = str(refused.value)
    assert text and "%" not in text, "the sentence has a hole"
    line = refused.value.params.get("line")
    assert line is None or f"第 {line} 行" in text
    return refused.value.code, line


def with_row(*row: str) -> bytes:
    return table([NAMES, GOOD, list(row)]).encode()


def sheet(*rows) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


# What each gateway writes


@pytest.mark.parametrize(
    ("writer", "form"),
    [
        (alipay, forms.ALIPAY),
        (wechat, forms.WECHAT),
        (epay, forms.EPAY),
        (stripe, forms.STRIPE),
        (bepusdt, forms.BEPUSDT),
    ],
)
def test_every_form_is_read(writer, form):
    statement = read(writer(ENTRIES), form)
    assert [(row.number, row.txn, row.amount) for row in statement.rows] == [
        (one.number, one.txn, one.amount) for one in ENTRIES
    ]
    assert {row.at for row in statement.rows} == {datetime(2026, 11, 27, 12, tzinfo=SHANGHAI)}
    assert {row.fee for row in statement.rows} == {None if form is forms.BEPUSDT else Decimal("0.06")}
    assert statement.period().first == statement.period().last == date(2026, 11, 27)


@pytest.mark.parametrize(("writer", "form"), [(alipay, forms.ALIPAY), (wechat, forms.WECHAT)])
def test_refund_rows_say_what_went_back(writer, form):
    back = Entry("P1", "T1", Decimal("3.00"), refund="R1")
    row = read(writer([ENTRIES[0], back]), form).rows[1]
    assert (row.kind, row.amount, row.refund_number, row.fee) == (Kind.REFUND, Decimal("3.00"), "R1", None)


def test_a_mapping_reads_anybody_s_table():
    form = forms.form_for(chosen="", protocol="epay", settings={"statement": MAPPING})
    rows = read(generic(ENTRIES), form).rows
    assert [(row.number, row.amount, row.fee) for row in rows] == [(one.number, one.amount, one.fee) for one in ENTRIES]
    for broken in ({}, {"columns": {"number": "单号"}}, {"columns": {"amount": "金额"}}):
        with pytest.raises(StatementError):
            forms.form_for(chosen="generic", protocol="epay", settings={"statement": broken})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_any_usual_encoding_line_end_and_delimiter(encoding):
    text = table([NAMES, GOOD, ["P2", "1,234.50", "已支付", "2026/11/27 9:05"]])
    for delimiter in (",", "\t", ";"):
        for end in ("\r\n", "\n"):
            data = table([NAMES, GOOD, ["P2", "1,234.50", "已支付", "2026/11/27 9:05"]], delimiter)
            rows = read(data.replace("\r\n", end).encode(encoding)).rows
            assert [row.amount for row in rows] == [Decimal("10.00"), Decimal("1234.50")]
    assert read(text.encode(encoding)).rows[1].at == datetime(2026, 11, 27, 9, 5, tzinfo=SHANGHAI)


def test_columns_go_by_their_names_wherever_they_stand():
    data = table(
        [["备注", "完成时间", "支付状态", " 订单金额 ", "商户订单号"], ["x", "", "未支付", "1.00", "P9"]]
    ).encode()
    (row,) = read(data).rows
    assert (row.number, row.amount, row.state, row.at) == ("P9", Decimal("1.00"), State.UNPAID, None)


def test_a_quoted_cell_may_run_over_lines_and_keep_the_numbers_of_lines():
    data = '商户订单号,订单金额,支付状态,商品\r\nP1,1.00,已支付,"a\r\nb,c"\r\nP2,x,已支付,d\r\n'.encode()
    assert refusal(data) == ("amount", 4)


# What is no statement


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "empty", None),
        (b"\r\n \r\n", "empty", None),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old_excel", None),
        (gzip.compress(b"x" * 100, mtime=0), "archive", None),
        (b"%PDF-1.7\n", "not_statement", None),
        (b"\x89PNG\r\n", "not_statement", None),
        ("\ufeff商户订单号".encode("utf-16"), "not_statement", None),
        (b"PK\x03\x04 not a zip at all", "bad_xlsx", 0),
        (b"hello\nworld\n", "no_columns", 1),
        (table([["商户订单号", "金额无", "支付状态"], ["P1", "1", "已支付"]]).encode(), "no_columns", 1),
        (table([NAMES, GOOD]).encode() + b"P2,1\xff\xff.00\n", "encoding", 3),
        (table([NAMES, GOOD]).encode("gbk") + b"P2,\xff\xff,\n", "encoding", 3),
        (table([NAMES, GOOD]).encode() + b"P2,1.00\0,x,y\n", "nul", 3),
        (table([NAMES, GOOD]).encode() + b"P" * 1_000_000 + b",1.00,x,y\n", "line_too_long", 3),
        (table([NAMES, GOOD]).encode() + '"P2,1.00,已支付,2026-11-27\n'.encode(), "open_quote", 3),
        (table([NAMES, GOOD]).encode() + "P2,1.00,已支".encode(), "cut_row", 3),
        (with_row("", "1.00", "已支付", ""), "no_number", 3),
        (with_row("P2", "", "已支付", ""), "amount", 3),
        (with_row("P2", "NaN", "已支付", ""), "amount", 3),
        (with_row("P2", "Infinity", "已支付", ""), "amount", 3),
        (with_row("P2", "1E+5", "已支付", ""), "amount", 3),
        (with_row("P2", "1_000", "已支付", ""), "amount", 3),
        (with_row("P2", "１０.００", "已支付", ""), "amount", 3),
        (with_row("P2", "10.005", "已支付", ""), "amount", 3),
        (with_row("P2", "999999999999.00", "已支付", ""), "amount", 3),
        (with_row("P2", "=1+1", "已支付", ""), "formula", 3),
        (with_row("2.02611E+21", "1.00", "已支付", ""), "rounded", 3),
        (with_row("P2", "1.00", "也许", ""), "state", 3),
        (with_row("P2", "1.00", "已支付", "yesterday"), "time", 3),
        (with_row("P2", "1.00", "已支付", "2026-02-30 10:00"), "time", 3),
    ],
)
def test_what_cannot_be_read_for_certain_is_refused_with_its_line(data, code, line):
    assert refusal(data) == (code, line)


@pytest.mark.parametrize(
    ("writer", "form", "summary"),
    [(alipay, forms.ALIPAY, "业务明细列表结束".encode("gbk")), (wechat, forms.WECHAT, b"\r\n`5,")],
)
def test_a_file_cut_anywhere_before_its_summary_is_refused(writer, form, summary):
    data = writer(ENTRIES)
    for end in range(len(data) // 3, data.rindex(summary), 7):
        with pytest.raises(StatementError):
            read(data[:end], form)


@pytest.mark.parametrize(("writer", "form"), [(alipay, forms.ALIPAY), (wechat, forms.WECHAT)])
def test_a_row_taken_out_by_hand_is_noticed(writer, form):
    lines = writer(ENTRIES).split(b"\r\n")
    spot = next(number for number, line in enumerate(lines) if b"P3" in line)
    assert refusal(b"\r\n".join(lines[:spot] + lines[spot + 1 :]), form)[0] == "wrong_count"


def test_the_words_come_in_the_reader_s_language():
    error = StatementError("cut_row", line=3, found=2, expected=4)
    assert "第 3 行只有 2 列" in str(error)


# Workbooks


def test_formulas_and_rounded_numbers_are_refused_with_their_row():
    assert refusal(sheet(NAMES, GOOD, ["P2", "=1+1", "已支付", ""])) == ("formula", 3)
    assert refusal(sheet(NAMES, GOOD, [20261127220014000000, 1.5, "已支付", ""])) == ("rounded", 3)
    assert refusal(sheet(NAMES, GOOD, ["P2", True, "已支付", ""])) == ("not_value", 3)
    assert refusal(sheet(NAMES, GOOD, ["P2", 1.005, "已支付", ""])) == ("amount", 3)


def test_true_numbers_and_times_are_read():
    rows = read(sheet([], ["对账单"], NAMES, ["P2", 10.1, "已支付", datetime(2026, 11, 27, 9)])).rows  # noqa: DTZ001
    assert [(row.line, row.amount, row.at) for row in rows] == [
        (4, Decimal("10.10"), datetime(2026, 11, 27, 9, tzinfo=SHANGHAI))
    ]


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    source = sheet(NAMES, GOOD)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as good, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        for part in good.infolist():
            content = good.read(part)
            if part.filename.endswith("sheet1.xml"):
                content = content.replace(b"<sheetData>", b"<sheetData>" + b" " * 60_000_000)
            bomb.writestr(part, content)
    assert len(out.getvalue()) < 200_000
    assert refusal(out.getvalue()) == ("bad_xlsx", 0)


def test_a_workbook_cut_short_and_a_zip_of_something_else():
    data = sheet(NAMES, GOOD)
    assert refusal(data[: len(data) // 2])[0] == "bad_xlsx"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("bill.csv", "x")
    assert refusal(out.getvalue()) == ("archive", None)


def test_a_file_beyond_all_measure(monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    assert refusal(epay(ENTRIES))[0] == "too_large"


# Values


@pytest.mark.parametrize(
    ("text", "amount"),
    [("10", "10.00"), ("¥1,234.5", "1234.50"), ("-3.00 元", "-3.00"), ("0.0600", "0.06"), ("+1", "1.00")],
)
def test_amounts_as_exports_write_them(text, amount):
    assert amount_of(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "1.2.3", "1,23", "--1", "1 000", "0x10", "١٠", "¥", "1e3", "nan", "12,34.00"])
def test_what_is_no_amount(text):
    assert amount_of(text) is None


def test_fees_keep_their_places_until_they_are_rounded():
    assert exact_amount("0.00600") == Decimal("0.00600")
    assert amount_of("0.00600") is None


def test_times_with_and_without_a_zone():
    noon = datetime(2026, 11, 27, 4, tzinfo=UTC)
    assert time_of("2026-11-27 12:00:00", utc=False) == noon
    assert time_of("2026年11月27日 12:00", utc=False) == noon
    assert time_of("2026-11-27 04:00", utc=True) == noon
    assert time_of("2026-11-27T12:00:00+08:00", utc=True) == noon
    assert time_of("1795752000", utc=False) == datetime.fromtimestamp(1795752000, UTC)
    assert time_of("27.11.2026", utc=False) is None


def test_marks_that_exports_put_around_values():
    assert [plain(one) for one in ("`4200\t", '="0012"', "'10.00", "\ufeffP1 ")] == ["4200", "0012", "10.00", "P1"]
