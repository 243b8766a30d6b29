"""A draft against the real base: who would move, what it would cost, and the same as of a month and three months ago.

Nothing of a member is written; the outcome is kept with the fingerprint of what was asked, so that publication can insist
on a fresh one of the very draft.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import record
from common import clock
from common.clock import day_of
from common.queue import send
from membership.engine.decisions import Decision
from membership.exceptions import NotADraft, WhatIfRefused
from membership.models import Benefit, MemberTier, RuleSetVersion, WhatIf
from membership.rules.dump import canonical, dump_rules
from membership.rules.parse import parse_rules
from membership.rules.reading import RuleErrors
from membership.selectors.rules import Published, published_versions, version_at
from membership.services.evaluation import decision_row, open_folds
from membership.sql import outcomes
from membership.sql.costs import price_cost
from membership.sql.outcomes import Draft

Status = WhatIf.Status
RUN = "membership.tasks.run_what_if"
AGO = (30, 90)
STEPS = 1 + len(AGO)
COST_DAYS = 30
# Members of each move whose traces are shown, and how many in all.
SAMPLED, SAMPLES = 3, 30
# Members whom the engine is asked about at a time.
BATCH = 500
FRESH_FOR = timedelta(hours=24)


def draft_fingerprint(version: RuleSetVersion, policy: str, policy_until: date | None) -> str:
    """SHA-256 of what publication would put in force: rules, benefits, and what becomes of those who would lose."""
    benefits = Benefit.objects.filter(tier__version=version).order_by("tier__rank", "kind", "id")
    fields = [field.attname for field in Benefit._meta.concrete_fields if field.attname not in ("id", "tier_id")]
    document = {
        "rules": dump_rules(parse_rules(version.document)),
        "benefits": [
            [one.tier.rank, *(str(getattr(one, name)) for name in fields)] for one in benefits.select_related("tier")
        ],
        "policy": str(policy),
        "until": policy_until and policy_until.isoformat(),
    }
    return hashlib.sha256(canonical(document)).hexdigest()


def ask_what_if(
    *,
    version_id: int,
    asked_by: User | None,
    policy: str = RuleSetVersion.Policy.IMMEDIATE,
    policy_until: date | None = None,
) -> WhatIf:
    """Have a draft computed by the workers. Raises NotADraft, WhatIfRefused."""
    with transaction.atomic():
        at = clock.now()
        version = RuleSetVersion.objects.get(pk=version_id)
        if version.status != RuleSetVersion.Status.DRAFT:
            raise NotADraft
        if (policy == RuleSetVersion.Policy.GRANDFATHER_UNTIL) != (policy_until is not None):
            raise WhatIfRefused
        try:
            fingerprint = draft_fingerprint(version, policy, policy_until)
        except RuleErrors as caught:
            raise WhatIfRefused from caught
        asked = WhatIf.objects.create(
            version=version, policy=policy, policy_until=policy_until, draft=fingerprint, asked_by=asked_by, asked_at=at
        )
        record(action="membership.rules.what_if", at=at, actor=asked_by, target=version, detail={"draft": fingerprint})
        transaction.on_commit(lambda: send(RUN, asked.pk))
    return asked


def run_what_if(*, what_if_id: int) -> WhatIf:
    """Compute and keep the outcome. Repeating it computes it anew.

    Each part reads one snapshot of the base. Raises NotADraft when the draft was published or changed meanwhile.
    """
    asked = WhatIf.objects.select_related("version__program").get(pk=what_if_id)
    version = asked.version
    if version.status != RuleSetVersion.Status.DRAFT:
        raise NotADraft
    if draft_fingerprint(version, asked.policy, asked.policy_until) != asked.draft:
        return _failed(asked)
    asked.status, asked.steps_done = Status.RUNNING, 0
    asked.save(update_fields=["status", "steps_done"])
    result: dict[str, Any] = {}
    with _snapshot():
        asked.as_of = clock.now()
        result["now"] = _now(asked, asked.as_of)
        mark = outcomes.snapshot_mark(version.program_id)
    _step(asked, 1)
    for number, days in enumerate(AGO, 2):
        with _snapshot():
            result[str(days)] = _ago(asked, asked.as_of - timedelta(days=days))
        _step(asked, number)
    asked.result = result
    asked.digest = hashlib.sha256(f"{asked.draft}|{mark}".encode()).hexdigest()
    asked.status, asked.finished_at = Status.DONE, clock.now()
    asked.save(update_fields=["result", "digest", "status", "as_of", "finished_at"])
    return asked


def _failed(asked: WhatIf) -> WhatIf:
    asked.status = Status.FAILED
    asked.save(update_fields=["status"])
    return asked


def fail_what_if(*, what_if_id: int) -> None:
    """Note that a computation broke off, so that somebody asks again."""
    WhatIf.objects.filter(pk=what_if_id).exclude(status=Status.DONE).update(status=Status.FAILED)


def _step(asked: WhatIf, number: int) -> None:
    asked.steps_done = number
    asked.save(update_fields=["steps_done"])


@contextmanager
def _snapshot() -> Iterator[None]:
    """A transaction in which every statement sees the base of one moment; inside another one, as that one does."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _draft(asked: WhatIf, at: datetime) -> Draft:
    rules = parse_rules(asked.version.document)
    return Draft(asked.version_id, rules, at, asked.policy, asked.policy_until)


