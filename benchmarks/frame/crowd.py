"""Members in numbers: a storefront with a program of its own, and people who all lived alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from django.db import connection

from accounts.models import User
from common import clock
from events.contracts import Line, OrderDelivered
from membership.models import MemberTier, Program
from membership.services import draft_rule_set, ensure_member, evaluate_member, publish_rule_set
from tenancy.models import Storefront

# One order a day that counts, for a member who is one of `members`; $1 … are parameters of each statement.
_LEDGER = """
INSERT INTO membership_activity (source_ref, member_id, metric, subject, occurred_at, recorded_at, amount, quantity,
    category, reverses, valid, invalid_reason)
SELECT 'line:past-' || member || '-' || day || ':spend', member, 'spend', 'order:past-' || member || '-' || day,
    %(today)s::timestamptz - make_interval(days => day), %(today)s::timestamptz - make_interval(days => day),
    %(amount)s, 0, 'phone_credit', '', true, ''
FROM unnest(%(members)s::bigint[]) AS member, generate_series(%(first)s, 1, -%(every)s) AS day
"""
_SEEN = """
INSERT INTO membership_activityseen (ref)
SELECT source_ref FROM membership_activity WHERE member_id = ANY(%(members)s)
"""
_BUCKETS = """
INSERT INTO membership_bucket (member_id, day, metric, category, amount, quantity, earned)
SELECT member_id, (occurred_at AT TIME ZONE 'Asia/Shanghai')::date, kind.metric, kind.category,
    CASE kind.metric WHEN 'spend' THEN amount ELSE 0 END, kind.quantity, kind.quantity
