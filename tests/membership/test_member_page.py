"""One member's page: what counts and what does not, what today would bring, ranks by hand, facts found not to count."""

from datetime import timedelta

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from common import clock
from membership.models import Activity, ActivityMark, MemberTier, Override, TierDecision
from membership.services import propose_override
from tests.desk import Act, at_desk, staff, text_of
from tests.membership.club import Club, at_least, on, rank

pytestmark = pytest.mark.django_db

SEES = ["membership.view_membertier", "membership.view_activity", "membership.view_override"]
PROPOSES = [*SEES, "membership.propose_override"]
DECIDES = [*SEES, "membership.approve_override"]
FLAGS = [*SEES, "membership.flag_activity"]


@pytest.fixture
def member():
    """Somebody who reached silver by an order, and bought something that does not count."""
    club = Club(
        at_least("spend", "life", "100.00"),
        at_least("spend", "life", "500.00"),
        exclude=[{"reason": "gift_cards", "category": "gift_card"}],
    )
    member = club.join("clara")
    club.buy(member, "120.00", ("7.00", "gift_card"), paid=on("2026-03-01"))
    return MemberTier.objects.get(pk=member.pk)


def page(member: MemberTier, query: str = "") -> str:
    return reverse("admin:membership_membertier_change", args=[member.pk]) + query


def act(member: MemberTier, name: str) -> str:
    return f"/admin/membership/membertier/{member.pk}/{name}/"


def written() -> tuple[int, int, int]:
    return Activity.objects.count(), ActivityMark.objects.count(), TierDecision.objects.count()


def test_everything_that_counts_and_everything_that_does_not(member):
    client = at_desk(staff("ann", *SEES))
    everything = text_of(client.get(page(member)))
    assert "¥120.00" in everything and "不计入：礼品卡" in everything
    counted = client.get(page(member, "?facts=counted")).context["ledger"]["page"].object_list
    left_out = client.get(page(member, "?facts=not")).context["ledger"]["page"].object_list
    assert all(line.counts for line in counted) and [line.told for line in left_out] == ["不计入：礼品卡"]


@pytest.mark.parametrize("query", ["?facts=nonsense", "?p=999", "?p=%00", "?facts=%00&p=-1"])
def test_strange_addresses_show_the_page(member, query):
    assert at_desk(staff("ann", *SEES)).get(page(member, query)).status_code == 200


def test_if_evaluated_now_writes_nothing(member):
    before = (written(), MemberTier.objects.values().get(pk=member.pk))
    text = text_of(at_desk(staff("ann", *SEES)).get(page(member)))
    assert "若现在评定" in text and "与现在相同" in text and "等级不变" in text
    assert (written(), MemberTier.objects.values().get(pk=member.pk)) == before


def test_if_evaluated_now_foresees_what_time_brings():
    club = Club(at_least("spend", "30d", "100.00"))
    member = club.join("dora")
    club.buy(member, "120.00", paid=on("2026-03-01"))
    later = clock.travel(on("2026-04-20"))
    with later:
        shown = at_desk(staff("ann", *SEES)).get(page(member)).context["today"]
    assert not shown["same"]
    assert "保级" in dict(shown["facts"])["会产生的变更"]


def test_sections_follow_rights(member):
    context = at_desk(staff("ann", "membership.view_membertier")).get(page(member)).context
    assert "ledger" not in context and "overrides" not in context and "today" in context


def test_an_override_is_proposed_approved_by_another_and_ended(member):
    ann, ben = at_desk(staff("ann", *PROPOSES, "membership.approve_override")), at_desk(staff("ben", *DECIDES))
    day = clock.day_of(clock.now() + timedelta(days=30)).isoformat()
    form = {"kind": "floor", "rank": "2", "expires_at_0": day, "expires_at_1": "00:00:00", "reason": "补偿"}
    proposal = Act(ann, act(member, "propose")).fill(**form)
    assert "需要另一位同事批准" in proposal.text and not Override.objects.exists()
    proposal.confirm()
    row = Override.objects.get()
    assert (row.status, row.rank, row.reason, rank(member)) == ("proposed", 2, "补偿", 1)
    base = f"/admin/membership/override/{row.pk}"
    own = Act(ann, f"{base}/approve/")
    assert "提出人不能批准自己的调整" in own.text
    ann.post(f"{base}/approve/", {"_step": "run"})
    assert rank(member) == 1
    Act(ben, f"{base}/approve/").confirm()
    assert rank(member) == 2
    assert "补偿" in text_of(ann.get(page(member)))
    Act(ben, f"{base}/end/").fill(reason="误会").confirm()
    assert rank(member) == 1
    acts = set(AuditEntry.objects.filter(action__startswith="membership.override").values_list("action", flat=True))
    assert acts == {"membership.override.propose", "membership.override.approve", "membership.override.end"}


