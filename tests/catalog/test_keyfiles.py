"""Key files as shops really export them, and as nobody should."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import openpyxl
import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import keyfiles
from catalog.keyfiles import FileError, Layout

DATA = Path(__file__).parent.parent / "data" / "keys"


def read(content: bytes, name: str = "keys.txt", **choice) -> list[keyfiles.KeyRow]:
    file = io.BytesIO(content)
    return list(keyfiles.read_rows(file, keyfiles.inspect(file, name, **choice)))


def read_file(name: str, **choice) -> list[keyfiles.KeyRow]:
    return read((DATA / name).read_bytes(), name, **choice)


def texts(rows) -> list[str]:
    return [row.text for row in rows if not row.error]


def errors(rows) -> dict[int, str]:
    return {row.number: row.error.code for row in rows if row.error}


def workbook(*rows, **sheets) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, more in sheets.items():
        sheet = book.create_sheet(title)
        for row in more:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_part(content: bytes, name: str, change) -> bytes:
    """The same archive with the parts whose name contains `name` changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as good, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as changed:
        for part in good.infolist():
            data = good.read(part)
            changed.writestr(part.filename, change(data) if name in part.filename else data)
    return out.getvalue()


class TestFilesOfShops:
    def test_acg_faka_export_is_one_secret_a_line_and_nothing_in_it_is_decoded(self):
        rows = read_file("acg-faka-export.txt")
        assert len(texts(rows)) == 48 and not errors(rows)
        assert rows[7].text.startswith("1%0A2-")
        assert rows[19].text.startswith("Q&A<7>")
        assert [row.number for row in rows] == list(range(1, 49))

    def test_acg_faka_previews_are_shown_and_not_sold(self):
        rows = read_file("acg-faka-preselect.txt")
        assert not errors(rows)
        assert rows[0].preview == "等级 45 级 · 皮肤 15 件"
        assert "║" not in "".join(texts(rows)) and "#[" not in "".join(texts(rows))
        assert rows[-1].preview == "区服：电信一区"
        assert all("----" in text for text in texts(rows))

    def test_dujiaoka_export_takes_the_key_column_only(self):
        rows = read_file("dujiaoka-export.csv")
        assert len(texts(rows)) == 32 and not errors(rows)
        assert "视频会员月卡" not in "".join(texts(rows))
        assert any("\n密码：" in text for text in texts(rows)), "a key may hold a line break"
        assert any(text.startswith("user,with,commas----") for text in texts(rows))

    def test_dujiaoka_paste_skips_blank_lines_and_keeps_the_editors_line_numbers(self):
        rows = read_file("dujiaoka-paste.txt")
        assert len(rows) == 20 and not errors(rows)
        assert [row.number for row in rows][:6] == [1, 2, 3, 4, 6, 7]

    def test_cut_html_of_dujiaoka_1_is_never_sold(self):
        rows = read_file("dujiaoka-1-html.csv")
        assert len(rows) == 6 and not texts(rows)
        assert set(errors(rows).values()) <= {"html", "sold"}

    def test_dujiao_next_export_leaves_out_what_it_says_is_used_or_reserved(self):
        rows = read_file("dujiao-next-export.csv")
        assert len(texts(rows)) == 19
        assert set(errors(rows).values()) == {"sold"} and len(errors(rows)) == 5

    def test_gbk_csv_of_a_windows_supplier(self):
        rows = read_file("supplier-gbk.csv")
        assert len(texts(rows)) == 50
        assert errors(rows) == {31: "rounded", 41: "empty_column", 56: "note"}
        account, password = texts(rows)[0].split("----")
        assert account.startswith("00") and len(account) == 17, 'leading zeros written as ="00…" survive'
        assert len(password) == 18
        assert str(next(row.error for row in rows if row.number == 41)) == "“卡密”一列是空的"

    def test_xlsx_with_merged_headers(self):
        rows = read_file("supplier-merged.xlsx")
        assert len(texts(rows)) == 36
        assert errors(rows) == {16: "sold", 20: "rounded", 25: "formula", 30: "not_text", 44: "note", 45: "note"}
        assert all(len(text.split("----")[0]) == 10 for text in texts(rows)), "the format's zeros are kept"

    def test_a_sheet_for_each_face_value_must_be_chosen(self):
        with pytest.raises(FileError) as raised:
            read_file("face-values.xlsx")
        assert raised.value.code == "choose_sheet" and "10元、50元" in str(raised.value)
        assert len(texts(read_file("face-values.xlsx", sheet_title="50元"))) == 8
        with pytest.raises(FileError, match="100元"):
            read_file("face-values.xlsx", sheet_title="100元")

    def test_everything_at_once(self):
        rows = read_file("mixed-nasty.txt")
        assert texts(rows) == [
            "ab12cd34----Zx9Qw7",
            "账号王五----密码甲乙丙",
            "RTL8-KEY7-5M2Q",
            "FULL-8W2D-THKE",
            "user01----pass01",
            "user02----pass02",
            "user03----pass03",
            "FULL-8W2D-THKE",
            "ab12cd34----Zx9Qw7",
            "账号：lihua88 密码：Mn3-kk",
            "LINE",
            "SEP-22",
        ]
        assert errors(rows) == {
            5: "torn",
            14: "no_content",
            15: "half_pair",
            16: "damaged",
            17: "encoding",
            18: "html",
            21: "note",
        }


