"""Scenarios of the design's acceptance list that only the live services can show."""

from datetime import timedelta

import pytest

from common import clock
from membership.models import Bucket, EarningRules
from membership.services import evaluate_member, record_activity
from tests.desk import at_desk
from tests.membership.club import Club, at_least, on, rank

pytestmark = pytest.mark.django_db

LAST = on("2026-03-31", "23:59:59")
NEXT = on("2026-04-01", "00:00")


def earn(member, points: int, at, ref: str) -> None:
    with clock.travel(at):
        record_activity(member_id=member.pk, metric="activity", quantity=points, occurred_at=at, at=at, ref=ref)


def counted(member) -> list[tuple[str, int, int]]:
    rows = Bucket.objects.filter(member=member, metric="activity").order_by("day")
    return [(f"{row.day:%m-%d}", row.quantity, row.earned) for row in rows]


def test_17_double_points_in_month_one_then_single_and_history_stays():
    """Given "double points in month one", when earning on the last promo day and the next day, then ×2, then ×1;
    history unchanged."""
    promo = [{"m": "activity", "factor": "2", "from": "2026-03-01", "to": "2026-03-31"}]
    club = Club(at_least("activity", "life", 31), multipliers=promo)
    member = club.join()
    earn(member, 10, LAST, "promo:last")
    assert counted(member) == [("03-31", 20, 10)]
    earn(member, 10, NEXT, "promo:next")
    assert counted(member) == [("03-31", 20, 10), ("04-01", 10, 10)]
    assert rank(member) == 0
    earn(member, 1, NEXT + timedelta(hours=1), "promo:more")
    assert rank(member) == 1
    decided = list(member.decisions.values_list("id", "cause", "trace", "at"))
    # New rules without the promotion, later: what was earned under it stays what it was.
    club.publish(at_least("activity", "life", 31), at=on("2026-05-01"))
    with clock.travel(on("2026-05-02")):
        evaluate_member(member_id=member.pk, at=clock.now())
    assert counted(member) == [("03-31", 20, 10), ("04-01", 11, 11)]
    assert rank(member) == 1
    assert list(member.decisions.values_list("id", "cause", "trace", "at")) == decided


def test_17_what_is_heard_late_counts_by_the_day_on_which_it_was_earned():
    promo = [{"m": "activity", "factor": "2", "from": "2026-03-01", "to": "2026-03-31"}]
    club = Club(at_least("activity", "life", 31), multipliers=promo)
    member = club.join()
    earn(member, 5, NEXT, "promo:next")
    with clock.travel(NEXT + timedelta(days=3)):
        at = clock.now()
        record_activity(member_id=member.pk, metric="activity", quantity=5, occurred_at=LAST, at=at, ref="promo:late")
    assert counted(member) == [("03-31", 10, 5), ("04-01", 5, 5)]


@pytest.mark.parametrize("points", ["501", "99"])
def test_11_the_form_rejects_an_invite_reward_out_of_range(olga, points):
    """Given an invitee active 30 days, then inviter +100..500 as configured; configuring 501 is rejected (the database's
    part is in test_invites)."""
    rules = EarningRules.objects.get()
    before = rules.inviter_points
    desk = at_desk(olga)
    address = f"/admin/membership/earningrules/{rules.pk}/change/"
    form = desk.get(address).context["adminform"].form
    fields = {name: form[name].value() for name in form.fields}
    answer = desk.post(address, {**fields, "inviter_points": points})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors
    rules.refresh_from_db()
    assert rules.inviter_points == before
    assert desk.post(address, {**fields, "inviter_points": "500"}).status_code == 302
    rules.refresh_from_db()
    assert rules.inviter_points == 500
