"""A draft against the whole base: what is told, that nothing is written, and that publication does what was told."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum

from common import clock
from common.clock import start_of_day
from membership.exceptions import AlreadyRunning, NotADraft, RulesRefused, WhatIfRefused
from membership.models import Benefit, Bucket, MemberTier, RuleSetVersion, TierDecision, WhatIf
from membership.selectors import what_if_result
from membership.services import (
    ask_what_if,
    draft_rule_set,
    publish_rule_set,
    recalculate,
    resume_what_ifs,
    revise_draft,
    run_what_if,
    tell_birthday,
)
from membership.services import what_if as service
from membership.sql import outcomes
from membership.sql.fragments import fill, run
from membership.tasks import run_what_if as run_task
from tests.membership.club import Club, at_least, on
from tests.membership.crowd import gather

pytestmark = pytest.mark.django_db

CROWD = 2100
NOON = on("2026-06-01")
Policy = RuleSetVersion.Policy
WRITTEN = (
    "membership_membertier", "membership_tierdecision", "membership_activity", "membership_bucket", "membership_total",
    "membership_override", "membership_rulesetversion", "membership_tierstay", "membership_pointsentry", "events_event",
)  # fmt: skip


def silver(threshold: str, window: str = "90d") -> dict:
    return {"enter": at_least("spend", window, threshold), "keep": {"scale": "0.9"}, "grace_days": 14}


def draft_of(club, *tiers, author=None) -> RuleSetVersion:
    rows = [{"rank": 0, "name": "普通会员"}]
    rows += [{"rank": rank, "name": f"第{rank}级", **tier} for rank, tier in enumerate(tiers, 1)]
    return draft_rule_set(program=club.program, document={"tiers": rows}, author=author)


def computed(draft, policy=Policy.IMMEDIATE, until=None):
    asked = ask_what_if(version_id=draft.pk, asked_by=None, policy=policy, policy_until=until)
    run_what_if(what_if_id=asked.pk)
    return what_if_result(asked.pk)


def ranks(club) -> dict[int, int]:
    return dict(MemberTier.objects.filter(program=club.program).values_list("pk", "rank"))


def base() -> dict[str, tuple]:
    """A fingerprint of everything that a what-if has to leave alone."""
    return {
        table: run(
            fill(
                "SELECT count(*), COALESCE(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {table} AS t",
                table=outcomes.Sql(table),
            )
        )[0]
        for table in WRITTEN
    }


@pytest.fixture
def told(monkeypatch):
    """Where each picture puts every member, one after the other: today, 30 and 90 days ago."""
    kept, matrix = [], outcomes.matrix

    def spy():
        kept.append(dict(run(fill("SELECT member_id, to_rank FROM {t}", t=outcomes.OUTCOMES))))
        return matrix()

    monkeypatch.setattr(outcomes, "matrix", spy)
    return kept


@pytest.fixture
def club():
    return Club(silver("1000.00"))


@pytest.fixture
def crowd(club):
    gather(club, CROWD, NOON - timedelta(hours=1))
    with clock.travel(NOON):
        yield club


def test_scenario_26_publishing_moves_exactly_the_members_of_the_preview(crowd, told, olga):
    before, members = base(), ranks(crowd)
    draft = draft_of(crowd, silver("1200.00"))
    result = computed(draft)
    now = result.now
    assert sum(move.members for move in now.matrix) == now.members == CROWD
    assert {key: value for key, value in base().items() if key != "membership_rulesetversion"} == {
        key: value for key, value in before.items() if key != "membership_rulesetversion"
    }
    assert ranks(crowd) == members
    expected = told[0]
    moved = {pk for pk, rank in members.items() if expected[pk] != rank}
    assert now.count(1, 0) == now.down == now.moving == len(moved) > 100
    publish_rule_set(version_id=draft.pk, approver=olga)
    assert recalculate(everyone=False).changed == len(moved)
    assert ranks(crowd) == expected
    changed = TierDecision.objects.filter(version=draft).values_list("member_id", "cause")
    assert set(changed) == {(pk, "rules") for pk in moved}


def test_scenario_26_grandfathered_members_stay_until_the_date(told, olga):
    club, until = Club(silver("1000.00", "life")), on("2026-06-11").date()
    gather(club, 800, NOON - timedelta(hours=1))
    with clock.travel(NOON):
        members = ranks(club)
        computed(draft_of(club, silver("1200.00", "life")))
        losing = {pk for pk, rank in told[0].items() if rank < members[pk]}
        draft = draft_of(club, silver("1200.00", "life"))
        now = computed(draft, Policy.GRANDFATHER_UNTIL, until).now
        assert (now.moving, now.members) == (0, 800)
        publish_rule_set(version_id=draft.pk, approver=olga, policy=Policy.GRANDFATHER_UNTIL, policy_until=until)
        recalculate(everyone=False)
        assert ranks(club) == members
    with clock.travel(start_of_day(until) - timedelta(minutes=1)):
        recalculate(everyone=True)
        assert ranks(club) == members
    with clock.travel(start_of_day(until)):
        recalculate(everyone=False)
        assert ranks(club) == {pk: 0 if pk in losing else rank for pk, rank in members.items()}
        assert 20 < len(losing) < 200


def test_the_result_tells_segments_costs_samples_and_the_past(crowd):
    draft = draft_of(crowd, silver("1200.00"))
    result = computed(draft)
    assert (result.status, result.failure, result.steps_done) == ("done", "", result.steps)
    assert result.tiers == {0: "普通会员", 1: "第1级"}
    assert [(one.days_ago, one.day) for one in result.pictures] == [
        (0, on("2026-06-01").date()),
        (30, on("2026-05-02").date()),
        (90, on("2026-03-03").date()),
    ]
    for picture in result.pictures:
        kinds = {one.kind for one in picture.segments}
        assert kinds == {"storefront", "age", "recency", "frequency", "spend"}
        for kind in kinds:
            parts = [one for one in picture.segments if one.kind == kind]
            assert sum(one.members for one in parts) == picture.members
            assert sum(one.down for one in parts) == picture.down
        assert [(one.kind, one.unit) for one in picture.costs] == [
            ("price_rate", "yuan"), ("points_back", "points"), ("birthday_gift", "points"), ("birthday_gift", "coupons"),
        ]  # fmt: skip
    now, month, quarter = result.pictures
    assert now.members == month.members == CROWD
    # Nobody had reached a tier 90 days ago, and who joined since was not there.
    assert quarter.members == CROWD and {move.before for move in quarter.matrix} == {0}
    assert now.samples and all((one.before, one.after) == (1, 0) for one in now.samples)
    for sample in now.samples:
        leaf = sample.trace[0]["enter"]
        assert Decimal(leaf["value"]) < Decimal(leaf["v"]) == Decimal("1200.00")
        assert sample.gap and sample.name


def test_members_of_a_month_ago_are_traced_by_their_figures_of_then(club):
    gather(club, 100, NOON - timedelta(hours=1))
    with clock.travel(NOON):
        month = computed(draft_of(club, silver("300.00"))).pictures[1]
    assert 0 < month.up == month.moving
    for sample in month.samples:
        leaf = sample.trace[0]["enter"]
        assert (sample.before, sample.after, sample.day, leaf["until"]) == (0, 1, month.day, "2026-05-02")
        bought = Bucket.objects.filter(member=sample.member_id, metric="spend", day__lte=month.day)
        assert Decimal(leaf["value"]) == bought.aggregate(sum=Sum("amount"))["sum"] >= 300


def test_a_preview_against_rules_that_no_longer_hold_is_stale(club, olga):
    club.join()
    with clock.travel(NOON):
        first = draft_of(club, silver("1200.00"))
        computed(first)
    with clock.travel(NOON + timedelta(hours=1)):
        second = draft_of(club, silver("900.00"))
        computed(second)
        publish_rule_set(version_id=second.pk, approver=olga)
    with clock.travel(NOON + timedelta(hours=2)):
        with pytest.raises(RulesRefused, match="别的规则"):
            publish_rule_set(version_id=first.pk, approver=olga)
        computed(first)
        publish_rule_set(version_id=first.pk, approver=olga)


def test_publication_wants_a_fresh_preview_of_the_very_draft(club, olga):
    club.join()
    with clock.travel(NOON):
        draft = draft_of(club, silver("1200.00"))
        for policy, until, told in (
            (Policy.IMMEDIATE, None, "还没有推演"),
            (Policy.KEEP_IF_HELD, None, "还没有推演"),
        ):
            with pytest.raises(RulesRefused, match=told):
                publish_rule_set(version_id=draft.pk, approver=olga, policy=policy, policy_until=until)
        computed(draft)
        with pytest.raises(RulesRefused, match="改过"):
            publish_rule_set(version_id=draft.pk, approver=olga, policy=Policy.KEEP_IF_HELD)
    with clock.travel(NOON + timedelta(hours=24, seconds=1)), pytest.raises(RulesRefused, match="24 小时"):
        publish_rule_set(version_id=draft.pk, approver=olga)
    with clock.travel(NOON + timedelta(hours=23)):
        document = draft.document
        document["tiers"][1]["enter"]["v"] = "1300.00"
        revise_draft(version_id=draft.pk, document=document, note="")
        with pytest.raises(RulesRefused, match="改过"):
            publish_rule_set(version_id=draft.pk, approver=olga)
        draft.tiers.get(rank=1).benefits.create(kind="price_rate", layer="everyday", value=Decimal("0.9"))
        computed(draft)
        draft.tiers.get(rank=1).benefits.update(value=Decimal("0.8"))
        with pytest.raises(RulesRefused, match="改过"):
            publish_rule_set(version_id=draft.pk, approver=olga)
        computed(draft)
        publish_rule_set(version_id=draft.pk, approver=olga)
    with pytest.raises(NotADraft):
        ask_what_if(version_id=draft.pk, asked_by=olga)


def test_the_author_is_not_the_second_person(club, olga):
    draft = draft_of(club, silver("1200.00"), author=olga)
    computed(draft)
    with pytest.raises(RulesRefused, match="作者不能批准"):
        publish_rule_set(version_id=draft.pk, approver=olga)


def test_a_date_and_its_policy_come_together(club):
    draft = draft_of(club, silver("1200.00"))
    for policy, until in ((Policy.GRANDFATHER_UNTIL, None), (Policy.IMMEDIATE, NOON.date()), ("later", None)):
        with pytest.raises(WhatIfRefused):
            ask_what_if(version_id=draft.pk, asked_by=None, policy=policy, policy_until=until)


def test_birthdays_of_29_february_are_celebrated_in_common_years_too(club):
    """On the day on which marketing gives the gifts."""
    tell_birthday(user_id=club.join().user_id, day=date(1996, 2, 29))
    draft = draft_of(club, silver("1200.00"))
    gift = {"kind": "birthday_gift", "layer": "everyday", "value": 100}
    Benefit.objects.create(tier=draft.tiers.get(rank=0), **gift)
    gifts = {}
    for day in ("2027-02-27", "2027-02-28", "2027-03-29", "2027-03-30", "2028-02-28", "2028-02-29"):
        with clock.travel(on(day)):
            [line, _coupons] = [one for one in computed(draft).now.costs if one.kind == "birthday_gift"]
            gifts[day] = int(line.after)
    assert gifts == {
        "2027-02-27": 0, "2027-02-28": 100, "2027-03-29": 100, "2027-03-30": 0, "2028-02-28": 0, "2028-02-29": 100,
    }  # fmt: skip


def test_what_went_stale_while_it_waited_fails_and_says_why(club, olga):
    draft = draft_of(club, silver("1200.00"))
    asked = ask_what_if(version_id=draft.pk, asked_by=olga)
    revise_draft(version_id=draft.pk, document=draft.document, note="没有改变规则")
    document = draft.document
    document["tiers"][1]["enter"]["v"] = "1100.00"
    revise_draft(version_id=draft.pk, document=document, note="")
    assert run_what_if(what_if_id=asked.pk).status == "failed"
    assert "草稿改过了" in what_if_result(asked.pk).failure
    second = ask_what_if(version_id=draft.pk, asked_by=olga)
    publish_rule_set(version_id=draft.pk, approver=None)
    run_task(second.pk)
    assert "已经发布" in what_if_result(second.pk).failure


def test_what_breaks_is_told_and_raised(club, monkeypatch):
    asked = ask_what_if(version_id=draft_of(club, silver("1200.00")).pk, asked_by=None)
    monkeypatch.setattr(service, "segments_hit", lambda day: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_task(asked.pk)
    result = what_if_result(asked.pk)
    assert (result.status, result.is_open) == ("failed", False)
    assert "计算出错" in result.failure


def test_a_lost_worker_is_noticed_and_a_running_one_is_left_alone(club, monkeypatch):
    sent = []
    monkeypatch.setattr(service, "send", lambda *args: sent.append(args))
    with clock.travel(NOON):
        asked = ask_what_if(version_id=draft_of(club, silver("1200.00")).pk, asked_by=None)
        assert resume_what_ifs() == 0
    with clock.travel(NOON + timedelta(minutes=2)):
        with connection.copy().cursor() as other:
            other.execute("SELECT pg_advisory_lock(%s, %s)", [service.LOCK, asked.pk])
            assert resume_what_ifs() == 0
            with pytest.raises(AlreadyRunning):
                run_what_if(what_if_id=asked.pk)
            run_task(asked.pk)
            assert WhatIf.objects.get().status == "waiting"
            # A server needs a moment to notice that a session was closed.
            other.execute("SELECT pg_advisory_unlock(%s, %s)", [service.LOCK, asked.pk])
            other.connection.close()
        assert resume_what_ifs() == 1
        assert sent == [("membership.tasks.run_what_if", asked.pk)]
        assert resume_what_ifs() == 0
    WhatIf.objects.update(starts=3, status="running")
    with clock.travel(NOON + timedelta(minutes=4)):
        assert resume_what_ifs() == 0
    assert "多次中断" in what_if_result(asked.pk).failure