class TestEncodings:
    LINES = ["卡号甲----密码乙", "ABCD-1234", "谭----联通"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_same_keys_whatever_the_encoding_and_line_ends(self, encoding, end):
        assert texts(read(end.join(self.LINES).encode(encoding))) == self.LINES

    def test_crlf_across_a_chunk_border_is_one_line_end(self):
        body = b"A" * 99 + b"\r\n"
        for shift in range(4):
            rows = read(b"B" * shift + b"\n" + body * 2000)
            assert rows[-1].number == 2001

    def test_an_error_is_worded_in_the_language_of_whoever_reads_it(self):
        (row,) = read(b"=====")
        with translation.override("zh-hans"):
            assert str(row.error) == "这一行只有符号，没有内容"


class TestForms:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ABC-123", " ABC-123\u3000"),
            ("ABC-123", "ABC\u2013123"),
            ("ABC-123", "ＡＢＣ－１２３"),
            ("ABC-123", "\ufeffABC-\u200b123\x00"),
            ("a----b", "a ---- b"),
            ("a----b", "a——b"),
            ("a----b", "a\tb"),
            ("a----b", "a---b"),
            ("账号:a 密码:b", "账号：a  密码：b"),
            ("卡号 1\n密码 2", "卡号 1 密码 2"),
        ],
    )
    def test_two_writings_of_one_key_have_one_normal_form(self, one, other):
        assert keyfiles.normal_form(keyfiles.clean(one)) == keyfiles.normal_form(keyfiles.clean(other))

    @pytest.mark.parametrize(
        ("one", "other"), [("abc1", "ABC1"), ("p①", "p1"), ("a-b", "ab"), ("a--b", "a-b"), ("a b", "ab")]
    )
    def test_what_an_issuer_may_mean_stays_different(self, one, other):
        assert keyfiles.normal_form(keyfiles.clean(one)) != keyfiles.normal_form(keyfiles.clean(other))

    def test_words_of_prose_keep_their_punctuation(self):
        assert keyfiles.clean("账号：abc，密码：x：y") == "账号：abc，密码：x:y"

    def test_a_preview_shows_at_most_a_third_of_a_key_and_nothing_of_a_password(self):
        assert keyfiles.mask("ABCDE-FGHJK-LMNPQ") == "AB***-*****-***PQ"
        assert keyfiles.mask("SHORT") == "*****"
        assert keyfiles.mask("wang@example.com----S3cret") == "wa**@*******.*om----******"
        assert len(keyfiles.mask("X" * 5000)) <= 60

    @given(st.text(max_size=200))
    def test_cleaning_settles_at_once(self, raw):
        text = keyfiles.clean(raw)
        assert keyfiles.clean(text) == text
        normal = keyfiles.normal_form(text)
        assert keyfiles.normal_form(normal) == normal

    @given(st.text(min_size=1, max_size=80))
    def test_a_preview_never_contains_more_than_a_third(self, raw):
        text = keyfiles.clean(raw)
        letters = sum(character.isalnum() for character in text)
        assert sum(character.isalnum() for character in keyfiles.mask(text)) <= letters / 3


