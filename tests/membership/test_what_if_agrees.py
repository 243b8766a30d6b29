"""What a what-if tells of everybody is what publication then does to them, over random rules, members and policies.

Scenario 26 in the large: the placement is one SQL statement and, for those whom figures do not tell, the engine.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.clock import start_of_day
from membership.engine.state import GRACE, WARNED, dump_state, load_state
from membership.models import MemberTier, Override, RuleSetVersion, TierStay
from membership.rules.dump import dump_rules, fingerprint
from membership.rules.parse import parse_rules
from membership.selectors.rules import published_versions
from membership.services.passing import pass_time
from membership.services.what_if import place_now
from membership.sql import outcomes
from membership.sql.fragments import fill, run
from membership.sql.outcomes import Draft
from tests.membership.rule_strategies import HORIZON, histories, rule_sets
from tests.membership.test_passing import (
    LONG_AGO,
    MEMBERS,
    NIGHT,
    TODAY,
    Policy,
    club,  # noqa: F401 - a fixture
    every_group_by_statement,  # noqa: F401 - a fixture
    place,
    publish,
    states,
)

pytestmark = pytest.mark.django_db

LEFT_AT = start_of_day(TODAY) + timedelta(hours=1)


@st.composite
def standing(draw):
    """What may be known of a member beside their rank."""
    return draw(st.sampled_from(["", "", WARNED, GRACE, "jumped", "blocked", "floor", "ceiling"]))


def make(member_id: int, kind: str) -> None:
    """Let a member be in a stage, have jumped, wait behind a gate, or be held by an override."""
    member = MemberTier.objects.get(pk=member_id)
    state = load_state(member.state)
    if kind in (WARNED, GRACE) and state.rank:
        until = start_of_day(TODAY + timedelta(days=3)) if kind == GRACE else None
        state = replace(state, stage=kind, shown_stage=kind, grace_until=until)
        member.stage, member.grace_until = kind, until
        member.next_check_at = start_of_day(TODAY + timedelta(days=1))
    elif kind == "jumped":
        state = replace(state, jumps=(("jump0", state.rank),))
    elif kind == "blocked":
        state = replace(state, blocked=state.rank + 1)
    elif kind in ("floor", "ceiling"):
        Override.objects.create(
            member=member, ref=f"test:{member.pk}", kind=kind, rank=2, reason="测试", status="approved",
            starts_at=LEFT_AT - timedelta(hours=1), expires_at=NIGHT + timedelta(days=9), proposed_at=LONG_AGO,
        )  # fmt: skip
    member.state = dump_state(state)
    member.save()


def told() -> dict[int, int]:
    return dict(run(fill("SELECT member_id, to_rank FROM {t}", t=outcomes.OUTCOMES)))


def foretold_and_done(club, versions, drafted, policy, until):  # noqa: F811
    """The rank of every member as the what-if tells it, and as publication at the same moment leaves it."""
    row = RuleSetVersion.objects.create(
        program=club.program,
        number=200,
        document=dump_rules(drafted),
        sha256=fingerprint(drafted),
        created_at=NIGHT,
    )
    outcomes.empty_outcomes()
    place_now(club.program.pk, versions, Draft(row.pk, drafted, NIGHT, policy, until), NIGHT)
    expected = told()
    RuleSetVersion.objects.filter(pk=row.pk).update(
        status="published", published_at=NIGHT, effective_from=NIGHT, policy=policy, policy_until=until
    )
    pass_time(club.ids, published_versions(club.program.pk), program_id=club.program.pk, at=NIGHT)
    done = dict(MemberTier.objects.filter(pk__in=club.ids).values_list("pk", "rank"))
    return expected, done


@st.composite
def versions_before(draw):
    """What is in force, and sometimes the version before it, which may protect those who hold a tier."""
    found = [(draw(rule_sets()), LONG_AGO, Policy.IMMEDIATE, None)]
    if draw(st.booleans()):
        found.append((draw(rule_sets()), LONG_AGO + timedelta(days=1), Policy.KEEP_IF_HELD, None))
        found.append((draw(rule_sets()), LONG_AGO + timedelta(days=2), Policy.KEEP_IF_HELD, None))
    return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    before=versions_before(),
    drafted=rule_sets(),
    policy=st.sampled_from(list(Policy)),
    found=st.lists(histories, min_size=MEMBERS, max_size=MEMBERS),
    data=st.data(),
)
def test_26_what_is_told_is_what_publication_does(club, before, drafted, policy, found, data):  # noqa: F811
    with transaction.atomic():
        versions = publish(club, before)
        ranks = sorted({tier.rank for rules, *_ in [*before, (drafted,)] for tier in rules.tiers})
        means = data.draw(st.dictionaries(st.sampled_from(ranks), st.integers(0, HORIZON).map(Decimal)))
        TierStay.objects.bulk_create(
            TierStay(program=club.program, day=TODAY, rank=rank, days=days) for rank, days in means.items()
        )
        for member_id, history in zip(club.ids, found, strict=True):
            place(member_id, versions, data.draw(states(ranks)), history, LEFT_AT, 0)
            make(member_id, data.draw(standing()))
        until = TODAY + timedelta(days=data.draw(st.integers(1, 9))) if policy == Policy.GRANDFATHER_UNTIL else None
        expected, done = foretold_and_done(club, versions, drafted, policy, until)
        assert expected == done
        transaction.set_rollback(True)


def test_26_a_draft_whose_formula_lowers_a_threshold_lifts_whom_it_says(club):  # noqa: F811
    """Whoever stayed longer than others and is on the rise needs 800 of 1,000 as soon as the formula is in force."""
    stalled = {"m": "activity", "win": "life", "op": ">=", "v": 1000}
    tiers = [{"rank": 0, "name": "默认"}, {"rank": 1, "name": "等级1", "enter": stalled}]
    with transaction.atomic():
        versions = publish(club, [(parse_rules({"tiers": tiers}), LONG_AGO, Policy.IMMEDIATE, None)])
        TierStay.objects.create(program=club.program, day=TODAY, rank=0, days=Decimal(10))
        rising = [(ago, "activity", "", Decimal(0), 200 - 50 * ago) for ago in range(3)] + [
            (30, "activity", "", Decimal(0), 370)
        ]
        for member_id, days in zip(club.ids, (10, 11, 12, 9, 40, 0), strict=True):
            place(member_id, versions, (0, days, False, "active", 0), rising, LEFT_AT, 0)
        tiers[1]["enter"] = {**stalled, "dyn": "stall"}
        drafted = parse_rules({"tiers": tiers, "dynamic": {"stall": {"factor": "0.8", "rising_days": 14}}})
        expected, done = foretold_and_done(club, versions, drafted, Policy.IMMEDIATE, None)
        assert [done[pk] for pk in club.ids] == [0, 1, 1, 0, 1, 0]
        assert expected == done
