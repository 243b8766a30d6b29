"""A pass in a process of its own, killed half-way: the next one goes on there, and ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common import clock
from membership.models import MemberTier, Recalculation, TierDecision
from tests.membership.club import Club, at_least
from tests.membership.crowd import gather
from tests.servers import database_url

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
CROWD = 1500


def command(*words: str, output: int = subprocess.PIPE) -> subprocess.Popen:
    """`manage.py recalculate_tiers`, on the database of this test."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "recalculate_tiers", *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        stdout=output,
        stderr=output,
        text=True,
    )


def wait_for(holds, process: subprocess.Popen) -> None:
    while not holds():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def rows(club) -> dict:
    """What is stored about everybody, without the moments of the passes."""
    fields = ("pk", "rank", "since", "stage", "next_check_at")
    return {row[0]: row[1:] for row in MemberTier.objects.filter(program=club.program).values_list(*fields)}


def test_a_killed_pass_goes_on_where_it_was_and_a_second_one_is_refused():
    club = Club({"enter": at_least("spend", "90d", "1000.00"), "keep": {"scale": "0.9"}, "grace_days": 14})
    now = clock.now()
    gather(club, CROWD, now)
    expected, decided = rows(club), TierDecision.objects.count()
    # Everybody is due once more, by rules that say the same: nobody moves.
    club.publish(
        {"enter": at_least("spend", "90d", "1000.00"), "keep": {"scale": "0.9"}, "grace_days": 14}, at=clock.now()
    )
    first = command("--batch", "20", output=subprocess.DEVNULL)
    try:
        wait_for(lambda: Recalculation.objects.filter(finished_at=None, evaluated__gt=0).exists(), first)
        # Held where it is, so that it runs as long as the second one needs to start.
        os.kill(first.pid, signal.SIGSTOP)
        second = command()
        _, told = second.communicate()
        assert second.returncode == 1 and "正在进行" in told
    finally:
        os.kill(first.pid, signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    left = Recalculation.objects.get(finished_at=None)
    assert 0 < left.evaluated < CROWD, "it was to be killed half-way"
    third = command("--batch", "500")
    told, progress = third.communicate()
    assert third.returncode == 0, progress
    assert f"{CROWD:,}/{CROWD:,} 100%" in progress
    done = Recalculation.objects.get(pk=left.pk)
    assert done.finished_at is not None and done.evaluated == CROWD
    assert rows(club) == expected
    assert TierDecision.objects.count() == decided
    assert (
        not MemberTier.objects.exclude(version=club.program.versions.latest("pk")).filter(program=club.program).exists()
    )
