"""Keys leave the shop in plain text by two persons, after a delay, within a time, and every piece of the file tells whose it was."""

import hashlib
from datetime import timedelta
from urllib.parse import quote

import pytest

from audit.exceptions import ApprovalMoved, NotYetUsable, OnlyTheAsker, SamePerson
from audit.models import Approval, AuditEntry
from audit.tasks import lapse_approvals
from catalog.exceptions import FetchedOften, NothingToExport, TooManyReveals
from catalog.models import Key, KeyBatch, KeyExport
from catalog.services import exporting
from catalog.services.keys import reveal_key
from common import clock
from events.services import relay
from notifications.models import Mail, Message
from orders.services import reveal
from tests.desk import Act, at_desk, says_it_again, staff, text_of

pytestmark = pytest.mark.django_db
EXPORTS = "/admin/catalog/keyexport/"
HOURS = timedelta(hours=1)


@pytest.fixture
def texts(shelf):
    return shelf.stock(shelf.sku(), 5)


@pytest.fixture
def batch(texts):
    return KeyBatch.objects.get()


@pytest.fixture
def ann(db):
    return staff("ann", "catalog.view_keybatch", "catalog.view_keyexport", "catalog.export_keys")


@pytest.fixture
def ben(db):
    both = ["catalog.view_keyexport", "catalog.approve_key_export", "catalog.export_keys"]
    return staff("ben", *both)


@pytest.fixture
def export(batch, ann):
    return exporting.ask_for_keys(batch_id=batch.pk, which="available", reason="盘点", actor=ann)


def content(file) -> str:
    return b"".join(file.pieces).decode()


def test_two_persons_a_delay_and_one_download(export, texts, ann, ben):
    with pytest.raises(ApprovalMoved):
        exporting.fetch_keys(export_id=export.pk, actor=ann)
    with pytest.raises(SamePerson):
        exporting.approve_export(export_id=export.pk, actor=ann)
    exporting.approve_export(export_id=export.pk, actor=ben)
    with pytest.raises(NotYetUsable):
        exporting.fetch_keys(export_id=export.pk, actor=ann)
    with clock.travel(clock.now() + 25 * HOURS):
        with pytest.raises(OnlyTheAsker):
            exporting.fetch_keys(export_id=export.pk, actor=ben)
        file = exporting.fetch_keys(export_id=export.pk, actor=ann, address="10.1.2.3")
        body = content(file)
        with pytest.raises(ApprovalMoved):
            exporting.fetch_keys(export_id=export.pk, actor=ann)
    head, lines = body.splitlines()[:4], body.splitlines()[4:]
    assert [line.split("\t")[3] for line in lines] == texts
    assert all(line.startswith(f"{export.mark}\t") for line in lines)
    assert all(word in "".join(head) for word in ("ann", "ben", "10.1.2.3", "盘点", export.mark))
    export.refresh_from_db()
    assert (export.rows, export.sha256) == (5, hashlib.sha256(body.encode()).hexdigest())
    acts = AuditEntry.objects.filter(target_type="catalog.KeyExport").order_by("pk").values_list("action", flat=True)
    assert list(acts) == ["keys.export", "keys.export_fetch", "keys.export_done"]
    assert not AuditEntry.objects.filter(detail__icontains=texts[0]).exists()


def test_a_download_that_broke_off_is_fetched_again_and_everybody_hears_of_it(export, texts, ann, ben, olga):
    exporting.approve_export(export_id=export.pk, actor=ben)
    start = clock.now()
    with clock.travel(start + 25 * HOURS):
        with pytest.raises(ApprovalMoved):
            exporting.fetch_keys(export_id=export.pk, actor=ann, again=True)
        next(exporting.fetch_keys(export_id=export.pk, actor=ann).pieces)
        with pytest.raises(OnlyTheAsker):
            exporting.fetch_keys(export_id=export.pk, actor=ben, again=True)
        body = content(exporting.fetch_keys(export_id=export.pk, actor=ann, again=True))
        assert [line.split("\t")[3] for line in body.splitlines()[4:]] == texts and "第 2 次下载" in body
        exporting.fetch_keys(export_id=export.pk, actor=ann, again=True)
        with pytest.raises(FetchedOften):
            exporting.fetch_keys(export_id=export.pk, actor=ann, again=True)
        relay()
    told = list(Message.objects.filter(user=olga, kind="key_export").values_list("params__act", flat=True))
    assert (told.count("下载了明文"), told.count("再次下载了明文")) == (1, 2)
    fetched = (
        AuditEntry.objects.filter(action="keys.export_fetch").order_by("pk").values_list("detail__count", flat=True)
    )
    assert list(fetched) == [1, 2, 3]


