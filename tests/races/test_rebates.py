"""Paying rebates by several at once, and by one that is killed."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from common import clock
from common.clock import day_of, start_of_day
from marketing.models import Rebate, RebateCorrection
from marketing.rebates import month_after, month_of
from marketing.services import correct_rebates, pay_rebates
from tests.architecture.source import ROOT
from tests.marketing.test_rebates import program
from tests.membership.club import Club, at_least
from tests.servers import database_url
from tests.shelf import books
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db(transaction=True)

MEMBERS = 40


@pytest.fixture
def club(transactional_db) -> Club:
    program()
    return Club(at_least("spend", "life", "1000000.00"))


@pytest.fixture
def month(transactional_db):
    """The month before this one."""
    return month_after(month_of(day_of(clock.now())), -1)


def wrong() -> dict:
    """What is wrong with the books. Events of the club's opening wait for a relay that tests do not run."""
    return {name: found for name, found in books().items() if not name.startswith("events.")}


def merchants(club, month, count=MEMBERS):
    members = [club.join() for _ in range(count)]
    orders = [club.buy(member, "10000.00", paid=start_of_day(month)) for member in members]
    return members, orders


def command(month) -> subprocess.Popen:
    """Another process that pays the month."""
    environment = {**os.environ, "DATABASE_URL": database_url(), "KAMENG_ENV": "test"}
    arguments = [sys.executable, "manage.py", "pay_rebates", f"{month:%Y-%m}"]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def balances(members) -> set[str]:
    return {str(balance_of(member.user)) for member in members}


def test_four_at_once_pay_each_member_once(race, club, month):
    members, _orders = merchants(club, month, 12)
    at = clock.now()
    results = race.run(*[partial(pay_rebates, month=month, at=at)] * 4)
    assert sum(done.members for done in results) == 12
    assert balances(members) == {"300.00"}
    assert wrong() == {}


def test_two_processes_share_the_work(club, month):
    members, _orders = merchants(club, month)
    running = [command(month), command(month)]
    answers = [one.communicate() for one in running]
    assert [one.returncode for one in running] == [0, 0], answers
    assert Rebate.objects.count() == MEMBERS
    assert balances(members) == {"300.00"}
    assert wrong() == {}


def test_killed_half_way_it_goes_on(club, month):
    members, _orders = merchants(club, month)
    running = command(month)
    while running.poll() is None and not Rebate.objects.exists():
        time.sleep(0.001)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    assert wrong() == {}
    assert Rebate.objects.count() < MEMBERS, "nothing was left to do: the kill came too late"
    again = command(month)
    assert "共" in again.communicate()[0].decode()
    assert again.returncode == 0
    assert Rebate.objects.count() == MEMBERS
    assert balances(members) == {"300.00"}
    assert wrong() == {}


def test_corrected_by_many_once(race, club, month):
    members, orders = merchants(club, month, 3)
    at = clock.now()
    pay_rebates(month=month, at=at)
    for order in orders:
        club.hear(club.refunded(order), at)
    race.run(*[partial(correct_rebates, at=at)] * 6)
    assert [str(one.amount) for one in RebateCorrection.objects.all()] == ["-300.00"] * 3
    assert balances(members) == {"300.00"}
