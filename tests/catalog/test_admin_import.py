"""Key files at the desk: uploaded or pasted, checked, shown, confirmed."""

import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from catalog.models import Key, KeyBatch, Product, Sku
from catalog.services import importing
from tests.desk import at_desk, staff, text_of

pytestmark = pytest.mark.django_db
DATA = Path(__file__).parent.parent / "data" / "keys"
SKUS, BATCHES = "/admin/catalog/sku/", "/admin/catalog/keybatch/"


def upload(client: Client, sku: Sku, **fields) -> KeyBatch | str:
    answer = client.post(f"{BATCHES}upload/", {"sku": sku.pk, **fields})
    if answer.status_code == 302:
        return KeyBatch.objects.latest("pk")
    return text_of(answer)


def test_upload_preview_confirm_progress(gina, shelf):
    sku = shelf.sku()
    name = "mixed-nasty.txt"
    batch = upload(gina, sku, file=SimpleUploadedFile(name, (DATA / name).read_bytes()))
    page = f"{BATCHES}{batch.pk}/change/"
    waiting = gina.get(page)
    assert "正在检查" in text_of(waiting) and 'http-equiv="refresh"' in waiting.content.decode()
    importing.check_batch(batch_id=batch.pk)
    preview = gina.get(page)
    assert "确认导入 10 条" in text_of(preview) and "第 2 行" in text_of(preview)
    assert "这一行只有符号，没有内容" in text_of(preview)
    assert "Zx9Qw7" not in preview.content.decode() and "no-store" in preview["Cache-Control"]
    assert 'http-equiv="refresh"' not in preview.content.decode()
    rows = gina.get(f"{BATCHES}{batch.pk}/errors/").content.decode()
    assert "14,这一行只有符号，没有内容" in rows and "与第 2 行重复" in rows
    gina.post(f"{BATCHES}{batch.pk}/confirm/")
    assert "正在导入" in text_of(gina.get(page))
    importing.import_batch(batch_id=batch.pk)
    assert "导入完成" in text_of(gina.get(page)) and Key.objects.filter(sku=sku).count() == 10
    history = text_of(gina.get(page))
    assert "上传卡密文件" in history and "确认导入" in history and "gina" in history


def test_pasted_lines(gina, shelf):
    batch = upload(gina, shelf.sku(), text="K-1\r\nK-2\r\n\r\nK-1")
    report = importing.check_batch(batch_id=batch.pk).report
    assert (report["fresh"], report["file_duplicates"]) == (2, 1)


def test_mistakes_are_told_and_nothing_is_stored(gina, shelf):
    sku = shelf.sku()
    workbook = SimpleUploadedFile("face-values.xlsx", (DATA / "face-values.xlsx").read_bytes())
    assert "10元、50元" in upload(gina, sku, file=workbook)
    assert "二选一" in upload(gina, sku)
    assert "二选一" in upload(gina, sku, text="x", file=SimpleUploadedFile("a.txt", b"y"))
    assert "只支持文本" in upload(gina, sku, file=SimpleUploadedFile("a.pdf", b"%PDF-1.7"))
    assert "列号" in upload(gina, sku, text="a,b", columns="0")
    assert "有效的选项" in upload(gina, shelf.sku(kind=Product.Kind.TOP_UP), text="x") or not KeyBatch.objects.exists()
    assert not KeyBatch.objects.exists()


def test_a_sheet_can_be_chosen(gina, shelf):
    workbook = SimpleUploadedFile("face-values.xlsx", (DATA / "face-values.xlsx").read_bytes())
    batch = upload(gina, shelf.sku(), file=workbook, sheet="50元")
    assert importing.check_batch(batch_id=batch.pk).report["fresh"] == 8


def test_a_batch_can_be_dropped_and_each_step_goes_once(gina, shelf):
    batch = upload(gina, shelf.sku(), text="K-1")
    importing.check_batch(batch_id=batch.pk)
    gina.post(f"{BATCHES}{batch.pk}/cancel/")
    batch.refresh_from_db()
    assert batch.state == "cancelled"
    page = gina.post(f"{BATCHES}{batch.pk}/confirm/", follow=True)
    assert "状态已经改变" in text_of(page) and not Key.objects.exists()
    assert gina.get(f"{BATCHES}{batch.pk}/confirm/").status_code == 405


def test_the_page_of_a_sku_leads_to_the_upload(gina, shelf):
    sku = shelf.sku()
    answer = gina.get(f"{SKUS}{sku.pk}/bring-in/")
    assert answer["Location"] == f"{BATCHES}upload/?sku={sku.pk}"
    assert sku.code in gina.get(answer["Location"]).content.decode()


def test_looking_does_not_make_an_importer(shelf):
    viewer = at_desk(staff("vera", "catalog.view_keybatch", "catalog.view_sku"))
    batch = importing.receive_file(sku=shelf.sku(), file=io.BytesIO(b"K-1"), filename="a.txt")
    importing.check_batch(batch_id=batch.pk)
    assert viewer.get(f"{BATCHES}upload/").status_code == 403
    assert "确认导入" not in text_of(viewer.get(f"{BATCHES}{batch.pk}/change/"))
    assert viewer.post(f"{BATCHES}{batch.pk}/confirm/").status_code == 403
    assert viewer.post(f"{BATCHES}{batch.pk}/cancel/").status_code == 403
    assert KeyBatch.objects.get().state == "ready"