def test_after_its_window_it_is_not_fetched_again(export, ann, ben):
    exporting.approve_export(export_id=export.pk, actor=ben)
    with clock.travel(clock.now() + 25 * HOURS):
        exporting.fetch_keys(export_id=export.pk, actor=ann)
    with clock.travel(clock.now() + 49 * HOURS), pytest.raises(ApprovalMoved):
        exporting.fetch_keys(export_id=export.pk, actor=ann, again=True)


def test_who_fetches_again_says_who_they_are(export, texts, ann, ben):
    exporting.approve_export(export_id=export.pk, actor=ben)
    at_ann, page = at_desk(ann), f"{EXPORTS}{export.pk}/"
    with clock.travel(clock.now() + 25 * HOURS):
        Act(says_it_again(at_ann), f"{page}fetch/").confirm()
        at_ann = at_desk(ann)
        assert "fetch-again" in at_ann.get(f"{page}change/").content.decode()
        asked = at_ann.post(f"{page}fetch-again/", {"_step": "run"})
        assert (asked.status_code, KeyExport.objects.get().fetches) == (302, 1)
        assert asked["Location"] == f"/account/reauthenticate/?next={quote(f'{page}fetch-again/', safe='')}"
        at_ann.post("/account/reauthenticate/", {"password": "tea-and-keys-9"})
        act = Act(at_ann, f"{page}fetch-again/")
        assert "2 次" in act.text and "提醒其他员工" in act.text
        assert texts[0] in b"".join(act.confirm().page.streaming_content).decode()
        at_ben = at_desk(ben)
        at_ben.post("/account/reauthenticate/", {"password": "tea-and-keys-9"})
        assert "只有申请人本人" in Act(at_ben, f"{page}fetch-again/").text


def test_after_its_window_it_is_gone(export, ann, ben):
    exporting.approve_export(export_id=export.pk, actor=ben)
    with clock.travel(clock.now() + 49 * HOURS), pytest.raises(ApprovalMoved):
        exporting.fetch_keys(export_id=export.pk, actor=ann)


def test_either_side_stops_it_during_the_delay(batch, ann, ben):
    for stopper in (ann, ben):
        export = exporting.ask_for_keys(batch_id=batch.pk, which="all", reason="x", actor=ann)
        exporting.approve_export(export_id=export.pk, actor=ben)
        exporting.cancel_export(export_id=export.pk, actor=stopper)
        with clock.travel(clock.now() + 25 * HOURS), pytest.raises(ApprovalMoved):
            exporting.fetch_keys(export_id=export.pk, actor=ann)


def test_only_what_was_asked_for_leaves(batch, shelf, alice, ann, ben):
    shelf.buy(alice, (batch.sku, 2), from_wallet=True)
    found = {which: exporting.exported_keys(batch, which).count() for which in exporting.STATES}
    assert found == {"available": 3, "unsold": 3, "all": 5}
    Key.objects.filter(state="available").update(state="void")
    with pytest.raises(NothingToExport):
        exporting.ask_for_keys(batch_id=batch.pk, which="available", reason="x", actor=ann)


def test_a_key_that_was_tampered_with_holds_up_no_other(export, ann, ben):
    Key.objects.filter(pk=Key.objects.order_by("pk")[1].pk).update(ciphertext=b"x" * 40)
    exporting.approve_export(export_id=export.pk, actor=ben)
    with clock.travel(clock.now() + 25 * HOURS):
        body = content(exporting.fetch_keys(export_id=export.pk, actor=ann))
    assert body.splitlines()[5].endswith("\t!") and len(body.splitlines()) == 9


