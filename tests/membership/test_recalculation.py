"""Evaluating many: who is due, what is taken up again, who is refused."""

import io
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from common import clock
from common.clock import start_of_day
from common.locks import is_held, lock
from kameng.celery import app
from membership.exceptions import AlreadyRunning
from membership.models import MemberTier, Recalculation
from membership.selectors.evaluations import evaluation_traces
from membership.selectors.rules import published_versions
from membership.services import passing, recalculate
from membership.services.evaluation import evaluate_locked
from membership.services.recalculation import LOCK
from membership.tasks import recalculate_tiers
from tests.membership.club import Club, at_least, causes, on, rank

pytestmark = pytest.mark.django_db


@pytest.fixture
def club():
    return Club(at_least("spend", "30d", "100.00"))


def recalculated(at, **options):
    with clock.travel(at):
        return recalculate(**{"everyone": False, **options})


def test_a_member_is_due_when_a_day_leaves_the_window(club):
    member = club.join()
    assert member.next_check_at is None
    club.buy(member, "60.00", paid=on("2026-03-01"))
    member.refresh_from_db()
    assert member.next_check_at == start_of_day(on("2026-03-31").date())
    assert recalculated(on("2026-03-30", "23:59")).evaluated == 0
    assert recalculated(on("2026-03-31", "03:10")).evaluated == 1
    member.refresh_from_db()
    assert member.evaluation["tiers"][0]["enter"]["value"] == "0.00"
    assert member.evaluation["day"] == "2026-03-31"
    assert member.next_check_at is None
    assert recalculated(on("2026-04-01", "03:10")).evaluated == 0


def test_new_rules_reach_everybody_in_the_next_pass(club):
    member = club.join()
    club.buy(member, "60.00", paid=on("2026-03-01"))
    club.publish(at_least("spend", "30d", "50.00"), at=on("2026-03-02"), starts=on("2026-03-05", "00:00"))
    assert recalculated(on("2026-03-03")).changed == 0
    run = recalculated(on("2026-03-05", "03:10"))
    assert (run.evaluated, run.changed) == (1, 1)
    assert rank(member) == 1
    assert causes(member) == ["default", "rules"]
    club.version.refresh_from_db()
    assert club.version.status == "retired"


def test_what_becomes_of_a_member_does_not_depend_on_who_is_evaluated_with_them():
    """Whoever was long without an evaluation is judged on the day on which new rules began, by the window of that day."""
    club = Club(at_least("spend", "life", "500.00"), at_least("spend", "60d", "900.00"))
    alone, together, early = club.join(), club.join(), club.join()
    club.buy(early, "10.00", paid=on("2026-01-25"))
    for member in (alone, together):
        club.buy(member, "100.00", paid=on("2026-03-01"))
    # Published after they were evaluated, so that nothing that is stored tells of its beginning.
    window = {"enter": at_least("spend", "30d", "100.00")}
    club.publish(
        window, window | {"enter": at_least("spend", "30d", "900.00")}, at=on("2026-03-02"), starts=on("2026-03-25")
    )
    now, versions = on("2026-04-05"), published_versions(club.program.pk)
    for members in ([alone], [together, early]):
        locked = lock(MemberTier.objects.filter(pk__in=[member.pk for member in members]))
        evaluate_locked(locked, versions, at=now)
    standing = [(rank(one), one.since, one.stage, one.next_check_at, causes(one)) for one in (alone, together)]
    assert standing[0] == standing[1]
    assert standing[0][0] == 1 and alone.since == on("2026-03-25")


def test_everyone_in_batches_with_progress(club):
    members = [club.join() for _ in range(7)]
    # As members were before the engine: never folded.
    MemberTier.objects.filter(pk__in=[member.pk for member in members[:3]]).update(
        state={}, folded_to=None, evaluation={}
    )
    told = []
    run = recalculated(
        on("2026-03-02"), everyone=True, batch=2, progress=lambda done, total: told.append((done, total))
    )
    assert run.finished_at is not None
    assert told == [(2, 7), (4, 7), (6, 7), (7, 7)]
    assert not MemberTier.objects.filter(evaluation={}).exists()


def test_members_of_several_programs_are_evaluated_by_their_own_rules(club):
    other = Club(at_least("orders", "life", 1))
    here, there = club.join(), other.join()
    club.buy(here, "60.00", paid=on("2026-03-01"))
    other.buy(there, "60.00", paid=on("2026-03-01"))
    recalculated(on("2026-03-02"), everyone=True)
    assert (rank(here), rank(there)) == (0, 1)
    here.refresh_from_db()
    assert here.version_id == club.version.pk


def test_a_pass_that_was_stopped_goes_on_where_it_was(club):
    for _ in range(5):
        club.join()
    first = recalculated(on("2026-03-02"), everyone=True, batch=2, stop_after=timedelta(0))
    assert first.finished_at is None and first.evaluated == 0
    seen = []

    def die(done, total):
        seen.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recalculated(on("2026-03-02"), everyone=True, batch=2, progress=die)
    left = Recalculation.objects.get()
    assert (left.evaluated, left.finished_at) == (2, None)
    run = recalculated(on("2026-03-02"), everyone=True, batch=2, progress=lambda done, _: seen.append(done))
    assert run.pk == left.pk
    assert seen == [2, 4, 5]
    assert run.finished_at is not None
    assert recalculated(on("2026-03-03"), everyone=True).pk != run.pk


