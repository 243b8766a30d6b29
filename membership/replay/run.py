"""Lines to decisions: the members of a file, who invited whom, and time passing for all of them."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import groupby

from common.clock import SHANGHAI, day_of
from membership.engine.decisions import Decision
from membership.engine.facts import Fact, spend_facts
from membership.engine.member import Member
from membership.engine.step import World
from membership.engine.versions import OneVersion, Override, Timeline
from membership.replay.lines import DISPUTE, ORDER, OVERRIDE, Line
from membership.replay.stays import FileStays
from membership.rules.nodes import RuleSet

BEGINNING = datetime(1970, 1, 1, tzinfo=SHANGHAI)
# So many distinct days with something of their own doing make an invited friend an active one.
ACTIVE_DAYS = 30
# What others say or decide about a member is not their own doing.
NOT_DOING = frozenset({DISPUTE, OVERRIDE, "credit", "disputes_upheld", "invitee_active", "invitee_spend"})

Told = tuple[str, Decision]


def replay(rules: RuleSet, lines: Iterable[Line], as_of: datetime | None = None) -> list[Told]:
    """Every decision with its member, by time and then member. Lines may come in any order, references once each.

    Lines later than `as_of` are not heard; without it, time ends with the last line.
    """
    return Replay(rules, sorted(lines, key=lambda line: line.key), as_of).run()


class Replay:
    def __init__(self, rules: RuleSet, lines: Sequence[Line], as_of: datetime | None) -> None:
        self.rules = rules
        self.end = as_of or (lines[-1].at if lines else BEGINNING)
        self.lines = [line for line in lines if line.at <= self.end]
        self.by_ref = {line.ref: line for line in self.lines}
        # The line that told of a fact.
        self.line_of: dict[str, str] = {}
        self.inviters = self._inviters()
        self.days: dict[str, set[date]] = defaultdict(set)
        self.stays = FileStays()
        self.worlds = self._worlds(Timeline([OneVersion(rules, BEGINNING)]))
        self.members: dict[str, Member] = {}
        # Where thresholds depend on how long others stay, all members go through time together.
        self.together = bool(rules.dynamic)
        self.due: list[tuple[datetime, str]] = []

    def run(self) -> list[Told]:
        for at, group in groupby(self.lines, key=lambda line: line.at):
            self._pass_time(at)
            self._hear(at, list(group))
        self._pass_time(self.end)
        for name in sorted(self.members):
            self.members[name].advance(self.end)
        told = [
            (name, replace(one, ref=self.line_of.get(one.ref, one.ref)))
            for name, member in self.members.items()
            for one in member.decisions
        ]
        return sorted(told, key=lambda item: (item[1].at, item[0]))

    def _inviters(self) -> dict[str, str]:
        """Who invited whom: the earliest line that says so decides."""
        found: dict[str, str] = {}
        for line in self.lines:
            if line.inviter:
                found.setdefault(line.member, line.inviter)
        return found

    def _worlds(self, timeline: Timeline) -> dict[str, World]:
        overrides: dict[str, list[Override]] = defaultdict(list)
        for line in self.lines:
            if line.metric == OVERRIDE and line.until is not None:
                overrides[line.member].append(Override(line.ref, line.kind, line.rank, line.at, line.until))
        names = {line.member for line in self.lines} | set(self.inviters.values())
        plain = World(timeline, self.stays)
        return {
            name: replace(plain, overrides=tuple(overrides[name])) if name in overrides else plain for name in names
        }

    # Time

    def _pass_time(self, to: datetime) -> None:
        if not self.together:
            return
        while self.due and self.due[0][0] <= to:
            at, name = heapq.heappop(self.due)
            self.stays.open_day(day_of(at))
            member = self.members[name]
            if member.fold.due() == at:
                member.advance(at)
                self._note(name)
        self.stays.open_day(day_of(to))

    def _note(self, name: str) -> None:
        member = self.members[name]
        self.stays.note(name, member.fold)
        due = member.fold.due()
        if due is not None and due <= self.end:
            heapq.heappush(self.due, (due, name))

    # Lines

    def _hear(self, at: datetime, lines: Sequence[Line]) -> None:
        heard: dict[str, list[tuple[Fact, str]]] = {}
        for line in lines:
            heard.setdefault(line.member, [])
            if line.reverses and self._ends_override(line):
                continue
            for name, fact in self._facts(line):
                heard.setdefault(name, []).append((fact, line.ref))
                self.line_of[fact.ref] = line.ref
        refs = {line.member: line.ref for line in lines}
        for name in sorted(heard):
            member = self.members.get(name)
            if member is None:
                member = self.members[name] = Member(self.worlds[name])
            facts = [fact for fact, _ in heard[name]]
            ref = heard[name][-1][1] if facts else refs[name]
            if member.started is None and not any(fact.at == at and not fact.reverses for fact in facts):
                member.begin(at, ref)
            member.hear(facts, at, ref)
            member.advance(at)
            if self.together:
                self._note(name)

    def _facts(self, line: Line) -> Iterator[tuple[str, Fact]]:
        """What a line means, for the member and for who invited them."""
        inviter = self.inviters.get(line.member)
        for fact in self._own(line):
            yield line.member, fact
            if inviter is not None and (fact.metric == "spend" or fact.reverses) and not fact.reason:
                reverses = f"invitee:{fact.reverses}" if fact.reverses else ""
                yield (
                    inviter,
                    replace(fact, ref=f"invitee:{fact.ref}", metric="invitee_spend", reverses=reverses, subject=""),
                )
        if inviter is not None and not line.reverses and line.metric not in NOT_DOING and not line.reason:
            days = self.days[line.member]
            known = len(days)
            days.add(day_of(line.at))
            if known < len(days) == ACTIVE_DAYS:
                yield inviter, Fact(f"active:{line.member}", "invitee_active", line.at, quantity=1)

    def _own(self, line: Line) -> Iterator[Fact]:
        if line.reverses:
            target = self.by_ref.get(line.reverses)
            # What is never found takes nothing back.
            if target is not None and target.member == line.member:
                yield Fact(line.ref, target.metric, target.at, line.amount, line.quantity, reverses=line.reverses)
        elif line.metric in (ORDER, "spend"):
            for fact in spend_facts(
                self.rules,
                ref=line.ref,
                points_ref=f"{line.ref}:points",
                at=line.at,
                cash=line.amount - line.points_paid,
                points_paid=line.points_paid,
                category=line.category,
                subject=line.ref if line.metric == ORDER else "",
            ):
                yield replace(fact, reason=fact.reason or line.reason)
        elif line.metric != OVERRIDE:
            yield Fact(
                line.ref,
                line.metric,
                line.at,
                line.amount,
                line.quantity,
                line.value,
                line.category,
                reason=line.reason,
            )

    def _ends_override(self, line: Line) -> bool:
        """An override that is taken back never was."""
        target = self.by_ref.get(line.reverses)
        if target is None or target.metric != OVERRIDE or target.member != line.member:
            return False
        world = self.worlds[line.member]
        kept = tuple(one for one in world.overrides if one.ref != target.ref)
        self.worlds[line.member] = world = replace(world, overrides=kept)
        member = self.members.get(line.member)
        if member is not None and member.started is not None:
            member.advance(line.at)
            member.world = world
            member.refold(line.at, line.ref, reversal=True)
        return True
