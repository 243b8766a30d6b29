"""Staff record what is known of a member's reputation, see before what comes of it, and take back what was wrong."""

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from common import clock
from membership.exceptions import NothingToTakeBack, OrderNotTheirs, UnknownMetric
from membership.models import Activity, MemberTier
from membership.services.reputation import record_reputation, take_back_reputation
from tests.desk import Act, at_desk, staff, text_of
from tests.membership.club import Club, at_least, on, rank

pytestmark = pytest.mark.django_db
SEES = ["membership.view_membertier", "membership.view_activity"]
RECORDS = [*SEES, "membership.record_reputation"]
NO_DISPUTES = {"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}
REAL = {"m": "realname", "op": "==", "v": True}


@pytest.fixture
def club():
    """Silver needs an order and no upheld dispute; gold a real name too, platinum good credit."""
    bought = at_least("spend", "life", "100.00")
    return Club(
        {"enter": bought, "gates": [NO_DISPUTES]},
        {"enter": {"all": [bought, REAL]}, "gates": [NO_DISPUTES]},
        {"enter": {"all": [bought, REAL, {"m": "credit", "op": ">=", "v": 80}]}, "gates": [NO_DISPUTES]},
    )


@pytest.fixture
def member(club):
    member = club.join("clara")
    club.buy(member, "120.00", paid=on("2026-03-01"))
    return MemberTier.objects.get(pk=member.pk)


@pytest.fixture
def desk():
    return at_desk(staff("rita", *RECORDS))


def act(member: MemberTier, name: str) -> str:
    return f"/admin/membership/membertier/{member.pk}/{name}/"


def say(desk, member, **fields) -> Act:
    return Act(desk, act(member, "reputation")).fill(reason="核对过材料", **fields)


def order_of(member) -> str:
    return Activity.objects.get(member=member, metric="spend").subject


def test_a_real_name_and_credit_raise_at_once_and_a_submission_counts_once(desk, member):
    assert rank(member) == 1
    before = Activity.objects.count()
    asked = say(desk, member, says="confirmed")
    assert "黄金" in asked.text and Activity.objects.count() == before
    asked.confirm()
    assert rank(member) == 2
    # What is said of one moment has no order; a test is one transaction, and so one moment.
    for minutes, score, reached in ((1, "79", 2), (2, "80", 3)):
        with clock.travel(clock.now() + timedelta(minutes=minutes)):
            say(desk, member, says="credit", score=score).confirm()
        assert rank(member) == reached
    # Twice the same submission is one.
    last_step = say(desk, member, says="withdrawn")._hidden()
    for _ in range(2):
        assert desk.post(act(member, "reputation"), last_step).status_code == 302
    assert Activity.objects.filter(member=member, metric="realname", value=0).count() == 1
    told = AuditEntry.objects.filter(action="membership.reputation.record").order_by("id").last()
    assert (told.actor, told.detail["metric"], told.detail["value"]) == ("rita", "realname", 0)
    assert told.detail["reason"] == "核对过材料"


def test_an_upheld_dispute_lowers_at_once_until_it_is_taken_back(desk, member):
    say(desk, member, says="dismissed", order=order_of(member)).confirm()
    assert rank(member) == 1
    asked = say(desk, member, says="upheld", order=order_of(member))
    assert "普通会员" in asked.text and rank(member) == 1
    asked.confirm()
    assert rank(member) == 0
    ref = Activity.objects.get(metric="dispute", value=1).source_ref
    back = Act(desk, act(member, "take_back")).fill(ref=ref, reason="记错了人")
    assert "白银" in back.text and rank(member) == 0
    back.confirm()
    assert rank(member) == 1
    assert ref not in text_of(desk.get(act(member, "take_back")))
    told = AuditEntry.objects.get(action="membership.reputation.take_back")
    assert (told.detail["of"], told.detail["reason"]) == (ref, "记错了人")


def test_a_state_that_is_taken_back_leaves_the_one_before(desk, member):
    for says in ("confirmed", "withdrawn"):
        say(desk, member, says=says).confirm()
    wrong = Activity.objects.get(metric="realname", value=0).source_ref
    Act(desk, act(member, "take_back")).fill(ref=wrong, reason="误操作").confirm()
    assert rank(member) == 2


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"says": "credit"}, "score"),
        ({"says": "credit", "score": "101"}, "score"),
        ({"says": "credit", "score": "-1"}, "score"),
        ({"says": "upheld"}, "order"),
        ({"says": "upheld", "order": "order:999999"}, "order"),
        ({"says": "nonsense"}, "says"),
        ({}, "says"),
        ({"says": "confirmed", "reason": " "}, "reason"),
    ],
)
def test_what_is_not_filled_in_is_asked_for(desk, member, fields, wrong):
    answer = desk.post(act(member, "reputation"), {"_step": "run", "reason": "x", **fields})
    assert set(answer.context["form"].errors) == {wrong}
    assert not AuditEntry.objects.filter(action__startswith="membership.reputation").exists()


def test_strange_submissions_break_nothing(desk, member):
    fields = {"_step": "run", "says": "confirmed", "reason": "x"}
    for token in ("\x00", "长" * 500):
        assert desk.post(act(member, "reputation"), {**fields, "_token": token}).status_code == 302
    form = {"_step": "run", "ref": "line:1:spend", "reason": "x"}
    assert desk.post(act(member, "take_back"), form).context["form"].errors


def test_the_right_is_its_own(member):
    for name in ("reputation", "take_back"):
        assert (
            at_desk(staff(f"ann-{name}", *SEES, "membership.flag_activity")).get(act(member, name)).status_code == 403
        )
    assert at_desk(staff("rita", *RECORDS)).get("/admin/membership/membertier/999999/reputation/").status_code == 404


def test_only_orders_of_the_member_and_only_what_still_stands(club, member, olga):
    other = club.join("mallory")
    common = {"member_id": other.pk, "reason": "x", "actor": olga, "at": clock.now()}
    with pytest.raises(OrderNotTheirs):
        record_reputation(metric="dispute", value=1, subject=order_of(member), ref="a", **common)
    with pytest.raises(UnknownMetric):
        record_reputation(metric="credit", value=101, ref="b", **common)
    with pytest.raises(NothingToTakeBack):
        take_back_reputation(of_ref=Activity.objects.get(metric="spend").source_ref, ref="c", **common)
    record_reputation(metric="realname", value=1, ref="d", **common)
    take_back_reputation(of_ref="d", ref="e", **common)
    take_back_reputation(of_ref="d", ref="e", **common)
    with pytest.raises(NothingToTakeBack):
        take_back_reputation(of_ref="d", ref="f", **common)
    assert AuditEntry.objects.filter(action__startswith="membership.reputation").count() == 2
