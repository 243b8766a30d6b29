"""A draft against the real base: who would move, what it would cost, and the same as of a month and three months ago.

Nothing of a member is written; the outcome is kept with the fingerprint of what was asked, so that publication can insist
on a fresh one of the very draft.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import record
from common import clock
from common.clock import day_of
from common.locks import is_held, lock_one, session_lock
from common.queue import send
from membership.engine.decisions import Cause, Decision
from membership.exceptions import AlreadyRunning, NotADraft, WhatIfRefused
from membership.models import Benefit, MemberTier, Program, RuleSetVersion, WhatIf
from membership.rules.dump import canonical, dump_rules
from membership.rules.parse import parse_rules
from membership.rules.reading import RuleErrors
from membership.selectors.books import StoredStays
from membership.selectors.rules import Published, published_versions, version_at
from membership.services.evaluation import decision_row, open_folds
from membership.services.side_by_side import several_hands
from membership.sql import outcomes
from membership.sql.costs import benefit_costs
from membership.sql.outcomes import Draft
from membership.sql.segments import segments_hit
from membership.sql.settling import mean_stays

Status = WhatIf.Status
RUN = "membership.tasks.run_what_if"
OVER = (Status.DONE, Status.FAILED)
# The first half of the names of the advisory locks; any number that nobody else uses.
LOCK = 731_050
# After so long without a sign of life a computation is looked after; after so many starts it is given up.
QUIET_FOR = timedelta(minutes=1)
MOST_STARTS = 3
COST_DAYS = 30
# Members of each move whose traces are shown, and how many in all.
SAMPLED, SAMPLES = 3, 30
# Members whom the engine is asked about at a time.
BATCH = 500
FRESH_FOR = timedelta(hours=24)
CHANGED = _("推演之后草稿、权益或过渡方式改过了，请重新推演")
WHOLE_BASE = "SET LOCAL work_mem = '256MB'; SET LOCAL jit = off; SET LOCAL enable_nestloop = off"
USUAL = "SET LOCAL work_mem TO DEFAULT; SET LOCAL jit TO DEFAULT; SET LOCAL enable_nestloop TO DEFAULT"


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
        needs_date = policy == RuleSetVersion.Policy.GRANDFATHER_UNTIL
        if policy not in RuleSetVersion.Policy.values or needs_date != (policy_until is not None):
            raise WhatIfRefused
        try:
            fingerprint = draft_fingerprint(version, policy, policy_until)
        except RuleErrors as caught:
            raise WhatIfRefused from caught
        asked = WhatIf.objects.create(
            version=version,
            policy=policy,
            policy_until=policy_until,
            draft=fingerprint,
            asked_by=asked_by,
            asked_at=at,
            moved_at=at,
        )
        record(action="membership.rules.what_if", at=at, actor=asked_by, target=version, detail={"draft": fingerprint})
        transaction.on_commit(lambda: send(RUN, asked.pk))
    return asked


def run_what_if(*, what_if_id: int) -> WhatIf:
    """Compute and keep the outcome; what is over already stays as it is. Each part reads one snapshot of the base.

    Holds an advisory lock of its own: raises AlreadyRunning while another process computes the same. Ends as failed,
    with the reason, where the draft was published or changed since it was asked for.
    """
    with session_lock(LOCK, what_if_id) as mine:
        if not mine:
            raise AlreadyRunning
        asked = WhatIf.objects.select_related("version__program").get(pk=what_if_id)
        if asked.status in OVER:
            return asked
        stale = _stale(asked)
        if stale:
            return _fail(asked, stale)
        asked.status, asked.starts, asked.steps_done = Status.RUNNING, asked.starts + 1, 0
        _save(asked, "status", "starts", "steps_done")
        with transaction.atomic():
            # A publication that is under way is over by then: the pictures show it, or it counts as later than they.
            lock_one(Program.objects.filter(pk=asked.version.program_id))
            asked.as_of = clock.now()
        result: dict[str, Any] = {}
        mark = ""
        with several_hands(len(WhatIf.AGO)) as hands:
            pictures = hands([partial(_snapshot_picture, asked, asked.as_of, ago) for ago in WhatIf.AGO])
            for ago, (picture, seen) in zip(WhatIf.AGO, pictures, strict=True):
                result[str(ago)] = picture
                mark = mark or seen
                asked.steps_done += 1
                _save(asked, "steps_done")
        asked.result = result
        asked.digest = hashlib.sha256(f"{asked.draft}|{mark}".encode()).hexdigest()
        asked.status, asked.finished_at, asked.failure = Status.DONE, clock.now(), ""
        _save(asked, "result", "digest", "status", "as_of", "finished_at", "failure")
    return asked


def fail_what_if(*, what_if_id: int, failure: str = WhatIf.Failure.BROKEN) -> None:
    """Note that a computation broke off and why, so that somebody asks again."""
    rows = WhatIf.objects.filter(pk=what_if_id).exclude(status__in=OVER)
    rows.update(status=Status.FAILED, failure=failure, moved_at=clock.now())


def resume_what_ifs() -> int:
    """Queue computations again whose worker was lost; returns how many. Those that lose it time and again fail."""
    at = clock.now()
    quiet = WhatIf.objects.exclude(status__in=OVER).filter(moved_at__lt=at - QUIET_FOR)
    again = 0
    for what_if_id, starts in list(quiet.values_list("pk", "starts")):
        if is_held(LOCK, what_if_id):
            continue  # one long step
        if starts >= MOST_STARTS:
            fail_what_if(what_if_id=what_if_id, failure=WhatIf.Failure.LOST)
            continue
        WhatIf.objects.filter(pk=what_if_id).update(moved_at=at)
        send(RUN, what_if_id)
        again += 1
    return again


def _stale(asked: WhatIf) -> str:
    """Why there is nothing to compute any more; empty where there is."""
    if asked.version.status != RuleSetVersion.Status.DRAFT:
        return WhatIf.Failure.PUBLISHED
    fingerprint = draft_fingerprint(asked.version, asked.policy, asked.policy_until)
    return WhatIf.Failure.CHANGED if fingerprint != asked.draft else ""


def _fail(asked: WhatIf, failure: str) -> WhatIf:
    asked.status, asked.failure = Status.FAILED, failure
    _save(asked, "status", "failure")
    return asked


def _save(asked: WhatIf, *names: str) -> None:
    asked.moved_at = clock.now()
    asked.save(update_fields=[*names, "moved_at"])


@contextmanager
def _snapshot() -> Iterator[None]:
    """A transaction in which every statement sees the base of one moment; inside another one, as that one does."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with _whole_base():
            yield


