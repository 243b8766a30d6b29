"""The same lines of activity, told to the live services at their times: orders as news, facts and overrides as calls."""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from common import clock
from common.clock import SHANGHAI, day_of, start_of_day
from events.contracts import Line, OrderDelivered
from membership.models import MemberTier, Override, TierDecision
from membership.services import (
    approve_override,
    evaluate_member,
    flag_activity,
    grant_floor,
    propose_override,
    record_activity,
    record_order_lines,
    reverse_activity,
)
from membership.services.stays import fix_mean_stays
from tests.membership.club import Club

_numbers = itertools.count(5_000_000)
_uses = itertools.count(1)


class Town:
    """A program with a rule set, and people by the names that lines use."""

    def __init__(self, document: dict, users=None) -> None:
        extra = {key: value for key, value in document.items() if key not in ("tiers", "schema", "timezone", "counts")}
        tiers = [
            {key: value for key, value in tier.items() if key not in ("rank", "name")} for tier in document["tiers"]
        ]
        self.club = Club(*tiers[1:], **extra)
        self.dynamic = bool(document.get("dynamic"))
        self.people: dict[str, MemberTier] = {}
        self.refs: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.use = next(_uses)
        self.day = None

    def join(self, name: str, at: datetime) -> MemberTier:
        if name not in self.people:
            self.people[name] = self.club.join(at=at)
        return self.people[name]

    def hear(self, line: dict, at: datetime) -> None:
        member = self.join(line["member"], datetime.fromisoformat(line["at"]))
        with clock.travel(at):
            if "reverses" in line:
                reverse_activity(
                    member_id=member.pk,
                    reverses=self.ref_of(line["reverses"], line["metric"]),
                    ref=self.ref(line),
                    at=at,
                    amount=Decimal(line["amount"]) if "amount" in line else None,
                    quantity=line.get("points", 0),
                )
            elif line["metric"] == "order":
                record_order_lines(order=self.order(line, member), at=at)
            elif line["metric"] == "override":
                self.override(line, member, at)
            else:
                self.fact(line, member, at)
            if line.get("valid") is False:
                refs = [self.ref_of(line["ref"], line["metric"])]
                flag_activity(member_id=member.pk, refs=refs, reason=line["reason"], actor=None, at=at)

    def ref(self, line: dict) -> str:
        ref = self.ref_of(line["ref"], "" if "reverses" in line else line["metric"])
        self.told[ref] = line["ref"]
        return ref

    def ref_of(self, ref: str, metric: str) -> str:
        """What the ledger calls a line; an order's is known by its number before the order is, when it is taken back first."""
        if ref not in self.refs:
            self.refs[ref] = f"line:{next(_numbers)}:spend" if metric == "order" else f"town{self.use}:{ref}"
        return self.refs[ref]

    def order(self, line: dict, member: MemberTier) -> OrderDelivered:
        ref = self.ref(line)
        number, paid = int(ref.split(":")[1]), datetime.fromisoformat(line["at"])
        points = Decimal(line.get("points_paid", "0"))
        amount = Decimal(line["amount"])
        bought = Line(
            id=number,
            product_id=1,
            sku_id=1,
            category_id=1,
            category=line.get("category", ""),
            seller_id=None,
            quantity=1,
            list=amount,
            cash=amount - points,
            points_paid=points,
            discount=Decimal(0),
        )
        return OrderDelivered(
            order_id=number,
            user_id=member.user_id,
            storefront_id=self.club.storefront.pk,
            paid_at=paid,
            delivered_at=paid,
            complete=True,
            lines=(bought,),
        )

    def fact(self, line: dict, member: MemberTier, at: datetime) -> None:
        metric = line["metric"]
        value = line.get("upheld", line.get("value"))
        figures = {"value": int(value)} if value is not None else {}
        if metric in ("spend", "invitee_spend"):
            figures["amount"] = Decimal(line["amount"])
        elif metric not in ("realname", "credit", "dispute"):
            figures["quantity"] = line.get("points", line.get("qty", 1))
        record_activity(
            member_id=member.pk,
            metric=metric,
            occurred_at=datetime.fromisoformat(line["at"]),
            at=at,
            ref=self.ref(line),
            category=line.get("category", ""),
            **figures,
        )

    def override(self, line: dict, member: MemberTier, at: datetime) -> None:
        until = datetime.fromisoformat(line["until"])
        if line["kind"] == "floor":
            grant_floor(
                member_id=member.pk, rank=line["rank"], expires_at=until, ref=self.ref(line), reason="测试", at=at
            )
            return
        if Override.objects.filter(member=member, reason=line["ref"]).exists():
            return
        people = [self.club.join().user for _ in range(2)]
        asked = propose_override(
            member_id=member.pk,
            kind=line["kind"],
            rank=line["rank"],
            expires_at=until,
            reason=line["ref"],
            proposer=people[0],
            at=at,
        )
        self.told[f"override:{asked.pk}"] = line["ref"]
        approve_override(override_id=asked.pk, approver=people[1], at=at)

    def night(self, to: datetime) -> None:
        """The nightly passes up to a moment, where means are fixed by day."""
        day = self.day or day_of(to)
        while day <= day_of(to):
            fix_mean_stays(program_id=self.club.program.pk, day=day)
            if self.people:
                self.pass_time(start_of_day(day))
            day += timedelta(days=1)
        self.day = day

    def pass_time(self, to: datetime) -> None:
        for member in self.people.values():
            member.refresh_from_db()
            if member.evaluated_at <= to:
                with clock.travel(to):
                    evaluate_member(member_id=member.pk, at=to)

    def decisions(self) -> list[dict]:
        names = {member.pk: name for name, member in self.people.items()}
        rows = TierDecision.objects.filter(member__in=names).order_by("at", "id")
        found = [self._shown(row, names[row.member_id]) for row in rows]
        return sorted(found, key=lambda one: (one["at"], one["member"]))

    def _shown(self, row: TierDecision, name: str) -> dict:
        return {
            "member": name,
            "at": row.at.astimezone(SHANGHAI).isoformat(),
            "from": row.from_rank,
            "to": row.to_rank,
            "stage": row.stage,
            "cause": row.cause,
            "ref": self.told.get(row.activity_ref, row.activity_ref) or None,
            "gap": row.gap,
            "trace": list(_leaves(_deciding(row))),
        }


