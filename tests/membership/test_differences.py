"""What is stored against what it should be: found, told in the admin, on the board and to monitors, never mended."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from audit.models import AuditEntry
from common import clock
from membership.exceptions import DifferenceOver, NoteNeeded
from membership.models import Bucket, Difference, MemberTier, Total
from membership.selectors import open_differences
from membership.services import close_difference, evaluate_member, recalculate
from tests.desk import Act, at_desk, staff, text_of
from tests.membership.club import Club, at_least, on

pytestmark = pytest.mark.django_db
MONDAY = on("2026-03-02", "03:40")


@pytest.fixture
def club():
    return Club(at_least("spend", "30d", "100.00"))


def weekly(at=MONDAY):
    with clock.travel(at):
        return recalculate(everyone=True)


def kinds() -> dict[str, dict]:
    return {row.kind: row.detail for row in open_differences()}


def wronged(club) -> MemberTier:
    """A member whose tier was lost by whoever wrote past the services."""
    member = club.join()
    club.buy(member, "120.00", paid=on("2026-03-01"))
    member.refresh_from_db()
    MemberTier.objects.filter(pk=member.pk).update(rank=0, state=member.state | {"rank": 0, "shown": 0})
    return member


def test_everybody_right_makes_no_alarm(club):
    for amount in ("10.00", "100.00", "500.00"):
        club.buy(club.join(), amount, paid=on("2026-03-01"))
    assert weekly().differences == 0
    assert not Difference.objects.exists()


def test_a_wrong_tier_is_told_and_left_as_it_is(club, caplog):
    member, fine = wronged(club), club.join()
    run = weekly()
    assert run.differences > 0
    assert set(kinds()) == {"standing", "fold"}
    assert kinds()["fold"]["rank"] == [0, 1]
    assert {row.member_id for row in open_differences()} == {member.pk} != {fine.pk}
    member.refresh_from_db()
    assert (member.rank, member.state["rank"]) == (0, 0)
    assert "stored otherwise" in caplog.text


def test_wrong_sums_are_told_by_day_and_in_all(club):
    member = club.join()
    club.buy(member, "60.00", paid=on("2026-03-01"))
    Bucket.objects.filter(member=member, metric="spend").update(amount=Decimal("61.00"))
    Total.objects.filter(member=member, metric="spend").update(amount=Decimal("62.00"))
    weekly()
    assert kinds()["sums"] == {
        "spend 2026-03-01 game_card": [["61", 0], ["60", 0]],
        "spend life game_card": [["62", 0], ["60", 0]],
    }
    assert Bucket.objects.get(member=member, metric="spend").amount == 61


def test_found_again_it_is_the_same_row_until_it_is_gone(club):
    member = wronged(club)
    weekly()
    found = set(open_differences().values_list("pk", flat=True))
    weekly(MONDAY + timedelta(days=7))
    assert set(open_differences().values_list("pk", flat=True)) == found
    with clock.travel(MONDAY + timedelta(days=8)):
        evaluate_member(member_id=member.pk, at=clock.now(), refold=True)
    weekly(MONDAY + timedelta(days=14))
    assert not open_differences().exists()
    assert set(Difference.objects.values_list("closer", flat=True)) == {None}


def test_somebody_closes_it_with_a_reason_and_it_comes_back_while_it_is_so(club, olga):
    wronged(club)
    weekly()
    row = open_differences().get(kind="standing")
    with pytest.raises(NoteNeeded):
        close_difference(difference_id=row.pk, actor=olga, note="  ")
    with clock.travel(MONDAY + timedelta(days=1)):
        closed = close_difference(difference_id=row.pk, actor=olga, note="人工核对过")
    assert (closed.closer, closed.note) == (olga, "人工核对过")
    assert AuditEntry.objects.get(action="membership.difference.close").detail == {"note": "人工核对过"}
    with pytest.raises(DifferenceOver):
        close_difference(difference_id=row.pk, actor=olga, note="再来")
    weekly(MONDAY + timedelta(days=7))
    assert open_differences().get(kind="standing").pk != row.pk


def test_operators_see_and_close_it(club, olga):
    member = wronged(club)
    weekly()
    desk = at_desk(olga)
    listed = text_of(desk.get("/admin/membership/difference/?state=open"))
    assert str(member.user) in listed and "从头推算的结果不同" in listed
    row = open_differences().get(kind="fold")
    page = text_of(desk.get(f"/admin/membership/difference/{row.pk}/change/"))
    assert "存储的" in page and "rank" in page
    act = Act(desk, f"/admin/membership/difference/{row.pk}/close/").fill(note="已重新评定")
    assert "不会改动会员" in act.text
    assert "已关闭" in act.confirm().done()
    assert "已关闭" in text_of(desk.get("/admin/membership/difference/?state=over"))


def test_closing_needs_its_own_right(club):
    wronged(club)
    weekly()
    row = open_differences().first()
    reader = at_desk(staff("rita", "membership.view_difference"))
    assert reader.get(f"/admin/membership/difference/{row.pk}/change/").status_code == 200
    assert (
        reader.post(f"/admin/membership/difference/{row.pk}/close/", {"_step": "run", "note": "x"}).status_code == 403
    )
    assert open_differences().filter(pk=row.pk).exists()


def test_monitors_read_it(club, settings):
    settings.METRICS_TOKEN = "a-token-for-monitors"
    wronged(club)
    weekly()

    def asked(token):
        return Client().get("/metrics", headers={"authorization": f"Bearer {token}"})

    answer = asked("a-token-for-monitors")
    lines = answer.content.decode().splitlines()
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'kameng_tier_differences{kind="standing"} 1' in lines
    assert 'kameng_tier_differences{kind="sums"} 0' in lines
    assert "# TYPE kameng_tier_differences gauge" in lines
    assert any(line.startswith('kameng_tier_pass_age_seconds{scope="all"} ') for line in lines)
    assert asked("guess").status_code == 404
    settings.METRICS_TOKEN = ""
    assert asked("").status_code == 404