@contextmanager
def _whole_base() -> Iterator[None]:
    """For statements that read everybody. PostgreSQL knows nothing of what documents hold: it takes whoever is asked for by
    them to be a few, looks them up one by one, and does so for everybody.
    """
    with connection.cursor() as cursor:
        cursor.execute(WHOLE_BASE)
    yield
    with connection.cursor() as cursor:
        cursor.execute(USUAL)


def _snapshot_picture(asked: WhatIf, as_of: datetime, ago: int) -> tuple[dict[str, Any], str]:
    """The picture, and of the one of now the mark of the base that it was taken of."""
    with _snapshot():
        mark = "" if ago else outcomes.snapshot_mark(asked.version.program_id)
        return _picture(asked, as_of, ago), mark


def _draft(asked: WhatIf, at: datetime) -> Draft:
    rules = parse_rules(asked.version.document)
    return Draft(asked.version_id, rules, at, asked.policy, asked.policy_until)


def _picture(asked: WhatIf, as_of: datetime, ago: int) -> dict[str, Any]:
    """What the draft would make of the base as it was so many days before `as_of`."""
    program, at = asked.version.program, as_of - timedelta(days=ago)
    versions = [one for one in published_versions(program.pk) if one.effective_from <= at] or published_versions(
        program.pk
    )
    draft = _draft(asked, at)
    # Nobody is in a program that never had rules: its first ones are held against themselves.
    then = version_at(versions, at) if versions else draft
    outcomes.empty_outcomes()
    if ago:
        outcomes.place_all_as_of(program_id=program.pk, draft=draft, then=then, at=at)
        samples = _past_samples(draft, at)
    else:
        place_now(program.pk, versions or [draft], draft, at)
        samples = _samples(versions, draft, at)
    since = at - timedelta(days=COST_DAYS)
    costs = benefit_costs(program=program, current_id=then.pk, draft_id=draft.pk, since=since, until=at)
    return {
        "day": day_of(at).isoformat(),
        "matrix": [list(cell) for cell in outcomes.matrix()],
        "costs": [[line.kind, line.unit, str(line.before), str(line.after)] for line in costs.lines],
        "cost_days": COST_DAYS,
        "sales": costs.sales,
        "segments": [list(one) for one in segments_hit(day_of(at))],
        "samples": samples,
    }


def place_now(program_id: int, versions: Sequence[Published], draft: Draft, at: datetime) -> None:
    """Fill the table of outcomes with where everybody would be as soon as the draft took effect."""
    keepers = _keepers(program_id, versions)
    current = version_at(versions, at)
    stays = mean_stays(StoredStays(program_id), draft.rules, day_of(at))
    outcomes.place_all(program_id=program_id, draft=draft, current=current, keepers=keepers, stays=stays, at=at)
    _ask_engine(versions, draft, at)


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
    chosen = outcomes.moving_sample(SAMPLED, SAMPLES)
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


def _past_samples(draft: Draft, at: datetime) -> list[dict[str, Any]]:
    """Some of each move, with the trace of the draft over the figures of that day."""
    return [
        {
            "member": member_id,
            "user": user_id,
            "from": before,
            "to": after,
            "cause": str(Cause.RULES),
            "day": day_of(at).isoformat(),
            "trace": trace,
            "gap": {},
        }
        for member_id, user_id, before, after, trace in outcomes.traced_sample(SAMPLED, SAMPLES, draft, day_of(at))
    ]


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
    finished = version.what_ifs.filter(status=Status.DONE)
    if not finished.exists():
        return _("发布前先推演：这个草稿还没有推演结果")
    same = finished.filter(draft=draft_fingerprint(version, policy, policy_until)).order_by("-as_of").first()
    return why_unfit(same, at) if same is not None else CHANGED


def why_unfit(asked: WhatIf, at: datetime) -> Any | None:
    """Why a finished computation does not show any more what its draft would do; None while it does. Reads only."""
    version = asked.version
    if draft_fingerprint(version, asked.policy, asked.policy_until) != asked.draft:
        return CHANGED
    if at - asked.as_of > FRESH_FOR:
        return _("推演结果已超过 24 小时，请重新推演")
    if _rules_moved_on(version.program_id, asked.as_of, at):
        return _("推演之后又发布或生效了别的规则，请重新推演")
    return None


def _rules_moved_on(program_id: int, since: datetime, at: datetime) -> bool:
    """Whether other rules of the program were published, or took effect, after the base was looked at."""
    others = RuleSetVersion.objects.filter(program=program_id).exclude(status=RuleSetVersion.Status.DRAFT)
    moved = Q(published_at__gt=since) | Q(effective_from__gt=since, effective_from__lte=at)
    return others.filter(moved).exists()