def test_an_override_needs_a_tier_a_reason_and_a_time_to_come(member):
    client = at_desk(staff("ann", *PROPOSES))
    form = {"kind": "pin", "rank": "77", "expires_at_0": "2020-01-01", "expires_at_1": "00:00:00", "reason": " "}
    client.post(act(member, "propose"), {"_step": "run", **form})
    errors = client.post(act(member, "propose"), {"_step": "preview", **form}).context["form"].errors
    assert set(errors) == {"rank", "expires_at", "reason"} and not Override.objects.exists()


@pytest.mark.parametrize("year", ["2099", "9999"])
def test_an_override_of_a_slip_of_the_year_is_refused_in_words(member, year):
    client = at_desk(staff("ann", *PROPOSES))
    form = {"kind": "pin", "rank": "1", "expires_at_0": f"{year}-12-31", "expires_at_1": "23:59:59", "reason": "补偿"}
    errors = client.post(act(member, "propose"), {"_step": "preview", **form}).context["form"].errors
    assert errors == {"expires_at": ["请选十年以内的日期"]}


def test_a_proposal_is_withdrawn_by_who_made_it_and_by_no_third(member):
    ann, carl = staff("ann", *PROPOSES), staff("carl", *PROPOSES)
    later = clock.now() + timedelta(days=9)
    row = propose_override(
        member_id=member.pk, kind="pin", rank=2, expires_at=later, reason="x", proposer=ann, at=clock.now()
    )
    address = f"/admin/membership/override/{row.pk}/refuse/"
    at_desk(carl).post(address, {"_step": "run"})
    row.refresh_from_db()
    assert row.status == "proposed"
    Act(at_desk(ann), address).confirm()
    row.refresh_from_db()
    assert (row.status, row.decider) == ("refused", None)


def test_flagging_previews_writes_and_is_undone(member):
    client = at_desk(staff("rita", *FLAGS))
    ref = Activity.objects.get(member=member, metric="spend", valid=True).source_ref
    before = written()
    flag = Act(client, f"{act(member, 'flag')}?ref={ref}").fill(refs=[ref], reason="wash_trade")
    assert "普通会员" in flag.text and "虚假交易" in flag.text and written() == before
    flag.confirm()
    assert rank(member) == 0
    left_out = client.get(page(member, "?facts=not")).context["ledger"]["page"].object_list
    assert "不计入：虚假交易" in [line.told for line in left_out]
    clear = Act(client, act(member, "clear")).fill(refs=[ref], reason="申诉成立")
    assert "白银" in clear.text
    clear.confirm()
    assert rank(member) == 1
    last = member.decisions.order_by("-id").first()
    assert last.day == on("2026-03-01").date()
    acts = AuditEntry.objects.filter(action__startswith="membership.activity").values_list("action", flat=True)
    assert sorted(acts) == ["membership.activity.clear", "membership.activity.flag"]


def test_only_facts_of_this_member_that_count_can_be_flagged(member):
    other = Club(at_least("spend", "life", "100.00"))
    stranger = other.join("mallory")
    other.buy(stranger, "120.00", paid=on("2026-03-01"))
    theirs = Activity.objects.get(member=stranger, metric="spend").source_ref
    left_out = Activity.objects.get(member=member, valid=False).source_ref
    client = at_desk(staff("rita", *FLAGS))
    for ref in (theirs, left_out, "nothing"):
        client.post(act(member, "flag"), {"_step": "run", "refs": [ref], "reason": "wash_trade"})
    assert not ActivityMark.objects.exists() and rank(member) == 1 and rank(stranger) == 1


@pytest.mark.parametrize("name", ["propose", "flag", "clear"])
def test_acts_need_their_right_and_a_member(member, name):
    assert at_desk(staff("ann", *SEES)).get(act(member, name)).status_code == 403
    chief = at_desk(staff("chief", *PROPOSES, "membership.flag_activity"))
    assert chief.get(f"/admin/membership/membertier/999999/{name}/").status_code == 404
