"""The audit log's chain: whoever gets at the tables by themselves is found out, and told by row."""

import json
from datetime import timedelta

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit.marks import mark_without_id
from audit.models import AuditEntry, ChainAnchor, ChainCheck, ChainLink, PendingEntry
from audit.selectors import chain_state
from audit.services import anchoring, record, witness
from audit.services.anchoring import anchor, read_anchors
from audit.services.chain import GONE_ON_WITH, seal, verify
from audit.tasks import anchor_chain, seal_chain, verify_chain
from common import clock
from tests.desk import Act, at_desk, staff, text_of

pytestmark = pytest.mark.django_db

ENTRIES = 12


@pytest.fixture
def log(alice):
    """A log of a dozen acts, all in the chain."""
    for number in range(ENTRIES):
        detail = {"amount": "1.50", "rank": 1.0, "rate": 0.25, "refs": [number, None, True], "note": "退款"}
        record(action="test.act", at=clock.now(), actor=alice, target=alice, detail=detail, address="2001:db8::1")
    seal()
    return list(AuditEntry.objects.order_by("pk"))


@pytest.fixture
def by_hand():
    """SQL of somebody who gets past the triggers."""

    def run(statement: str, *params) -> None:
        with pgtrigger.ignore(), connection.cursor() as cursor:
            cursor.execute(statement, params)

    return run


def found(**options) -> list[tuple[str, int]]:
    check = verify(**options)
    assert check.faults == len(check.findings)
    return [(one["what"], one["entry"] or one["position"]) for one in check.findings]


def test_a_log_that_nobody_touched_is_whole(log):
    assert ChainLink.objects.count() == AuditEntry.objects.count() and not PendingEntry.objects.exists()
    assert found() == []
    check = ChainCheck.objects.get()
    assert check.finished_at is not None and check.position == check.total == ChainLink.objects.count()


@pytest.mark.parametrize(
    "change",
    [
        "action = 'other.act'",
        "actor = 'mallory'",
        "actor_id = 1",
        "at = at + interval '1 microsecond'",
        "target_id = '1'",
        "target_type = 'x'",
        "detail = jsonb_set(detail, '{amount}', '\"9.50\"')",
        "address = '2001:db8::2'",
        "mark = NULL",
        "mark = '\\x00'",
    ],
)
def test_a_changed_entry_is_named(log, by_hand, change):
    by_hand(f"UPDATE audit_auditentry SET {change} WHERE id = %s", log[4].pk)
    assert found() in ([("changed", log[4].pk)], [("put_in", log[4].pk)])


def test_a_removed_entry_is_named_and_so_is_a_link_that_went_with_it(log, by_hand):
    by_hand("DELETE FROM audit_auditentry WHERE id = %s", log[3].pk)
    assert found() == [("removed", log[3].pk)]
    position = ChainLink.objects.get(entry_id=log[3].pk).position
    by_hand("DELETE FROM audit_chainlink WHERE position = %s", position)
    assert found() == [("cut", position)]


def test_closing_the_gap_does_not_help(log, by_hand):
    position = ChainLink.objects.get(entry_id=log[3].pk).position
    by_hand("DELETE FROM audit_auditentry WHERE id = %s", log[3].pk)
    by_hand("DELETE FROM audit_chainlink WHERE position = %s", position)
    for later in range(position + 1, ChainLink.objects.count() + 2):
        by_hand("UPDATE audit_chainlink SET position = %s WHERE position = %s", later - 1, later)
    assert found()[0] == ("moved", log[4].pk)


def test_an_entry_put_in_is_named_whichever_way_it_came(log, by_hand):
    values = "(at, actor, action, target_type, target_id, detail) VALUES (now(), 'olga', 'wallet.adjust', '', '', '{}')"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO audit_auditentry {values}")
    by_hand(f"INSERT INTO audit_auditentry {values}")
    with_trigger, past_it = AuditEntry.objects.filter(action="wallet.adjust").order_by("pk")
    seal()
    assert found() == [("put_in", with_trigger.pk), ("left_out", past_it.pk)]


def test_an_entry_does_not_pass_for_one_that_is_older_than_the_chain(log, by_hand):
    values = "(at, actor, action, target_type, target_id, detail) VALUES (now(), 'olga', 'wallet.adjust', '', '', '{}')"
    by_hand(f"INSERT INTO audit_auditentry {values}")
    forged = AuditEntry.objects.get(action="wallet.adjust")
    PendingEntry.objects.create(entry_id=forged.pk, old=True)
    seal()
    assert found() == [("put_in", forged.pk)]


COPIED = "at, actor_id, actor, action, target_type, target_id, detail, address, mark"