class TestRubbish:
    @pytest.mark.parametrize(
        "line",
        [
            "<script>alert(1)</script>",
            '<svg/onload="x">',
            "<IMG SRC=x>",
            "</td>",
            "AAAA-1<br/>BBBB-2",
            "<x-card data-code=1>",
            "<!-- AAAA-1 -->",
            "<!DOCTYPE html>",
        ],
    )
    def test_no_tag_of_any_name_is_sold(self, line):
        assert errors(read(line.encode())) == {1: "html"}

    @pytest.mark.parametrize(
        "line", ["Q&A<7>X", "1<2>3", "pass<>word", "x<y----z>w", "<<AAAA-1>>", "<ABCD-1234-EFGH>", "a < b > c"]
    )
    def test_signs_that_are_no_tag_belong_to_the_key(self, line):
        rows = read(line.encode())
        assert texts(rows) == [line], errors(rows)

    @pytest.mark.parametrize("control", ["\0", "\x01", "\x1b", "\x7f", "\u0090"])
    def test_a_key_with_a_hole_is_not_sold(self, control):
        content = f"AAA{control}BBB-1\nGOOD-1".encode()
        assert errors(read(content)) == {1: "torn"} and texts(read(content)) == ["GOOD-1"]
        cells = f"卡号,密码\nuser1,pa{control}ss\nuser2,pass2".encode()
        assert errors(read(cells, "a.csv")) == {2: "torn"} and texts(read(cells, "a.csv")) == ["user2----pass2"]

    def test_padding_is_not_a_hole(self):
        content = b"AAA-1\0\0\0\n\x1a\nBBB-2 \x00\n"
        assert texts(read(content)) == ["AAA-1", "BBB-2"] and not errors(read(content))
        cells = "卡号,密码\nuser1\0\0,pass1\0".encode()
        assert texts(read(cells, "a.csv")) == ["user1----pass1"]


class TestTables:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "，"])
    def test_any_delimiter_with_and_without_header(self, delimiter):
        head = delimiter.join(["序号", "卡号", "密码"])
        rows = [delimiter.join([str(n), f"card{n}", f"pw{n}"]) for n in range(1, 20)]
        assert texts(read("\n".join([head, *rows]).encode(), "a.csv"))[:2] == ["card1----pw1", "card2----pw2"]
        pairs = [delimiter.join([f"card{n}", f"pw{n}"]) for n in range(1, 20)]
        assert texts(read("\n".join(pairs).encode(), "a.csv"))[0] == "card1----pw1"

    def test_columns_can_be_chosen(self):
        content = b"x1,junk,y1\nx2,junk,y2"
        assert texts(read(content, "a.csv", chosen=(0, 2))) == ["x1----y1", "x2----y2"]
        assert texts(read(content, "a.csv", chosen=(2,))) == ["y1", "y2"]
        with pytest.raises(FileError, match="4"):
            read(content, "a.csv", chosen=(3,))

    def test_excel_separator_hint(self):
        assert texts(read(b"sep=;\r\na1;b1\r\na2;b2", "a.csv")) == ["a1----b1", "a2----b2"]

    def test_header_and_tabs_pasted_into_a_text_box(self):
        assert texts(read("面值\t卡号\t密码\n50\tA1\tP1\n50\tA2\tP2".encode(), "paste.txt")) == ["A1----P1", "A2----P2"]

    def test_an_unclosed_quote_costs_one_line_and_not_the_file(self):
        body = ["卡密,备注", "AAAA-1,x", '"BBBB-2,x', *[f"CCCC-{n},x" for n in range(200)]]
        rows = read("\n".join(body).encode(), "a.csv")
        assert errors(rows) == {3: "open_quote"}
        assert len(texts(rows)) == 201

    def test_a_delimiter_inside_an_unquoted_key_is_an_error_and_not_half_a_key(self):
        rows = read("卡密,备注\nAA,BB,赠送\nCC,\n".encode(), "a.csv")
        assert errors(rows) == {2: "column_count"} and texts(rows) == ["CC"]

    def test_doubled_quotes_and_line_breaks_inside_quotes(self):
        rows = read('卡密,备注\r\n"say ""hi"" 12","a\r\nb"\r\nNEXT-1,\r\n'.encode(), "a.csv")
        assert texts(rows) == ['say "hi" 12', "NEXT-1"]
        assert [row.number for row in rows] == [2, 4]

    def test_a_title_that_looks_like_a_header_does_not_hide_the_real_one(self):
        rows = read(workbook(["卡密"], ["序号", "激活码", "面值"], [1, "AAAA-1111", "10元"]), "a.xlsx")
        assert texts(rows) == ["AAAA-1111"]

    def test_layout_survives_json(self):
        file = io.BytesIO((DATA / "supplier-gbk.csv").read_bytes())
        layout = keyfiles.inspect(file, "supplier-gbk.csv")
        again = Layout.from_json(layout.as_json())
        assert again == layout
        assert list(keyfiles.read_rows(file, again)) == list(keyfiles.read_rows(file, layout))


