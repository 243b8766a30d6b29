"""`python -m torture`, started by `manage.py torture`: the stage, the turns, the results."""

import argparse
import os
import sys
import time
import traceback
from importlib import import_module

import django

from launcher import console
from launcher.console import Interrupted
from torture import FAMILIES, results
from torture.options import NOT_INHERITED, add_arguments
from torture.report import Budget, Report
from torture.stage import Stage

# Shorter turns would be all starting and stopping.
SHORTEST = 20.0


def main(words: list[str]) -> int:
    console.progress_to_stderr()
    parser = argparse.ArgumentParser(prog="manage.py torture")
    add_arguments(parser)
    options = parser.parse_args(words)
    if options.sum:
        sys.stdout.write(results.table(results.read(options.results)))
        return 0
    for name in NOT_INHERITED:
        os.environ.pop(name, None)
    families = options.only or list(FAMILIES)
    with Stage(options.data_dir) as stage:
        os.environ.update(stage.environment())
        django.setup()
        lines = _run(stage, options, families)
    sys.stdout.write(results.table(lines))
    return 1 if any(not line["clean"] for line in lines) else 0


def _run(stage: Stage, options: argparse.Namespace, families: list[str]) -> list[dict]:
    deadline = time.monotonic() + options.minutes * 60
    at_commit = results.commit()
    turns = results.next_turns(results.read(options.results), options.seed)
    lines: list[dict] = []
    try:
        while True:
            for place, family in enumerate(families):
                # What is left is shared, so that all have their turn even when the time is short.
                left = deadline - time.monotonic()
                first = len(lines) < len(families)
                seconds = min(options.turn * 60, max(left / (len(families) - place), SHORTEST) if first else left)
                if not first and left < SHORTEST:
                    return lines
                turn = turns.get(family, 0)
                turns[family] = turn + 1
                line = _turn(stage, family, seed=options.seed, turn=turn, seconds=seconds, at_commit=at_commit)
                results.append(options.results, line)
                lines.append(line)
    except (KeyboardInterrupt, Interrupted):
        sys.stderr.write("\ninterrupted; the turns before this one are in the results file\n")
        return lines


def _turn(stage: Stage, family: str, *, seed: int, turn: int, seconds: float, at_commit: str) -> dict:
    budget = Budget(seconds)
    report = Report(family, budget, tell=_say)
    _say(f"{family}: seed {seed}, turn {turn}, {seconds:.0f} s\n")
    module, oracle = import_module(f"torture.faults.{family}"), import_module("torture.oracle")
    began = time.monotonic()
    try:
        stage.fresh(family, getattr(module, "SESSION", ""))
        # Every turn does something else, and the same again when it is run again.
        module.run(stage, seed=seed * 1_000_003 + turn, budget=budget, report=report)
        oracle.judge(report)
    except Exception:
        # Whatever it is, it must be in the results, and the other families go on.
        report.violation(traceback.format_exc()[-1900:])
    finally:
        stage.clear()
    seconds = time.monotonic() - began
    verdict = "clean" if not report.wrong else f"{len(report.wrong)} VIOLATIONS"
    counts = ", ".join(f"{name} {count:,}" for name, count in sorted(report.counts.items()))
    _say(f"\n{family}: {verdict} after {seconds:.0f} s: {counts}\n")
    return results.line_of(report, seed=seed, turn=turn, seconds=seconds, at_commit=at_commit)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(console.guarded(main, sys.argv[1:]))
