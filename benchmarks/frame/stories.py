"""Random histories of a member: what happened, when it was heard of, what was told twice, what was taken back."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from membership.engine.facts import Fact

DAYS = 110
KINDS = (
    ["spend"] * 6 + ["activity"] * 3 + ["checkin"] * 2 + ["review", "dispute", "realname", "invitee_active", "credit"]
)

RULES = {
    "exclude": [{"reason": "gift_cards", "category": "gift_card"}],
    "weights": {"w": {"default": "1", "game_card": "1.5"}},
    "bundles": [
        {"id": "weekly", "window": "week", "needs": {"checkin": 3, "review": 1}, "grants": {"activity": 50}},
        {"id": "monthly", "window": "month", "needs": {"orders": 4}, "grants": {"activity": 30}},
    ],
    "caps": [
        {"m": "activity", "per": "day", "max": 40},
        {"m": "activity", "per": "week", "max": 70},
        {"m": "activity", "per": "month", "max": 110},
        {"m": "checkin", "per": "day", "max": 1},
    ],
    "multipliers": [{"m": "activity", "factor": "1.5", "from": "2026-03-12", "to": "2026-04-11"}],
    "jumps": [{"id": "up", "up": 2, "when": {"m": "invitee_active", "win": "life", "op": ">=", "v": 3}}],
    "tiers": [
        {"rank": 0, "name": "普通会员"},
        {
            "rank": 1,
            "name": "白银",
            "enter": {
                "any": [
                    {"m": "spend", "win": "life", "w": "w", "op": ">=", "v": "900.00"},
                    {"m": "activity", "win": "60d", "op": ">=", "v": 120},
                    {"m": "streak", "win": "now", "op": ">=", "v": 2},
                ]
            },
        },
        {
            "rank": 2,
            "name": "黄金",
            "enter": {
                "all": [
                    {"m": "spend", "win": "30d", "op": ">=", "v": "800.00"},
                    {"m": "buy_days", "win": "30d", "op": ">=", "v": 2},
                ]
            },
            "keep": {"scale": "0.9"},
            "gates": [{"m": "disputes_upheld", "win": "20d", "op": "==", "v": 0}],
            "min_stay_days": 5,
            "grace_days": 6,
        },
        {
            "rank": 3,
            "name": "铂金",
            "enter": {
                "all": [
                    {"m": "spend", "win": "14d", "op": ">=", "v": "1200.00"},
                    {"m": "realname", "win": "now", "op": "==", "v": True},
                ]
            },
            "keep": {"m": "spend", "win": "14d", "op": ">=", "v": "500.00"},
            "gates": [{"m": "disputes_upheld", "win": "40d", "op": "==", "v": 0}],
            "min_stay_days": 3,
            "grace_days": 4,
        },
    ],
}


def story(name: str, begin: datetime, chance: random.Random) -> list[tuple[datetime, Fact]]:
    """Facts with when each is heard, in that order: at once, late, long after, again, or taken back before it was known."""
    facts = list(_facts(name, begin, chance))
    heard = []
    for fact in facts:
        at = fact.at + chance.choice([timedelta(0)] * 6 + [_some_time(chance, 3), _some_time(chance, 40)])
        heard.append((at, fact))
        if chance.random() < 0.2:
            heard.append((at + _some_time(chance, 30), fact))
    return sorted(heard, key=lambda one: (one[0], one[1].ref))


def _some_time(chance: random.Random, days: int) -> timedelta:
    return timedelta(minutes=chance.randint(1, days * 24 * 60))


def _facts(name: str, begin: datetime, chance: random.Random) -> Iterator[Fact]:
    made: list[Fact] = []
    minute = 0
    for number in range(chance.randint(5, 24)):
        # Now and then two at one moment.
        minute = minute if chance.random() < 0.1 else chance.randrange(DAYS * 24 * 60)
        at, ref = begin + timedelta(minutes=minute), f"{name}:{number}"
        if made and chance.random() < 0.2:
            back = chance.choice(made)
            part = back.metric == "spend" and not back.reverses and chance.random() < 0.5
            fact = Fact(ref, back.metric, max(at, back.at), -Decimal(60) if part else Decimal(0), reverses=back.ref)
        else:
            fact = _fact(chance.choice(KINDS), ref, at, chance)
        made.append(fact)
        yield fact


def _fact(metric: str, ref: str, at: datetime, chance: random.Random) -> Fact:
    match metric:
        case "spend":
            category = chance.choice(["game_card", "gift_card", "phone_credit"])
            return Fact(ref, metric, at, Decimal(chance.randint(50, 900)), category=category, subject=f"order:{ref}")
        case "dispute":
            return Fact(ref, metric, at, quantity=1, value=int(chance.random() < 0.7))
        case "realname":
            return Fact(ref, metric, at, value=int(chance.random() < 0.8))
        case "credit":
            return Fact(ref, metric, at, value=chance.randint(0, 100))
        case "review":
            return Fact(ref, metric, at, quantity=1, value=chance.randint(1, 5))
        case "activity":
            return Fact(ref, metric, at, quantity=chance.randint(1, 90))
        case _:
            return Fact(ref, metric, at, quantity=chance.randint(1, 2))
