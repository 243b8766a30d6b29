"""The results file: one JSON line for each turn of a family, appended. What was really run is the sum of its lines."""

import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from launcher.environment import ROOT
from torture.report import Report

# So many counts of one kind are told one by one.
FEW = 25


def commit() -> str:
    """The commit that is tortured, with a + when files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except OSError:
        return "?"


def line_of(report: Report, *, seed: int, turn: int, seconds: float, at_commit: str) -> dict:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": at_commit,
        "seed": seed,
        "turn": turn,
        "family": report.family,
        "seconds": round(seconds, 1),
        "clean": not report.wrong,
        "counts": dict(sorted(report.counts.items())),
        "worst": report.worst,
        "wrong": report.wrong,
        "notes": report.notes,
    }


def append(file: Path, line: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as target:
        target.write(json.dumps(line, ensure_ascii=False) + "\n")


def read(file: Path) -> Iterator[dict]:
    """The lines; one that a kill has cut off is left out."""
    if not file.exists():
        return
    for text in file.read_text("utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "family" in line:
            yield line


def next_turns(lines: Iterable[dict], seed: int) -> dict[str, int]:
    """Where each family goes on with this seed: a turn that was run is not run again."""
    turns: dict[str, int] = {}
    for line in lines:
        if line["seed"] == seed:
            turns[line["family"]] = max(turns.get(line["family"], 0), line["turn"] + 1)
    return turns


def _details(counts: Counter) -> list[str]:
    """Of counts such as "kind: cut off" and "kind: unsigned" how many there are and how often each was; few are told one by
    one."""
    by_what: dict[str, list[str]] = defaultdict(list)
    for name in sorted(counts):
        what, colon, _ = name.partition(": ")
        if colon:
            by_what[what].append(name)
    said = []
    for what, names in by_what.items():
        if len(names) <= FEW:
            said += [f"    {name:<44} {counts[name]:>12,}" for name in names]
        else:
            numbers = [counts[name] for name in names]
            said.append(
                f"    {what + ':':<44} {len(names):>12,} different, {min(numbers):,} to {max(numbers):,} of each"
            )
    return said


def table(lines: Iterable[dict]) -> str:
    """All lines summed by family, for people."""
    sums: dict[str, Counter] = defaultdict(Counter)
    worst: dict[str, dict[str, float]] = defaultdict(dict)
    turns: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    wrong: dict[str, list[str]] = defaultdict(list)
    notes: dict[str, list[str]] = defaultdict(list)
    commits, seeds = set(), set()
    for line in lines:
        family = line["family"]
        commits.add(line["commit"])
        seeds.add(line["seed"])
        turns[family] += 1
        seconds[family] += line["seconds"]
        sums[family].update(line["counts"])
        wrong[family] += line["wrong"]
        notes[family] += [note for note in line["notes"] if note not in notes[family]]
        for name, value in line["worst"].items():
            worst[family][name] = max(value, worst[family].get(name, 0.0))
    if not turns:
        return "nothing was run\n"
    said = []
    for family in turns:
        verdict = "clean" if not wrong[family] else f"{sums[family]['violations']} VIOLATIONS"
        said.append(f"{family}: {verdict}, {turns[family]} turns, {seconds[family]:,.0f} s")
        said += [f"    {name:<44} {count:>12,}" for name, count in sorted(sums[family].items()) if ": " not in name]
        said += _details(sums[family])
        said += [f"    {name:<44} {value:>12,.2f} at worst" for name, value in sorted(worst[family].items())]
        said += [f"    note: {note}" for note in notes[family]]
        said += [f"    WRONG: {text}" for text in wrong[family][:5]]
    said.append(f"seeds {', '.join(map(str, sorted(seeds)))}; commits {', '.join(sorted(commits))}")
    return "\n".join(said) + "\n"
