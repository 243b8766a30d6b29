"""Writing rule sets: drafts, copies, publication. A published version is never edited; another takes its place."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.exceptions import NotIndependent
from audit.services import record
from audit.services.persons import check_two_persons
from common import clock
from common.clock import start_of_day
from common.locks import lock_one
from common.queue import send
from common.registries import unknown_codes
from membership.benefits import BenefitKind
from membership.exceptions import NotADraft, RulesRefused
from membership.models import Benefit, MemberTier, Override, Program, RuleSetVersion, TierRule
from membership.rules.checks import Level, check
from membership.rules.dump import dump_rules, fingerprint
from membership.rules.nodes import RuleSet
from membership.rules.parse import parse_rules
from membership.rules.reading import RuleErrors
from membership.selectors.rules import published_versions, version_at
from membership.services.what_if import missing_what_if

Status = RuleSetVersion.Status
RECALCULATE = "membership.tasks.recalculate_tiers"
# Later dates are slips of the pen, and no other version could take effect before such a one.
STARTS_WITHIN, KEPT_WITHIN = timedelta(days=731), timedelta(days=3653)
COPIED = ("kind", "layer", "value", "text", "text_en", "code", "stacking")


def draft_rule_set(
    *, program: Program, document: Any, author: User | None, note: str = "", note_en: str = ""
) -> RuleSetVersion:
    """Store a rule set as a draft of the program, with its tiers as rows. Locks the program. Raises RulesRefused."""
    rules = _parse(document)
    with transaction.atomic():
        lock_one(Program.objects.filter(pk=program.pk))
        last = program.versions.aggregate(last=Max("number"))["last"] or 0
        version = RuleSetVersion.objects.create(
            program=program,
            number=last + 1,
            document=dump_rules(rules),
            sha256=fingerprint(rules),
            note=note,
            note_en=note_en,
            author=author,
            created_at=clock.now(),
        )
        _write_tiers(version, rules)
    return version


def copy_rule_set(*, version: RuleSetVersion, author: User | None, note: str = "", note_en: str = "") -> RuleSetVersion:
    """A draft that says what `version` says, benefits included. Whoever wrote a draft shares its copies too."""
    with transaction.atomic():
        draft = draft_rule_set(
            program=version.program, document=version.document, author=author, note=note, note_en=note_en
        )
        _copy_benefits(_benefits_by_rank(version), draft)
        if version.status == RuleSetVersion.Status.DRAFT:
            for writer in writers_of(version):
                _note_editor(draft, writer)
    return draft


def revise_draft(
    *, version_id: int, document: Any, note: str, note_en: str = "", editor: User | None = None
) -> RuleSetVersion:
    """Replace what a draft says; the benefits of ranks that remain stay. Locks the version.

    `editor` shares the draft with its author from now on and cannot approve it.

    Raises NotADraft, RulesRefused.
    """
    rules = _parse(document)
    with transaction.atomic():
        version = _locked_draft(version_id)
        version.document, version.sha256 = dump_rules(rules), fingerprint(rules)
        version.note, version.note_en = note, note_en
        version.save(update_fields=["document", "sha256", "note", "note_en"])
        benefits = _benefits_by_rank(version)
        version.tiers.all().delete()
        _write_tiers(version, rules)
        _copy_benefits(benefits, version)
        _note_editor(version, editor)
    return version


def edit_benefits(*, tier_id: int, editor: User) -> None:
    """Before the benefits of a draft's tier change: locks the version for the transaction and notes who changes it.

    Raises NotADraft, also where the tier is gone because the draft was saved anew meanwhile.
    """
    tier = TierRule.objects.filter(pk=tier_id).first()
    if tier is None:
        raise NotADraft
    version = _locked_draft(tier.version_id)
    if not version.tiers.filter(pk=tier_id).exists():
        raise NotADraft
    _note_editor(version, editor)


def writers_of(version: RuleSetVersion) -> list[User]:
    """Who wrote the draft: its author and whoever changed it after that."""
    editors = [one for one in version.editors.order_by("pk") if one.pk != version.author_id]
    return [*([version.author] if version.author is not None else []), *editors]


def _note_editor(version: RuleSetVersion, editor: User | None) -> None:
    if editor is not None and editor.pk != version.author_id:
        version.editors.add(editor)


def publish_rule_set(
    *,
    version_id: int,
    approver: User | None,
    effective_from: datetime | None = None,
    policy: str = RuleSetVersion.Policy.IMMEDIATE,
    policy_until: date | None = None,
) -> RuleSetVersion:
    """Publish a draft, from now or from a later moment on. Locks the program, so that versions go out one after the other,
    and the version.

    `policy` says what becomes of members whose tier the new rules would take away; `policy_until` is the first day on
    which grandfathered members are judged by them. What members gain, they gain at once.
    A person who approves wrote none of it, and has a fresh what-if of the very draft and policy before them; without an
    approver it is the system that publishes. Members are evaluated by it in a pass that is asked for at once; if that is
    lost, in the nightly one. Raises NotADraft, RulesRefused.
    """
    with transaction.atomic():
        # Each publication has to know what others put in force, and when.
        lock_one(Program.objects.filter(versions=version_id))
        at = clock.now()
        version = _locked_draft(version_id)
        starts = effective_from or at
        problems = publication_problems(version=version, effective_from=starts)
        problems += policy_problems(policy, policy_until, starts)
        if approver is not None:
            problems += approval_problems(version=version, approver=approver, policy=policy, policy_until=policy_until)
        if problems:
            raise RulesRefused(problems)
        version.status, version.approver = Status.PUBLISHED, approver
        version.published_at, version.effective_from = at, starts
        version.policy, version.policy_until = policy, policy_until
        fields = ["status", "approver", "published_at", "effective_from", "policy", "policy_until"]
        version.save(update_fields=fields)
        retire_superseded(program_id=version.program_id, at=at)
        detail = {"sha256": version.sha256, "effective_from": starts.isoformat(), "policy": str(policy)}
        record(action="membership.rules.publish", at=at, actor=approver, target=version, detail=detail)
        if starts <= at:
            transaction.on_commit(lambda: send(RECALCULATE))
    return version


def retire_superseded(*, program_id: int, at: datetime) -> int:
    """Mark the versions before the one in force as retired; returns how many."""
    with transaction.atomic():
        versions = published_versions(program_id)
        current = version_at(versions, at)
        old = [version.pk for version in versions if version.effective_from < current.effective_from]
        return RuleSetVersion.objects.filter(pk__in=old, status=Status.PUBLISHED).update(
            status=Status.RETIRED, retired_at=current.effective_from
        )


def _parse(document: Any) -> RuleSet:
    try:
        return parse_rules(document)
    except RuleErrors as caught:
        raise RulesRefused([(error.path, error.message) for error in caught.errors]) from caught


def _locked_draft(version_id: int) -> RuleSetVersion:
    version = lock_one(RuleSetVersion.objects.filter(pk=version_id))
    if version.status != Status.DRAFT:
        raise NotADraft
    return version


def _write_tiers(version: RuleSetVersion, rules: RuleSet) -> None:
    TierRule.objects.bulk_create(
        TierRule(
            version=version,
            rank=tier.rank,
            name=tier.name,
            name_en=tier.name_en,
            enter=document.get("enter"),
            keep=document.get("keep"),
            gates=document.get("gates", []),
            min_stay_days=tier.min_stay_days,
            grace_days=tier.grace_days,
            down=tier.down,
        )
        for tier, document in zip(rules.tiers, dump_rules(rules)["tiers"], strict=True)
    )


def _benefits_by_rank(version: RuleSetVersion) -> dict[int, list[Benefit]]:
    found: dict[int, list[Benefit]] = {}
    for benefit in Benefit.objects.filter(tier__version=version).select_related("tier"):
        found.setdefault(benefit.tier.rank, []).append(benefit)
    return found


def _copy_benefits(benefits: Mapping[int, Sequence[Benefit]], version: RuleSetVersion) -> None:
    Benefit.objects.bulk_create(
        Benefit(tier=tier, **{name: getattr(benefit, name) for name in COPIED})
        for tier in version.tiers.all()
        for benefit in benefits.get(tier.rank, [])
    )


def publication_problems(*, version: RuleSetVersion, effective_from: datetime | None) -> list[tuple[str, Any]]:
    """Why a draft cannot be published from that moment on (None: now), as (path, message). Reads only."""
    at = clock.now()
    return list(_problems(version, effective_from or at, at))


def approval_problems(
    *, version: RuleSetVersion, approver: User, policy: str, policy_until: date | None
) -> list[tuple[str, Any]]:
    """Why this person cannot approve the draft under this policy now, as (path, message). Reads only."""
    found: list[tuple[str, Any]] = []
    if version.author_id == approver.pk:
        found.append(("", _("作者不能批准自己的草稿，请由另一位同事发布")))
    elif version.editors.filter(pk=approver.pk).exists():
        found.append(("", _("你修改过这个草稿，请由没有修改过它的同事批准")))
    else:
        found += _not_independent(version, approver)
    missing = missing_what_if(version=version, policy=policy, policy_until=policy_until, at=clock.now())
    if missing is not None:
        found.append(("", missing))
    return found


def _not_independent(version: RuleSetVersion, approver: User) -> list[tuple[str, Any]]:
    try:
        for writer in [version.author_id, *version.editors.values_list("pk", flat=True)]:
            check_two_persons(writer, approver, at=clock.now())
    except NotIndependent as refusal:
        return [("", str(refusal))]
    return []


def _problems(version: RuleSetVersion, starts: datetime, at: datetime) -> Iterable[tuple[str, Any]]:
    rules = _parse(version.document)
    if starts < at:
        yield "", _("生效时间不能早于现在")
    if starts > at + STARTS_WITHIN:
        yield "", _("请选两年以内的日期")
    if any(other.effective_from >= starts for other in published_versions(version.program_id)):
        yield "", _("已有更晚生效的版本")
    for finding in check(rules):
        if finding.level is Level.ERROR:
            yield finding.path, finding.message
    yield from _gift_problems(version)
    ranks = {tier.rank for tier in rules.tiers}
    held = MemberTier.objects.filter(program=version.program_id).values_list("rank", flat=True).distinct()
    for rank in sorted(set(held.order_by("rank")) - ranks):
        yield "tiers", _("仍有会员处于等级 %(rank)s，新规则必须保留它") % {"rank": rank}
    set_by_hand = Override.objects.filter(
        member__program=version.program_id,
        status__in=[Override.Status.PROPOSED, Override.Status.APPROVED],
        ended_at=None,
        expires_at__gt=max(starts, at),
    )
    for rank in sorted(set(set_by_hand.values_list("rank", flat=True)) - ranks):
        yield "tiers", _("有待批准或未到期的等级调整指向等级 %(rank)s，新规则必须保留它") % {"rank": rank}


def _gift_problems(version: RuleSetVersion) -> Iterable[tuple[str, Any]]:
    """Birthday gifts that name a coupon which there is not: nobody would ever get it."""
    gifts = Benefit.objects.filter(tier__version=version, kind=BenefitKind.BIRTHDAY_GIFT).exclude(code="")
    named = list(gifts.order_by("tier__rank").select_related("tier"))
    unknown = unknown_codes("coupon", {gift.code for gift in named}) if named else set()
    for gift in named:
        if gift.code in unknown:
            yield "", _("%(tier)s的生日礼写的优惠券代码 %(code)s 不存在") % {"tier": gift.tier, "code": gift.code}


def policy_problems(policy: str, until: date | None, starts: datetime) -> list[tuple[str, Any]]:
    """Why rules that take effect at `starts` cannot have this policy, as (path, message)."""
    if policy not in RuleSetVersion.Policy.values:
        return [("policy", _("没有这种过渡方式"))]
    if policy != RuleSetVersion.Policy.GRANDFATHER_UNTIL:
        return [("policy_until", _("只有保留到指定日期的过渡方式需要日期"))] if until is not None else []
    if until is None or start_of_day(until) <= starts:
        return [("policy_until", _("保留到的日期必须晚于生效时间"))]
    if start_of_day(until) > clock.now() + KEPT_WITHIN:
        return [("policy_until", _("请选十年以内的日期"))]
    return []
