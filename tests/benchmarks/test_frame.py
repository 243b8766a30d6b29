"""bin/bench: what it prints, what it keeps, how it ends. What is measured is tested where it lives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.frame import samples
from benchmarks.frame.machine import facts
from benchmarks.frame.report import Bench, as_json, store, table

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True
    )


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench("tier-event", 7, tmp_path)


def about() -> dict:
    machine = {"cores": 2, "processor": "some", "postgresql": "18", "python": "3.11", "commit": "c", "load_before": 0.1}
    return {"title": "One event", "machine": machine}


def test_a_percentile_is_a_sample():
    assert samples.percentile([4, 1, 3, 2], 0.5) == 2
    assert samples.percentile([4, 1, 3, 2], 0.95) == 4
    assert samples.percentile(range(1, 101), 0.95) == 95


def test_sides_take_turns_in_an_order_that_the_seed_draws():
    order: list[str] = []
    sides = {name: lambda name=name: order.append(name) for name in ("raw", "ours")}
    samples.interleave(8, sides, seed=3)
    rounds = [tuple(order[at : at + 2]) for at in range(0, 16, 2)]
    assert set(rounds) == {("raw", "ours"), ("ours", "raw")}
    again, order[:] = list(order), []
    samples.interleave(8, sides, seed=3)
    assert order == again


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [(0.25, ">= 0.25", True), (0.2, ">= 0.25", False), (1, "<= 1", True), (1, "== 0", False), (9, "", None)],
)
def test_a_target_is_met_or_missed(bench, value, target, met):
    bench.figure("share", value, target=target)
    (told,) = as_json(bench, about())["figures"]
    assert told["met"] is met
    assert bool(bench.missed) is (met is False)
    assert ("MISSED" in table(bench, about())) is (met is False)


def test_a_result_is_told_with_its_spread_and_kept_with_its_samples(bench):
    bench.figure("事件", 1234.5, "1/s", of=[1200.0, 1300.0])
    bench.keep("rates", [1200.0, 1300.0])
    bench.note("half size")
    told = table(bench, about())
    assert (
        "事件" in told and "1,234 1/s" in told and "1,200 … 1,300" in told and "half size" in told and "seed 7" in told
    )
    file = store(bench, as_json(bench, about()), "now")
    assert json.loads(file.read_text())["samples"] == {"rates": [1200.0, 1300.0]}


@pytest.mark.django_db
def test_the_machine_is_named():
    found = facts()
    assert found["cores"] >= 1 and found["postgresql"] and found["settings"]["fsync"] in ("on", "off")
    assert found["commit"]


def test_a_wrong_name_is_answered_with_the_right_ones():
    answer = run("no-such")
    assert answer.returncode == 2 and "no benchmark 'no-such'" in answer.stderr
