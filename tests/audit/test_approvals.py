"""Two persons for one act."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from audit.exceptions import ApprovalMoved, NotYetUsable, OnlyTheAsker, SamePerson
from audit.models import Approval, AuditEntry
from audit.services import approvals
from common import clock
from common.exceptions import ReasonNeeded
from tests.desk import staff

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def ann(db):
    return staff("ann")


@pytest.fixture
def ben(db):
    return staff("ben")


@pytest.fixture
def asked(ann, alice):
    return approvals.ask(
        kind="test.thing", target=alice, reason=" because\nof  it ", actor=ann, answer_within=24 * HOUR, detail={"n": 1}
    )


def approve(asked, ben, delay=HOUR, window=HOUR):
    return approvals.approve(approval_id=asked.pk, actor=ben, delay=delay, window=window)


def test_one_asks_another_agrees_and_the_first_does_it_once(asked, ann, ben):
    assert asked.reason == "because of it"
    approve(asked, ben)
    with pytest.raises(NotYetUsable):
        approvals.use(approval_id=asked.pk, actor=ann)
    with clock.travel(clock.now() + 1.5 * HOUR):
        with pytest.raises(OnlyTheAsker):
            approvals.use(approval_id=asked.pk, actor=ben)
        assert approvals.use(approval_id=asked.pk, actor=ann).state == Approval.State.USED
        with pytest.raises(ApprovalMoved):
            approvals.use(approval_id=asked.pk, actor=ann)
    acts = AuditEntry.objects.filter(target_type="audit.Approval").order_by("pk").values_list("action", "actor")
    assert list(acts) == [("approval.ask", "ann"), ("approval.approve", "ben"), ("approval.use", "ann")]


def test_one_that_cannot_be_ended_holds_up_no_other(asked, ann, alice, monkeypatch):
    other = approvals.ask(kind="test.thing", target=alice, reason="x", actor=ann, answer_within=24 * HOUR)
    write = approvals.record

    def fails_first(*, target, **entry):
        if target == asked:
            raise RuntimeError("broken on purpose")
        return write(target=target, **entry)

    monkeypatch.setattr(approvals, "record", fails_first)
    with clock.travel(clock.now() + 25 * HOUR):
        assert approvals.lapse_due() == 1
    assert dict(Approval.objects.values_list("pk", "state")) == {asked.pk: "asked", other.pk: "lapsed"}


def test_who_asks_does_not_decide_and_the_database_holds_it(asked, ann):
    for decide in (
        lambda: approve(asked, ann),
        lambda: approvals.refuse(approval_id=asked.pk, actor=ann, reason="no"),
    ):
        with pytest.raises(SamePerson):
            decide()
    for state in ("asked", "approved"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.filter(pk=asked.pk).update(
                state=state, decided_by_id=ann.pk, decided_at=clock.now(), usable_from=clock.now()
            )
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=asked.pk).update(state="approved")


def test_nothing_is_asked_without_a_reason(ann, alice):
    with pytest.raises(ReasonNeeded):
        approvals.ask(kind="test.thing", target=alice, reason=" \n", actor=ann, answer_within=HOUR)


def test_it_is_cancelled_during_the_delay_by_either_side(asked, ann, ben):
    approve(asked, ben)
    approvals.cancel(approval_id=asked.pk, actor=ben)
    with clock.travel(clock.now() + 1.5 * HOUR), pytest.raises(ApprovalMoved):
        approvals.use(approval_id=asked.pk, actor=ann)


def test_what_was_refused_stays_refused(asked, ann, ben):
    approvals.refuse(approval_id=asked.pk, actor=ben, reason="not now")
    for act in (
        lambda: approve(asked, ben),
        lambda: approvals.cancel(approval_id=asked.pk, actor=ann),
        lambda: approvals.use(approval_id=asked.pk, actor=ann),
    ):
        with pytest.raises(ApprovalMoved):
            act()


def test_nobody_agrees_or_uses_it_after_its_time_and_it_lapses(asked, ann, ben):
    with clock.travel(clock.now() + 25 * HOUR):
        with pytest.raises(ApprovalMoved):
            approve(asked, ben)
        assert approvals.lapse_due() == 1
        assert approvals.lapse_due() == 0
    assert Approval.objects.get().state == Approval.State.LAPSED
    assert AuditEntry.objects.get(action="approval.lapse").actor_id is None