class TestHostileFiles:
    def test_a_line_of_a_megabyte_is_a_row_error_and_the_next_line_is_read(self):
        rows = read(b"A" * 1_000_000 + b"\nGOOD-1\n" + b"B" * 9_000 + b"\nGOOD-2")
        assert errors(rows) == {1: "too_long", 3: "too_long"} and texts(rows) == ["GOOD-1", "GOOD-2"]

    def test_memory_does_not_grow_with_the_file(self):
        content = b"".join(b"KEY-%08d-ABCDEFGH\r\n" % n for n in range(50_000)) + b"Z" * 8_000_000
        file = io.BytesIO(content)
        layout = keyfiles.inspect(file, "big.txt")
        tracemalloc.start()
        count = sum(1 for _ in keyfiles.read_rows(file, layout))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 50_001
        assert peak < 2_000_000

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "empty"),
            (b"\xef\xbb\xbf\r\n \n", "empty"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 rest", "old_excel"),
            (b"%PDF-1.7", "not_keys"),
            (b"Rar!\x1a\x07", "not_keys"),
            (b"PK\x03\x04 cut off", "bad_xlsx"),
        ],
    )
    def test_what_is_no_key_file_says_so(self, content, code):
        with pytest.raises(FileError) as raised:
            read(content)
        assert raised.value.code == code and str(raised.value)

    def test_a_zip_that_is_no_workbook(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("word/document.xml", "<a/>")
        with pytest.raises(FileError) as raised:
            read(out.getvalue())
        assert raised.value.code == "not_keys"

    def test_a_zip_bomb_is_refused_before_it_is_unpacked(self):
        def inflate(data: bytes) -> bytes:
            return data.replace(b"</sheetData>", b" " * 50_000_000 + b"</sheetData>")

        bomb = with_part(workbook(["卡密"], ["A1"]), "sheet1", inflate)
        assert len(bomb) < 200_000
        tracemalloc.start()
        with pytest.raises(FileError) as raised:
            read(bomb, "a.xlsx")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert raised.value.code == "bad_xlsx"
        assert peak < 5_000_000

    def test_entities_are_refused(self):
        entity = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><worksheet'
        content = workbook(["卡密"], ["A1"])
        with pytest.raises(FileError) as raised:
            read(with_part(content, "sheet1", lambda data: data.replace(b"<worksheet", entity, 1)), "a.xlsx")
        assert raised.value.code == "bad_xlsx"

    def test_row_and_column_numbers_out_of_range_do_not_fill_the_memory(self):
        far = b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData>'
        content = with_part(workbook(["卡密"], ["A1-REAL"]), "sheet1", lambda data: data.replace(b"</sheetData>", far))
        assert texts(read(content, "a.xlsx")) == ["A1-REAL"]

    def test_hidden_sheets_are_not_stock(self):
        book = openpyxl.load_workbook(io.BytesIO(workbook(["卡密"], ["A1-SEEN"], Other=[["卡密"], ["B1-HIDDEN"]])))
        book["Other"].sheet_state = "hidden"
        out = io.BytesIO()
        book.save(out)
        assert texts(read(out.getvalue(), "a.xlsx")) == ["A1-SEEN"]

    @settings(max_examples=150)
    @given(st.binary(max_size=400), st.sampled_from(["a.txt", "a.csv"]))
    def test_no_bytes_crash_the_reader(self, content, name):
        try:
            rows = read(content, name)
        except FileError:
            return
        for row in rows:
            assert bool(row.text) != bool(row.error)
            assert "\0" not in row.text and "\u200b" not in row.text
            assert row.error is None or str(row.error)