def _now(asked: WhatIf, at: datetime) -> dict[str, Any]:
    program = asked.version.program
    versions = [one for one in published_versions(program.pk) if one.effective_from <= at]
    current, draft = version_at(versions, at), _draft(asked, at)
    outcomes.empty_outcomes()
    outcomes.place_all(
        program_id=program.pk, draft=draft, current=current, keepers=_keepers(program.pk, versions), at=at
    )
    _ask_engine(versions, draft, at)
    cost = price_cost(
        program=program,
        current_id=current.pk,
        draft_id=draft.pk,
        since=at - timedelta(days=COST_DAYS),
        until=at,
    )
    found = _matrix(at)
    found["samples"] = _samples(versions, draft, at)
    found["cost"] = {
        "before": str(cost.before),
        "after": str(cost.after),
        "difference": str(cost.after - cost.before),
        "sales": cost.sales,
        "days": COST_DAYS,
    }
    found["groups"] = [
        {"group": group, "members": members, "up": up, "down": down}
        for group, members, up, down in outcomes.groups_hit(day_of(at))
    ]
    return found


def _ago(asked: WhatIf, at: datetime) -> dict[str, Any]:
    program = asked.version.program
    versions = published_versions(program.pk)
    outcomes.empty_outcomes()
    outcomes.place_all_as_of(program_id=program.pk, draft=_draft(asked, at), then=version_at(versions, at), at=at)
    return _matrix(at)


def _matrix(at: datetime) -> dict[str, Any]:
    cells = outcomes.matrix()
    return {
        "day": day_of(at).isoformat(),
        "members": sum(count for *_, count in cells),
        "moving": sum(count for before, after, count in cells if before != after),
        "matrix": [list(cell) for cell in cells],
    }


def _keepers(program_id: int, versions: Sequence[Published]) -> list[Published]:
    """The versions that protect somebody's tier from a newer one."""
    kept = MemberTier.objects.filter(program=program_id, state__has_key="kept_by")
    numbers = set(kept.order_by().values_list("state__kept_by", flat=True).distinct())
    return [version for version in versions if version.pk in numbers]


def _ask_engine(versions: Sequence[Published], draft: Draft, at: datetime) -> None:
    """Tell the ranks that figures alone do not tell: of members with offers, jumps, overrides, or something due."""
    left = outcomes.untold()
    for start in range(0, len(left), BATCH):
        members = list(MemberTier.objects.filter(pk__in=left[start : start + BATCH]))
        folds = open_folds(members, [*versions, draft], at=at)
        ranks = {member.pk: member.rank for member in members}
        for member_id, fold in folds.items():
            fold.advance(at)
            if fold.state is not None:
                ranks[member_id] = fold.state.shown
        outcomes.put_ranks(ranks)


def _samples(versions: Sequence[Published], draft: Draft, at: datetime) -> list[dict[str, Any]]:
    """Some of each move, with the engine's own decision and trace."""
    chosen = outcomes.moving_sample(SAMPLED)[:SAMPLES]
    members = {one.pk: one for one in MemberTier.objects.filter(pk__in=[pk for pk, *_ in chosen])}
    folds = open_folds(list(members.values()), [*versions, draft], at=at)
    found = []
    for member_id, before, after in chosen:
        if member_id not in folds:
            continue
        folds[member_id].advance(at)
        moves = [one for one in folds[member_id].decisions if one.from_rank != one.to_rank]
        if moves:
            found.append(_sample(members[member_id], moves[-1], before, after))
    return found


def _sample(member: MemberTier, decision: Decision, before: int, after: int) -> dict[str, Any]:
    row = decision_row(member, decision)
    return {
        "member": member.pk,
        "user": member.user_id,
        "from": before,
        "to": after,
        "cause": row.cause,
        "day": row.day.isoformat(),
        "trace": json.loads(json.dumps(row.trace)),
        "gap": row.gap,
    }


def missing_what_if(*, version: RuleSetVersion, policy: str, policy_until: date | None, at: datetime) -> Any | None:
    """Why the draft lacks the computation that publication asks for; None when there is one. Reads only."""
    finished = version.what_ifs.filter(status=Status.DONE).order_by("-id").first()
    if finished is None:
        return _("发布前先推演：这个草稿还没有推演结果")
    if finished.draft != draft_fingerprint(version, policy, policy_until):
        return _("推演之后草稿、权益或过渡方式改过了，请重新推演")
    if finished.as_of is None or at - finished.as_of > FRESH_FOR:
        return _("推演结果已超过 24 小时，请重新推演")
    return None
