"""Scenarios as lines of activity, so that one story is told to a replay and to the live services alike."""

import itertools
import json
from datetime import datetime, timedelta

from common.clock import SHANGHAI
from membership.replay.lines import parse_line
from membership.replay.output import dump_decision
from membership.replay.run import replay
from membership.rules.parse import parse_rules

NAMES = ["普通会员", "白银", "黄金", "铂金", "钻石", "王者"]
_refs = itertools.count(1)


def at(day: str, time: str = "10:00:00") -> str:
    """at("2026-03-01") → ten o'clock of that Shanghai day, as a file writes it."""
    return f"{day}T{time}+08:00"


def plus(day: str, days: int) -> str:
    return (datetime.fromisoformat(day) + timedelta(days=days)).date().isoformat()


def least(metric: str, window: str, value, **extra) -> dict:
    return {"m": metric, "win": window, "op": ">=", "v": value, **extra}


def exactly(metric: str, window: str, value) -> dict:
    return {"m": metric, "win": window, "op": "==", "v": value}


def ladder(*tiers: dict, **document) -> dict:
    """A rule set whose tiers above the default one are these: each is {"enter": …} and more, or the condition alone."""
    shaped = [tier if {"enter", "keep", "gates"} & set(tier) else {"enter": tier} for tier in tiers]
    rows = [{"rank": 0, "name": NAMES[0]}]
    rows += [{"rank": rank, "name": NAMES[rank], **tier} for rank, tier in enumerate(shaped, 1)]
    return {"tiers": rows, **document}


def event(metric: str, when: str, member: str = "m1", **fields) -> dict:
    return {"ref": f"e{next(_refs)}", "member": member, "metric": metric, "at": when, **fields}


def order(amount: str, when: str, member: str = "m1", **fields) -> dict:
    return event("order", when, member, amount=amount, **fields)


def taken_back(line: dict, when: str, **fields) -> dict:
    return event(line["metric"], when, line["member"], reverses=line["ref"], **fields)


def replayed(document: dict, lines: list[dict], as_of: str | None = None) -> list[dict]:
    """The decisions as a replay prints them."""
    rules = parse_rules(document)
    parsed = [parse_line(json.dumps(line), number, rules) for number, line in enumerate(lines, 1)]
    unique = {line.ref: line for line in reversed(parsed)}
    end = datetime.fromisoformat(as_of).astimezone(SHANGHAI) if as_of else None
    return [dump_decision(member, one) for member, one in replay(rules, unique.values(), end)]


def path(decisions: list[dict], member: str = "m1") -> list[tuple]:
    """What was decided about a member: (cause, rank, day)."""
    return [(one["cause"], one["to"], one["at"][:10]) for one in decisions if one["member"] == member]


def standing(decisions: list[dict], member: str = "m1") -> int | None:
    """The rank in which the decisions leave a member."""
    return next((one["to"] for one in reversed(decisions) if one["member"] == member), None)
