"""Drafts, publication, and what the database refuses whoever asks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from audit.models import AuditEntry
from common import clock
from membership.exceptions import NotADraft, OverrideRefused, OverrideTooLong, RulesRefused
from membership.models import Benefit, MemberTier, Override, Program, RuleSetVersion, TierDecision
from membership.rules.checks import check
from membership.rules.dump import dump_rules, fingerprint
from membership.rules.parse import parse_rules
from membership.selectors import program_for
from membership.selectors.rules import published_versions, version_at, version_in_force
from membership.services import (
    approve_override,
    copy_rule_set,
    draft_rule_set,
    end_override,
    propose_override,
    publish_rule_set,
    revise_draft,
)
from membership.services.rules import writers_of
from tenancy.models import MAIN_ID
from tests.membership.club import OPENING, Club, at_least, foreseen, on

pytestmark = pytest.mark.django_db


@pytest.fixture
def platform():
    return Program.objects.get(storefront=None)


def document(*tiers, **extra):
    return {"tiers": [{"rank": 0, "name": "普通会员"}, *tiers], **extra}


def silver(**extra):
    return {"rank": 1, "name": "白银", "enter": at_least("spend", "life", "100.00"), **extra}


def test_the_shop_starts_with_a_sound_published_ladder(platform):
    version = platform.versions.get()
    rules = parse_rules(version.document)
    assert version.status == "published"
    assert [tier.name for tier in rules.tiers] == ["普通会员", "白银会员", "黄金会员", "铂金会员", "钻石会员"]
    assert all(tier.name_en for tier in rules.tiers)
    assert check(rules) == []
    assert version.document == dump_rules(rules)
    assert version.sha256 == fingerprint(rules)
    assert list(version.tiers.values_list("rank", "name", "name_en", "enter")) == [
        (tier["rank"], tier["name"], tier["name_en"], tier.get("enter")) for tier in version.document["tiers"]
    ]
    rates = Benefit.objects.filter(tier__version=version, kind="price_rate").order_by("tier__rank")
    values = [rate.value for rate in rates]
    assert values == sorted(values, reverse=True) and values[-1] == Decimal("0.92")
    assert program_for(MAIN_ID) == platform


def test_a_storefront_may_have_its_own_program(platform):
    club = Club(at_least("spend", "life", "1.00"))
    assert program_for(club.storefront.pk) == club.program
    with pytest.raises(IntegrityError), transaction.atomic():
        Program.objects.create(storefront=None, name="第二个平台计划")


def test_a_draft_is_stored_in_canonical_form_with_its_tiers(platform, olga):
    draft = draft_rule_set(
        program=platform, document=document(silver(enter=at_least("spend", "life", 100))), author=olga
    )
    assert (draft.number, draft.status, draft.author) == (2, "draft", olga)
    assert draft.document["tiers"][1]["enter"]["v"] == "100.00"
    assert draft.tiers.get(rank=1).enter == draft.document["tiers"][1]["enter"]


def test_a_bad_draft_names_every_problem(platform):
    with pytest.raises(RulesRefused) as caught:
        draft_rule_set(program=platform, document=document(silver(enter={"m": "karma"}), {"rank": 2}), author=None)
    assert [path for path, _ in caught.value.problems] == [
        "tiers[1].enter.op", "tiers[1].enter.v", "tiers[1].enter.m", "tiers[2].name",
    ]  # fmt: skip
    assert "tiers[2].name" in str(caught.value)


def test_copying_keeps_the_benefits_and_revising_too(platform, olga):
    original = platform.versions.get()
    draft = copy_rule_set(version=original, author=olga)
    assert draft.sha256 == original.sha256
    assert Benefit.objects.filter(tier__version=draft).count() == Benefit.objects.filter(tier__version=original).count()
    changed = draft.document | {"tiers": draft.document["tiers"][:3]}
    draft = revise_draft(version_id=draft.pk, document=changed, note="只留三级")
    assert draft.note == "只留三级"
    assert list(draft.tiers.values_list("rank", flat=True)) == [0, 1, 2]
    assert Benefit.objects.get(tier__version=draft, tier__rank=2, kind="price_rate").value == Decimal("0.97")


def test_publishing_puts_a_version_in_force_and_retires_the_one_before(platform, olga):
    first = platform.versions.get()
    draft = foreseen(draft_rule_set(program=platform, document=document(silver()), author=None))
    published = publish_rule_set(version_id=draft.pk, approver=olga)
    assert version_in_force(platform.pk, clock.now()).pk == published.pk
    first.refresh_from_db()
    assert first.status == "retired"
    assert first.retired_at == published.effective_from
    entry = AuditEntry.objects.get(action="membership.rules.publish")
    assert entry.detail["sha256"] == draft.sha256 and entry.actor == "olga"


def test_a_later_date_takes_effect_then(platform, olga):
    first = platform.versions.get()
    starts = clock.now() + timedelta(days=7)
    draft = foreseen(draft_rule_set(program=platform, document=document(silver()), author=None))
    publish_rule_set(version_id=draft.pk, approver=olga, effective_from=starts)
    versions = published_versions(platform.pk)
    assert version_at(versions, starts - timedelta(seconds=1)).pk == first.pk
    assert version_at(versions, starts).pk == draft.pk
    first.refresh_from_db()
    assert first.status == "published"


def test_times_before_the_first_version_use_the_first(platform):
    assert version_in_force(platform.pk, on("2001-01-01")).pk == platform.versions.get().pk
    with pytest.raises(RuleSetVersion.DoesNotExist):
        version_in_force(0, OPENING)


@pytest.mark.parametrize(
    ("tiers", "extra", "problem"),
    [
        ([silver(), {"rank": 2, "name": "黄金", "enter": at_least("spend", "life", "50.00")}], {}, "tiers[2].enter"),
        ([silver(keep=at_least("spend", "life", "100.01"))], {}, "tiers[1].keep"),
    ],
)
def test_what_is_unsound_or_would_not_be_done_is_not_published(platform, tiers, extra, problem):
    draft = draft_rule_set(program=platform, document=document(*tiers, **extra), author=None)
    with pytest.raises(RulesRefused) as caught:
        publish_rule_set(version_id=draft.pk, approver=None)
    assert problem in str(caught.value)
    draft.refresh_from_db()
    assert draft.status == "draft"


@pytest.mark.parametrize(
    ("policy", "until", "fits"),
    [
        ("immediate", None, True),
        ("at_next_review", None, True),
        ("keep_if_held", None, True),
        ("grandfather_until", date(2030, 1, 1), True),
        ("grandfather_until", None, False),
        ("grandfather_until", date(2020, 1, 1), False),
        ("immediate", date(2030, 1, 1), False),
        ("never", None, False),
    ],
)
def test_a_policy_goes_with_its_date(platform, policy, until, fits):
    draft = draft_rule_set(program=platform, document=document(silver()), author=None)
    if fits:
        version = publish_rule_set(version_id=draft.pk, approver=None, policy=policy, policy_until=until)
        assert (version.policy, version.policy_until) == (policy, until)
        [*_, last] = published_versions(platform.pk)
        assert (last.policy, last.policy_until) == (policy, until)
    else:
        with pytest.raises(RulesRefused):
            publish_rule_set(version_id=draft.pk, approver=None, policy=policy, policy_until=until)


def test_publishing_in_the_past_or_before_another_version_is_refused(platform):
    draft = draft_rule_set(program=platform, document=document(silver()), author=None)
    with pytest.raises(RulesRefused):
        publish_rule_set(version_id=draft.pk, approver=None, effective_from=clock.now() - timedelta(seconds=1))
    starts = clock.now() + timedelta(days=7)
    publish_rule_set(version_id=draft.pk, approver=None, effective_from=starts)
    second = draft_rule_set(program=platform, document=document(silver()), author=None)
    with pytest.raises(RulesRefused):
        publish_rule_set(version_id=second.pk, approver=None, effective_from=starts)


def test_a_rank_that_somebody_holds_must_remain():
    club = Club(at_least("spend", "life", "1.00"), at_least("spend", "life", "2.00"))
    club.buy(club.join(), "5.00", paid=on("2026-03-01"))
    draft = draft_rule_set(program=club.program, document=document(silver()), author=None)
    with pytest.raises(RulesRefused, match="2"):
        publish_rule_set(version_id=draft.pk, approver=None)


def test_only_drafts_are_revised_and_published(platform):
    version = platform.versions.get()
    with pytest.raises(NotADraft):
        revise_draft(version_id=version.pk, document=document(silver()), note="")
    with pytest.raises(NotADraft):
        publish_rule_set(version_id=version.pk, approver=None)


def _of_a_draft(version: RuleSetVersion) -> RuleSetVersion:
    return copy_rule_set(version=version, author=None)


@pytest.mark.parametrize(
    "change",
    [
        lambda version: RuleSetVersion.objects.filter(pk=version.pk).update(document={}),
        lambda version: RuleSetVersion.objects.filter(pk=version.pk).update(sha256="0" * 64),
        lambda version: RuleSetVersion.objects.filter(pk=version.pk).update(effective_from=clock.now()),
        lambda version: RuleSetVersion.objects.filter(pk=version.pk).update(status="draft"),
        lambda version: RuleSetVersion.objects.filter(pk=version.pk).delete(),
        lambda version: version.tiers.filter(rank=1).update(name="改名"),
        lambda version: version.tiers.filter(rank=1).delete(),
        lambda version: Benefit.objects.filter(tier__version=version).update(value=Decimal("0.5")),
        lambda version: Benefit.objects.filter(tier__version=version).delete(),
        lambda version: version.tiers.create(rank=99, name="多出来的"),
        lambda version: Benefit.objects.create(
            tier=version.tiers.get(rank=1), layer="everyday", kind="price_rate", value=Decimal("0.5")
        ),
        lambda version: _of_a_draft(version).tiers.filter(rank=1).update(version=version, rank=99),
        lambda version: Benefit.objects.filter(tier__version=_of_a_draft(version)).update(
            tier=version.tiers.get(rank=1)
        ),
    ],
)
def test_the_database_keeps_what_was_published(platform, change):
    version = platform.versions.get()
    with pytest.raises(DatabaseError), transaction.atomic():
        change(version)


def test_a_draft_can_be_thrown_away(platform):
    draft = copy_rule_set(version=platform.versions.get(), author=None)
    draft.delete()
    assert platform.versions.count() == 1


def test_the_database_keeps_decisions_and_states_sane():
    club = Club(at_least("spend", "life", "1.00"))
    member = club.join()
    decision = member.decisions.get()
    version = club.version.pk
    decided = {"member": member, "version_id": version, "trace": [], "day": decision.day, "at": decision.at}
    again = {"user": member.user, "program": club.program, "since": decision.at, "version_id": version}
    refused = [
        lambda: TierDecision.objects.filter(pk=decision.pk).update(to_rank=4),
        lambda: TierDecision.objects.filter(pk=decision.pk).delete(),
        lambda: TierDecision.objects.create(to_rank=0, cause="default", **decided),
        lambda: TierDecision.objects.create(to_rank=1, cause="enter", **decided),
        lambda: TierDecision.objects.create(from_rank=1, to_rank=1, cause="enter", **decided),
        lambda: MemberTier.objects.filter(pk=member.pk).update(stage="grace"),
        lambda: MemberTier.objects.filter(pk=member.pk).update(grace_until=decision.at),
        lambda: MemberTier.objects.create(rank=0, evaluated_at=decision.at, evaluation={}, **again),
        lambda: member.delete(),
        lambda: member.user.delete(),
    ]
    for attempt in refused:
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()


@pytest.fixture
def two_tiers() -> Club:
    return Club(at_least("spend", "life", "1.00"), at_least("spend", "life", "2.00"))


FIRST, LAST = on("2026-03-01"), on("2026-05-01")


def proposed(club, *, rank=2, until=LAST):
    member, people = club.join(), [club.join().user for _ in range(2)]
    asked = propose_override(
        member_id=member.pk, kind="pin", rank=rank, expires_at=until, reason="补偿", proposer=people[0], at=FIRST
    )
    return asked, people[1]


def test_rules_keep_the_ranks_that_open_overrides_name(two_tiers):
    club, one_tier = two_tiers, at_least("spend", "life", "1.00")
    asked, other = proposed(club)
    for approved in (False, True):
        if approved:
            approve_override(override_id=asked.pk, approver=other, at=on("2026-03-02"))
            MemberTier.objects.filter(pk=asked.member_id).update(rank=0)
        with pytest.raises(RulesRefused) as refused:
            club.publish(one_tier, at=on("2026-03-03"))
        assert str(refused.value) == "tiers: 有待批准或未到期的等级调整指向等级 2，新规则必须保留它"
    end_override(override_id=asked.pk, actor=other, reason="误会", at=on("2026-03-04"))
    club.publish(one_tier, at=on("2026-03-05"))


def test_rules_that_begin_when_an_override_is_over_need_not_know_its_rank(two_tiers):
    proposed(two_tiers)
    coming = two_tiers.publish(at_least("spend", "life", "1.00"), at=on("2026-03-04"), starts=LAST)
    assert coming.status == "published"


def test_an_override_names_a_rank_that_rules_have_as_long_as_it_lasts(two_tiers):
    two_tiers.publish(at_least("spend", "life", "1.00"), at=on("2026-02-01"), starts=on("2026-04-01"))
    with pytest.raises(OverrideRefused):
        proposed(two_tiers)
    proposed(two_tiers, until=on("2026-04-01"))
    proposed(two_tiers, rank=1)


def test_an_override_ends_within_ten_years(two_tiers):
    for until in (datetime.max.replace(tzinfo=UTC), on("2036-03-03")):
        with pytest.raises(OverrideTooLong, match="十年"):
            proposed(two_tiers, until=until)
    assert not Override.objects.exists()
    proposed(two_tiers, until=on("2036-03-01"))


def test_whoever_wrote_a_draft_cannot_approve_a_copy_of_it(platform, olga, make_member):
    carl = make_member("carl")
    draft = draft_rule_set(program=platform, document=document(silver()), author=olga)
    copied = copy_rule_set(version=draft, author=carl)
    assert writers_of(copied) == [carl, olga]
    published = copy_rule_set(version=platform.versions.exclude(status="draft").get(), author=carl)
    assert writers_of(published) == [carl]