def test_the_others_are_told_of_every_step_and_never_a_key(export, texts, ann, ben, olga):
    ben.email = "ben@example.com"
    ben.save()
    exporting.approve_export(export_id=export.pk, actor=olga)
    with clock.travel(clock.now() + 25 * HOURS):
        content(exporting.fetch_keys(export_id=export.pk, actor=ann))
        relay()
    told = list(
        Message.objects.filter(user=ben, kind="key_export").order_by("pk").values_list("params__act", flat=True)
    )
    assert sorted(told) == sorted(["申请导出", "批准了导出", "下载了明文"])
    assert Message.objects.filter(user=olga, kind="key_export").count() == 2, "not of what she did herself"
    assert not Message.objects.filter(user=ann, kind="key_export").exists(), "who may not decide is not told"
    assert Mail.objects.filter(recipient="ben@example.com").count() == 3
    everything = str(list(Message.objects.values())) + str(list(Mail.objects.values()))
    assert not any(text in everything for text in texts)


def test_pages_lead_through_it(batch, texts, ann, ben):
    at_ann, at_ben = at_desk(ann), at_desk(ben)
    act = Act(at_ann, f"/admin/catalog/keybatch/{batch.pk}/ask_for_export/").fill(which="available", reason="盘点")
    assert "5 条卡密" in act.text
    assert "等待另一位员工复核" in act.confirm().done()
    export = KeyExport.objects.get()
    page = f"{EXPORTS}{export.pk}/"
    assert export.mark in text_of(at_ann.get(f"{page}change/"))
    assert at_ann.get(f"{page}approve/").status_code == 403
    own = exporting.ask_for_keys(batch_id=batch.pk, which="available", reason="x", actor=ben)
    assert "不能复核自己的申请" in Act(at_ben, f"{EXPORTS}{own.pk}/approve/").text
    assert "已批准" in Act(at_ben, f"{page}approve/").confirm().done()
    with clock.travel(clock.now() + 25 * HOURS):
        asked = at_ann.post(f"{page}fetch/", {"_step": "run"})
        assert asked["Location"] == f"/account/reauthenticate/?next={quote(f'{page}fetch/', safe='')}"
        assert KeyExport.objects.get(pk=export.pk).fetched_at is None, "an open session alone takes nothing out"
        answer = Act(says_it_again(at_ann), f"{page}fetch/").confirm().page
        assert "no-store" in answer["Cache-Control"] and export.mark in answer["Content-Disposition"]
        assert texts[0] in b"".join(answer.streaming_content).decode()
        assert "只有申请人本人" in Act(says_it_again(at_ben), f"{page}fetch/").text
    assert (
        "已拒绝"
        in Act(
            at_desk(staff("cat", "catalog.view_keyexport", "catalog.approve_key_export")), f"{EXPORTS}{own.pk}/refuse/"
        )
        .fill(reason="没有必要")
        .confirm()
        .done()
    )
    csv = b"".join(at_ben.get(f"{EXPORTS}export-csv/").streaming_content).decode()
    assert export.mark in csv and not any(text in csv for text in texts)


def test_the_board_shows_what_waits_for_a_second_person(export, ben, olga):
    desk = at_desk(olga)
    (tile,) = [tile for tile in desk.get("/admin/").context["board"].todo if tile.key == "key_exports"]
    assert tile.value == 1 and list(desk.get(tile.address).context["cl"].result_list) == [export]


def test_what_nobody_agrees_to_lapses(export):
    with clock.travel(clock.now() + timedelta(days=8)):
        assert lapse_approvals() == 1
    assert Approval.objects.get().state == Approval.State.LAPSED


def test_two_ways_of_looking_at_keys_share_one_limit(shelf, alice, olga, settings):
    settings.KEY_REVEALS_PER_HOUR = 3
    sku = shelf.sku(keys=6)
    order = shelf.buy(alice, (sku, 5), from_wallet=True)
    key = Key.objects.filter(state="sold").first()
    reveal_key(key_id=key.pk, actor=olga)
    assert len(reveal(order_id=order.pk, reason="x", limit=100, actor=olga)) == 2, "no more than are left"
    for look in (
        lambda: reveal_key(key_id=key.pk, actor=olga),
        lambda: reveal(order_id=order.pk, reason="x", limit=100, actor=olga),
    ):
        with pytest.raises(TooManyReveals):
            look()
    with clock.travel(clock.now() + timedelta(minutes=61)):
        assert reveal_key(key_id=key.pk, actor=olga)