def copy_first_entry() -> int:
    """The id of a copy of the first entry, put in by somebody who leaves the triggers alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_auditentry ({COPIED}) SELECT {COPIED} FROM audit_auditentry ORDER BY id LIMIT 1 RETURNING id"
        )
        return cursor.fetchone()[0]


def test_a_copy_of_a_genuine_entry_is_no_second_one(log):
    copied = copy_first_entry()
    seal()
    assert found() == [("put_in", copied)]


def test_entries_that_are_older_than_ids_in_marks_are_ours_but_no_new_ones_are(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("audit.services.mark_of", mark_without_id)
        for _ in range(3):
            record(action="test.act", at=clock.now())
    record(action="test.act", at=clock.now())
    seal()
    assert found(chunk=2) == []
    copied = copy_first_entry()
    seal()
    assert found(chunk=2) == [("put_in", copied)]


def test_entries_that_changed_places_are_named(log, by_hand):
    one, other = log[2], log[7]
    by_hand("UPDATE audit_auditentry SET id = -1 WHERE id = %s", one.pk)
    by_hand("UPDATE audit_auditentry SET id = %s WHERE id = %s", one.pk, other.pk)
    by_hand("UPDATE audit_auditentry SET id = %s WHERE id = -1", other.pk)
    assert {entry for _, entry in found()} == {one.pk, other.pk}


def test_links_that_changed_places_are_named(log, by_hand):
    first, second = ChainLink.objects.filter(entry_id__in=[log[2].pk, log[3].pk]).order_by("position")
    by_hand("UPDATE audit_chainlink SET entry_id = -1 WHERE position = %s", first.position)
    by_hand("UPDATE audit_chainlink SET entry_id = %s WHERE position = %s", first.entry_id, second.position)
    by_hand("UPDATE audit_chainlink SET entry_id = %s WHERE position = %s", second.entry_id, first.position)
    assert found() == [("moved", second.entry_id), ("moved", first.entry_id)]


def test_an_end_that_was_cut_off_and_a_chain_made_anew_are_known_by_what_was_kept_outside(
    log, by_hand, settings, tmp_path
):
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchors")
    made = anchor()
    assert made.kept_in == ["log", "file"] and anchor() is None, "once while nothing is new"
    kept = read_anchors(tmp_path / "anchors")
    assert kept == [{"position": made.position, "hash": made.hash}]
    by_hand("DELETE FROM audit_auditentry WHERE id = %s", log[-1].pk)
    by_hand("DELETE FROM audit_chainlink WHERE entry_id = %s", log[-1].pk)
    by_hand("DELETE FROM audit_chainanchor")
    assert found() == []
    assert found(anchors=kept) == [("cut", made.position)]
    record(action="test.act", at=clock.now())
    seal()
    assert found() == []
    assert found(anchors=anchoring.kept_anchors()) == [("anchor", made.position)]


def test_a_check_that_was_killed_goes_on_and_forgets_nothing(log, by_hand):
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", log[1].pk)
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", log[9].pk)

    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        if done >= 4:
            raise Killed

    with pytest.raises(Killed):
        verify(chunk=2, progress=kill)
    left = ChainCheck.objects.get()
    assert left.finished_at is None and 0 < left.position < left.total
    assert chain_state(at=clock.now()).faults == 1, "what is known already is told"
    assert found(chunk=3) == [("changed", log[1].pk), ("changed", log[9].pk)]
    assert ChainCheck.objects.get().pk == left.pk


def test_a_check_that_somebody_else_began_does_not_count(log, by_hand):
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", log[1].pk)
    ChainCheck.objects.create(started_at=clock.now(), position=ChainLink.objects.count(), mark=bytes(32))
    assert found() == [("changed", log[1].pk)]


@pytest.mark.parametrize("change", [{"position": 12}, {"faults": 0, "findings": []}, {"era": 0}])
def test_an_unfinished_check_that_was_altered_begins_anew(log, by_hand, change):
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", log[1].pk)
    verify(chunk=4, stop_after=timedelta(0))
    assert ChainCheck.objects.get().faults == 1
    ChainCheck.objects.update(**change)
    assert found() == [("changed", log[1].pk)]


def test_an_old_unfinished_check_that_is_put_back_hides_nothing_from_the_next_nights(log, by_hand):
    verify(chunk=4, stop_after=timedelta(0))
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", log[1].pk)
    with clock.travel(clock.now() + GONE_ON_WITH + timedelta(minutes=1)):
        assert found() == [("changed", log[1].pk)]


def test_what_the_night_does_not_finish_goes_on_at_once(log, monkeypatch):
    sent = []
    monkeypatch.setattr("audit.tasks.VERIFY_FOR", timedelta(0))
    monkeypatch.setattr("audit.tasks.send", sent.append)
    verify_chain()
    assert sent == ["audit.tasks.verify_chain"] and ChainCheck.objects.get().finished_at is None
    assert found() == []


def test_what_is_older_than_marks_is_taken_in_as_it_is(by_hand):
    by_hand(
        "INSERT INTO audit_auditentry (at, actor, action, target_type, target_id, detail)"
        " SELECT now(), '', 'old.act', '', '', '{}' FROM generate_series(1, 3)"
    )
    by_hand("INSERT INTO audit_pendingentry (entry_id, old) SELECT id, true FROM audit_auditentry")
    record(action="test.act", at=clock.now())
    seal(limit=2)
    seal()
    assert found() == []
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = (SELECT min(id) FROM audit_auditentry)")
    assert [what for what, _ in found()] == ["changed"]


def test_batches_follow_each_other_and_an_entry_that_went_before_it_was_sealed_is_missed(by_hand):
    for _ in range(7):
        gone = record(action="test.act", at=clock.now())
    by_hand("DELETE FROM audit_auditentry WHERE id = %s", gone.pk)
    assert [seal(limit=3) for _ in range(4)] == [3, 3, 1, 0]
    assert found() == [("removed", gone.pk)]


@pytest.mark.parametrize("table", ["audit_auditentry", "audit_chainlink", "audit_chainanchor"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET id = id"])
def test_the_log_and_the_chain_refuse_change_and_removal(log, table, statement):
    anchor()
    column = "position = position" if table == "audit_chainlink" else "id = id"
    with (
        pytest.raises(DatabaseError, match="Cannot update or delete"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table).replace("id = id", column))


def test_the_command_names_what_it_finds_and_ends_with_1(log, by_hand, capsys, settings, tmp_path):
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchors")
    call_command("audit_chain", "seal")
    call_command("audit_chain", "anchor")
    call_command("audit_chain", "verify")
    assert "1 个外部锚点，发现 0 个问题" in capsys.readouterr().out
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", log[5].pk)
    with pytest.raises(CommandError, match="发现 1 个问题"):
        call_command("audit_chain", "verify")
    assert f"记录 #{log[5].pk}（test.act" in capsys.readouterr().err
    bad = tmp_path / "bad"
    bad.write_text(json.dumps({"position": 1, "hash": "ab"}) + "\nnot json\n")
    with pytest.raises(CommandError, match="第 2 行"):
        call_command("audit_chain", "verify", "--anchors", str(bad))


def test_the_anchor_is_mailed_where_an_address_is_set(log, settings, mailoutbox):
    settings.AUDIT_ANCHOR_MAIL = "keeper@example.com"
    assert anchor().kept_in == ["log", "mail"]
    assert ChainAnchor.objects.get().hash in mailoutbox[0].body
    settings.AUDIT_ANCHOR_FILE = "/nowhere/at/all"
    record(action="test.act", at=clock.now())
    seal()
    assert anchor().kept_in == ["log", "mail"], "a disk that is away stops nothing"


def test_the_tasks_do_it_every_day(log):
    record(action="test.act", at=clock.now())
    assert seal_chain() == 1
    anchor_chain()
    verify_chain()
    assert ChainAnchor.objects.count() == 1 and ChainCheck.objects.get().faults == 0


def test_staff_see_how_the_chain_stands_and_the_board_raises_the_alarm(log, by_hand, olga):
    desk = at_desk(olga)
    assert "尚未核对" in text_of(desk.get("/admin/audit/chaincheck/"))
    verify()
    assert "完整" in text_of(desk.get("/admin/audit/chaincheck/"))
    assert "审计链" not in [tile.label for tile in desk.get("/admin/").context["board"].todo]
    by_hand("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", log[5].pk)
    check = verify()
    assert "1 个问题" in text_of(desk.get("/admin/audit/chaincheck/"))
    assert f"记录 #{log[5].pk}" in text_of(desk.get(f"/admin/audit/chaincheck/{check.pk}/change/"))
    (tile,) = [tile for tile in desk.get("/admin/").context["board"].todo if tile.key == "audit_chain"]
    assert list(desk.get(tile.address).context["cl"].result_list) == [check] and tile.value == 1


def test_a_chain_that_does_not_go_on_is_an_alarm(log):
    record(action="test.act", at=clock.now() - timedelta(hours=1))
    assert chain_state(at=clock.now()).late
    seal()
    anchor()
    assert not chain_state(at=clock.now()).late
    assert chain_state(at=clock.now() + timedelta(days=4)).late, "nobody has looked at it"


def test_looking_at_once_needs_a_right_and_is_logged(log):
    looker = staff("looker", "audit.view_chaincheck")
    assert at_desk(looker).get("/admin/audit/chaincheck/verify").status_code in {301, 403}
    keeper = staff("keeper", "audit.view_chaincheck", "audit.verify_chain")
    assert "已经开始" in Act(at_desk(keeper), "/admin/audit/chaincheck/verify/").confirm().done()
    assert AuditEntry.objects.get(action="audit.verify").actor == "keeper"


def test_a_sealed_end_that_is_taken_out_before_the_days_anchor_is_missed(
    log, by_hand, alice, django_capture_on_commit_callbacks
):
    """Somebody removes what they did an hour ago, with its links; the chain goes on, sound by itself, and Redis knows."""

    def act_and_seal() -> ChainLink:
        record(action="test.act", at=clock.now(), actor=alice, target=alice)
        with django_capture_on_commit_callbacks(execute=True):
            seal()
        return ChainLink.objects.order_by("-position").first()

    anchor()
    try:
        act_and_seal()
        taken = act_and_seal()
        assert found() == []
        by_hand("DELETE FROM audit_chainlink WHERE position = %s", taken.position)
        by_hand("DELETE FROM audit_auditentry WHERE id = %s", taken.entry_id)
        assert found() == [("cut", taken.position)]
        for _ in range(2):
            act_and_seal()
            assert found() == [("anchor", taken.position)]
    finally:
        witness.forget()