def test_a_pass_of_an_earlier_night_is_finished_and_then_tonight_is_taken(club):
    early, late = club.join(), club.join()
    club.buy(early, "60.00", paid=on("2026-03-02"))
    club.buy(late, "60.00", paid=on("2026-03-01"))

    def die(done, total):
        raise KeyboardInterrupt

    third = club.join()
    club.buy(third, "60.00", paid=on("2026-03-01"))
    with pytest.raises(KeyboardInterrupt):
        recalculated(on("2026-03-31", "03:10"), batch=1, progress=die)
    left = Recalculation.objects.get()
    # Due since, and before the place where the pass of last night goes on.
    run = recalculated(on("2026-04-01", "03:10"), batch=1)
    early.refresh_from_db()
    assert early.evaluation["day"] == "2026-04-01"
    assert run.pk != left.pk and run.finished_at is not None
    left.refresh_from_db()
    assert left.finished_at is not None


@pytest.mark.parametrize("everyone", [False, True])
def test_what_a_pass_was_killed_before_showing_is_shown_by_the_next_one_of_the_night(club, monkeypatch, everyone):
    """A step of yesterday, which no pass took: the figures of today come after it, and the member is due no more."""
    member = club.join()
    club.buy(member, "60.00", paid=on("2026-03-01"))
    club.buy(member, "30.00", paid=on("2026-03-20"))
    gone = club.join()
    club.buy(gone, "50.00", paid=on("2026-03-01"))
    monkeypatch.setattr(passing, "WORTH_A_STATEMENT", 1)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
        dying.setattr(passing, "evaluate_those_behind", killed)
        recalculated(on("2026-04-01", "03:10"))
    member.refresh_from_db()
    gone.refresh_from_db()
    # Their steps were stored, and the next one is weeks away, or never.
    assert gone.next_check_at is None
    assert member.folded_to == start_of_day(on("2026-03-31").date())
    assert member.next_check_at == start_of_day(on("2026-04-19").date())
    run = recalculated(on("2026-04-01", "03:40"), everyone=everyone)
    assert (run.evaluated, run.differences) == (2 * everyone, 0)
    for one, value in ((member, "30.00"), (gone, "0.00")):
        one.refresh_from_db()
        [tier] = evaluation_traces(one)[0]
        assert (one.evaluation["day"], str(tier.enter.value)) == ("2026-04-01", value)


def test_rules_published_during_a_pass_reach_those_who_had_gone_by(club):
    """The pass that their publication asks for is refused while this one runs; nobody waits for the next night."""
    members = [club.join() for _ in range(3)]
    club.buy(members[0], "60.00", paid=on("2026-03-01"))
    club.publish(at_least("spend", "30d", "90.00"), at=on("2026-03-02", "03:00"))

    with ExitStack() as clocks:
        clocks.enter_context(clock.travel(on("2026-03-02", "03:10")))

        def publish(done: int, total: int) -> None:
            if clock.now() < on("2026-03-02", "03:12"):
                club.publish(at_least("spend", "30d", "50.00"), at=on("2026-03-02", "03:11"))
                clocks.enter_context(clock.travel(on("2026-03-02", "03:12")))

        run = recalculate(everyone=False, batch=1, progress=publish)
    assert rank(members[0]) == 1 and run.finished_at is not None
    assert Recalculation.objects.count() == 2


def test_a_second_start_is_refused(club):
    with connections["default"].copy().cursor() as other:
        other.execute("SELECT pg_advisory_lock(%s, 0)", [LOCK])
        with pytest.raises(AlreadyRunning):
            recalculate(everyone=False)
        with pytest.raises(CommandError, match="正在进行"):
            call_command("recalculate_tiers", stderr=io.StringIO())
        recalculate_tiers()
        assert not Recalculation.objects.exists()
        other.execute("SELECT pg_advisory_unlock(%s, 0)", [LOCK])
        other.connection.close()
    assert recalculate(everyone=False).finished_at is not None
    assert not is_held(LOCK, 0)


def test_the_command_shows_progress_and_a_summary(club, capsys):
    for _ in range(3):
        club.join()
    call_command("recalculate_tiers", "--all")
    told = capsys.readouterr()
    assert "3/3 100%" in told.err
    assert "已评定 3 位会员，0 位等级有变" in told.out
    call_command("recalculate_tiers")
    assert "已评定 0 位会员" in capsys.readouterr().out


def test_the_task_asks_for_another_when_its_time_is_over(club, monkeypatch):
    club.join()
    asked = []
    monkeypatch.setattr("membership.tasks.SLICE", timedelta(0))
    monkeypatch.setattr("membership.tasks.send", lambda *args: asked.append(args))
    recalculate_tiers(True)
    assert asked == [("membership.tasks.recalculate_tiers", True)]


def test_beat_starts_it_at_ten_past_three_in_shanghai_and_over_everyone_on_mondays():
    entries = [entry for entry in app.conf.beat_schedule.values() if entry["task"] == recalculate_tiers.name]
    [nightly] = [entry for entry in entries if not entry.get("args")]
    [weekly] = [entry for entry in entries if entry.get("args") == (True,)]
    assert (nightly["schedule"].hour, nightly["schedule"].minute) == ({3}, {10})
    assert (weekly["schedule"].day_of_week, weekly["schedule"].hour) == ({1}, {3})
    assert str(app.conf.timezone) == "Asia/Shanghai"
    assert recalculate_tiers.name in app.tasks