FROM membership_activity, (VALUES ('spend', 'phone_credit', 0), ('orders', '', 1)) AS kind (metric, category, quantity)
WHERE member_id = ANY(%(members)s)
"""
_TOTALS = """
INSERT INTO membership_total (member_id, metric, category, amount, quantity, first_day)
SELECT member_id, metric, category, sum(amount), sum(quantity), min(day)
FROM membership_bucket WHERE member_id = ANY(%(members)s) GROUP BY member_id, metric, category
UNION ALL
SELECT member_id, 'buy_days', '', 0, count(*), NULL
FROM membership_bucket WHERE member_id = ANY(%(members)s) AND metric = 'orders' GROUP BY member_id
"""


# So little that five years of it stay below the first tier; each order, by its weight of 1.5, reaches one more.
SPENT, ORDER = Decimal("365.00"), Decimal("200.00")
STEPS = ("600.00", "900.00", "1200.00", "1500.00")
NAMES = ("普通会员", "白银", "黄金", "铂金", "钻石")

_numbers = count(1)


def document() -> dict:
    """Four tiers by windows and whole lives, weights, gates, a bundle, a cap, a jump and a dynamic threshold."""
    tiers: list[dict] = [{"rank": 0, "name": NAMES[0]}]
    for rank, amount in enumerate(STEPS, 1):
        tiers.append(
            {
                "rank": rank,
                "name": NAMES[rank],
                "enter": {
                    "any": [
                        {"m": "spend", "win": "life", "w": "cat_v3", "op": ">=", "v": amount},
                        {
                            "all": [
                                {"m": "spend", "win": "30d", "op": ">=", "v": f"{rank * 2000}.00"},
                                {"m": "activity", "win": "life", "op": ">=", "v": rank * 800, "dyn": "stall_v1"},
                            ]
                        },
                    ]
                },
                "keep": {"scale": "0.9"},
                "gates": [{"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}],
                "min_stay_days": 14,
                "grace_days": 14,
            }
        )
    friends = [
        {"m": "invitee_active", "win": "life", "op": ">=", "v": 10},
        {"m": "invitee_spend", "win": "life", "op": ">=", "v": "2000.00"},
    ]
    week = {"id": "weekly", "window": "week", "needs": {"checkin": 5, "review": 3}, "grants": {"activity": 50}}
    return {
        "weights": {"cat_v3": {"default": "1", "game_card": "1.5"}},
        "exclude": [
            {"reason": "points_paid", "part": "points_paid"},
            {"reason": "gift_cards", "category": "gift_card"},
        ],
        "bundles": [week],
        "caps": [{"m": "activity", "per": "day", "max": 30}],
        "dynamic": {"stall_v1": {"factor": "0.8", "rising_days": 14}},
        "jumps": [{"id": "ambassador", "up": 2, "when": {"all": friends}}],
        "tiers": tiers,
    }


@dataclass(frozen=True)
class Crowd:
    storefront: Storefront
    program: Program
    members: Sequence[int]
    users: Sequence[int]


def open_program(name: str, document: dict, since: datetime) -> tuple[Storefront, Program]:
    """A storefront with a program whose rules hold from `since`, published as an operator would."""
    storefront = Storefront.objects.create(host=f"{name}.example", name=name)
    program = Program.objects.create(storefront=storefront, name=name)
    with clock.travel(since):
        draft = draft_rule_set(program=program, document=document, author=None)
        publish_rule_set(version_id=draft.pk, approver=None)
    return storefront, program


def gather(name: str, document: dict, *, people: int, days: int, every: int, spent: Decimal, now: datetime) -> Crowd:
    """Members who joined `days` ago and bought something every so many days since, `spent` yuan in all; folded up to now.

    One of them is folded by the engine. The others lived alike, so that what it found is theirs too.
    """
    joined = now - timedelta(days=days)
    storefront, program = open_program(name, document, joined - timedelta(days=1))
    users = User.objects.bulk_create(
        User(username=f"{name}-{number}", home_storefront=storefront, date_joined=joined) for number in range(people)
    )
    with clock.travel(joined):
        first = ensure_member(user_id=users[0].pk, storefront_id=storefront.pk, at=joined)
    fields = {one.attname: getattr(first, one.attname) for one in MemberTier._meta.concrete_fields}
    rest = [MemberTier(**{**fields, "id": None, "user_id": user.pk}) for user in users[1:]]
    members = [first.pk, *(one.pk for one in MemberTier.objects.bulk_create(rest))]
    orders = len(range(days, 0, -every))
    values = {
        "members": members,
        "today": clock.start_of_day(clock.day_of(now)) + timedelta(hours=10),
        "first": days,
        "every": every,
        "amount": (spent / orders).quantize(Decimal("0.01")),
    }
    with connection.cursor() as cursor:
        for statement in (_LEDGER, _SEEN, _BUCKETS, _TOTALS):
            cursor.execute(statement, values)
    evaluate_member(member_id=first.pk, at=now, refold=True)
    first.refresh_from_db()
    columns = ("rank", "since", "stage", "grace_until", "state", "folded_to", "version_id", "evaluated_at")
    told = {name: getattr(first, name) for name in (*columns, "next_check_at", "evaluation")}
    MemberTier.objects.filter(program=program).update(**told)
    return Crowd(storefront, program, members, [user.pk for user in users])


def orders(crowd: Crowd, now: datetime) -> Iterator[OrderDelivered]:
    """An order of each member in turn, then of each a second, while there are tiers to reach. Later by a second each round."""
    for step in range(len(STEPS)):
        for user in crowd.users[1:]:
            number = next(_numbers)
            paid = now + timedelta(seconds=step)
            yield OrderDelivered(
                order_id=number,
                user_id=user,
                storefront_id=crowd.storefront.pk,
                paid_at=paid,
                delivered_at=paid,
                complete=True,
                lines=(_line(number),),
            )


def _line(number: int) -> Line:
    return Line(
        id=number,
        product_id=1,
        sku_id=1,
        category_id=1,
        category="game_card",
        seller_id=None,
        quantity=1,
        list=ORDER,
        cash=ORDER,
        points_paid=Decimal(0),
        discount=Decimal(0),
    )
