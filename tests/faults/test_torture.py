"""Torture itself, in small: that it runs, that it notices, and that it keeps away from the shop's own servers."""

import json
import os
import subprocess
import sys

import psycopg
import pytest
from django.core.management import CommandError, call_command

from catalog.services import stock
from tests.faults.machines import NO_CAPS, hoarding_allowed
from tests.sandboxes import ROOT
from tests.servers import database_url
from torture import FAMILIES, oracle, results
from torture.faults import races
from torture.options import NOT_INHERITED, as_words
from torture.races.kinds import KINDS
from torture.report import Budget, Report

SEED = 20261130


def report(family: str, **budget) -> Report:
    return Report(family, Budget(**budget))


@pytest.mark.django_db(transaction=True)
def test_every_kind_of_race_breaks_its_naive_twin_and_not_the_shop(monkeypatch, settings):
    monkeypatch.setenv("DATABASE_URL", database_url())
    for who in ("ACCOUNT", "DEVICE", "ADDRESS"):
        monkeypatch.setenv(f"UNPAID_CAP_{who}", str(NO_CAPS))
    hoarding_allowed(settings)
    told = report("races", limit=len(KINDS))
    # The database is copied for the twins, though somebody left a session open.
    with psycopg.connect(database_url(), autocommit=True):
        races.run(None, seed=SEED, budget=told.budget, report=told, width=2)
    assert told.wrong == []
    assert told.counts["naive twins broken"] == told.counts["rounds"] == len(KINDS) >= 12


@pytest.mark.django_db(transaction=True)
class TestOracle:
    def test_it_has_nothing_to_say_of_a_good_sale(self, shelf, alice):
        order = shelf.buy(alice, (shelf.sku("1.00", keys=2), 1), from_wallet=True)
        told = report("x")
        oracle.judge(told, acknowledged=[order.public_id])
        assert told.wrong == []

    def test_it_misses_an_acknowledged_purchase(self, shelf, alice):
        unpaid = shelf.buy(alice, (shelf.sku("1.00", keys=2), 1))
        told = report("x")
        oracle.judge(told, acknowledged=[unpaid.public_id, "nobody-knows-this-one"])
        assert "2 acknowledged purchases are not there" in told.wrong[0]

    @pytest.mark.damages_books
    def test_it_sees_a_delivered_line_without_its_key(self, shelf, alice):
        order = shelf.buy(alice, (shelf.sku("1.00", keys=2), 1), from_wallet=True)
        stock.Key.objects.filter(line_id=order.lines.get().pk).update(state="available", line_id=None, sold_at=None)
        told = report("x")
        oracle.judge(told)
        assert any("a delivered line lacks its keys" in one for one in told.wrong)


class TestResults:
    def line(self, family: str = "races", turn: int = 0, seed: int = 7, **more) -> dict:
        told = report(family)
        told.count("rounds", 10)
        told.measure("seconds", 1.5 + turn)
        return {**results.line_of(told, seed=seed, turn=turn, seconds=2.0, at_commit="abc"), **more}

    def test_lines_are_summed_by_family(self, tmp_path):
        file = tmp_path / "deep" / "results.jsonl"
        for turn in range(3):
            results.append(file, self.line(turn=turn))
        text = results.table(results.read(file))
        assert "races: clean, 3 turns, 6 s" in text
        assert "30" in text and "3.50 at worst" in text

    def test_a_line_that_a_kill_cut_off_is_left_out(self, tmp_path):
        file = tmp_path / "results.jsonl"
        results.append(file, self.line())
        with file.open("a") as target:
            target.write(json.dumps(self.line())[:40])
        assert len(list(results.read(file))) == 1

    def test_a_seed_goes_on_where_it_was(self):
        lines = [self.line(turn=0), self.line(turn=1), self.line("kills"), self.line(seed=8, turn=5)]
        assert results.next_turns(lines, 7) == {"races": 2, "kills": 1}

    def test_many_kinds_are_one_line_and_few_are_told(self):
        told = report("kills")
        for number in range(40):
            told.count(f"place: p{number}", number + 1)
        told.count("kills: relay commit before", 3)
        text = results.table([results.line_of(told, seed=1, turn=0, seconds=1, at_commit="abc")])
        assert "40 different, 1 to 40 of each" in text and "place: p7" not in text
        assert "kills: relay commit before" in text

    def test_violations_are_in_the_sum(self):
        told = report("kills")
        told.violation("a key was sold twice")
        text = results.table([results.line_of(told, seed=1, turn=0, seconds=1, at_commit="abc")])
        assert "1 VIOLATIONS" in text
        assert "a key was sold twice" in text


class TestCommand:
    def test_it_refuses_where_things_are_sold(self, settings):
        settings.PRODUCTION = True
        with pytest.raises(CommandError, match="sells nothing"):
            call_command("torture", "--minutes", "1")

    def test_nothing_of_the_shops_addresses_is_handed_on(self, monkeypatch, tmp_path):
        started = []
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("shop.management.commands.torture.os.execve", lambda *words: started.append(words))
        call_command("torture", "--minutes", "3", "--seed", "9", "--only", "races", "--data-dir", str(tmp_path))
        [(_, command, env)] = started
        assert command[1:3] == ["-m", "torture"]
        assert command[command.index("--seed") + 1] == "9"
        assert not set(NOT_INHERITED) & set(env)

    def test_every_family_can_be_named(self):
        words = as_words({"minutes": 1.0, "seed": 1, "turn": 2.0, "sum": True, "only": list(FAMILIES), **self.paths()})
        assert words[-len(FAMILIES) :] == list(FAMILIES)

    def paths(self) -> dict:
        return {"results": ROOT / "x", "data_dir": ROOT / "y"}


@pytest.mark.full
@pytest.mark.xdist_group("faults")
def test_a_shop_stands_it_all(tmp_path):
    """Every family for half a minute or so, on servers of its own."""
    command = [sys.executable, "manage.py", "torture", "--minutes", "5", "--turn", "0.6", "--seed", str(SEED)]
    command += ["--results", str(tmp_path / "results.jsonl"), "--data-dir", str(tmp_path / "servers")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ.copy())
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    lines = list(results.read(tmp_path / "results.jsonl"))
    assert {line["family"] for line in lines} == set(FAMILIES)
    assert all(line["clean"] for line in lines)
    sys.stdout.write(done.stdout)