def _deciding(row: TierDecision) -> Iterable[dict]:
    tiers = {one["rank"]: one for one in row.trace if "rank" in one}
    jumps = [one["when"] for one in row.trace if "jump" in one]
    passed = [tiers[rank] for rank in sorted(tiers, reverse=True) if row.to_rank < rank <= (row.from_rank or 0)]
    if row.cause == "jump":
        return jumps
    if row.cause == "gate":
        return [gate for tier in passed for gate in tier["gates"]]
    if row.cause in ("warn", "grace"):
        return [tiers[row.to_rank]["keep"]]
    looked_at = tiers.get(row.to_rank + 1 if row.cause == "default" else row.to_rank)
    entries = [part for tier in passed or filter(None, [looked_at]) for part in (tier["enter"], *tier["gates"])]
    return [*jumps, *entries] if row.cause == "reversal" else entries


def _leaves(parts: Iterable[dict]) -> Iterable[dict]:
    for part in parts:
        inner = part.get("all", part.get("any"))
        yield from _leaves(inner) if inner is not None else [part]


def lived(document: dict, lines: list[dict], as_of: str | None = None) -> list[dict]:
    """The decisions of the live services, in the form of a replay's. Everything is heard as it happens."""
    town = Town(document)
    known: set[str] = set()
    for line in sorted(lines, key=lambda line: (datetime.fromisoformat(line["at"]), "reverses" in line)):
        at = datetime.fromisoformat(line["at"])
        if town.dynamic:
            town.night(at)
        town.hear(line, at)
        known.add(line["ref"])
    end = datetime.fromisoformat(as_of or max(line["at"] for line in lines))
    if town.dynamic:
        town.night(end)
    town.pass_time(end)
    return town.decisions()
