"""manage.py explain_tier: every fact with what it counts for, every decision with its reasons."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from common import clock
from membership.services import flag_activity, grant_floor, record_activity
from tests.membership.club import Club, at_least, make_line, on

pytestmark = pytest.mark.django_db

DAY = "2026-03-02"


def explain(name: str) -> str:
    out = io.StringIO()
    call_command("explain_tier", name, stdout=out)
    return out.getvalue()


@pytest.fixture
def club() -> Club:
    return Club(
        at_least("spend", "life", "500.00"),
        {
            "enter": {"all": [at_least("spend", "30d", "1000.00"), at_least("activity", "life", 800)]},
            "gates": [{"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}],
        },
        exclude=[{"reason": "gift_cards", "category": "gift_card"}],
        caps=[{"m": "activity", "per": "day", "max": 30}],
        bundles=[{"id": "weekly", "window": "week", "needs": {"checkin": 1}, "grants": {"activity": 50}}],
    )


def line_with(text: str, *parts: str) -> str:
    """The one line of the explanation that holds all parts."""
    found = [line for line in text.splitlines() if all(part in line for part in parts)]
    assert len(found) == 1, (parts, text)
    return found[0]


def test_everything_that_led_to_a_tier_is_told(club):
    member = club.join("mei")
    bought = club.buy(member, "400.00", "200.00", paid=on(DAY))
    gift = club.buy(member, ("90.00", "gift_card"), make_line("60.00", points_paid="40.00"), paid=on(DAY, "13:00"))
    washed = club.buy(member, "70.00", paid=on(DAY, "14:00"))
    club.hear(club.refunded(bought, {1: "50.00"}), on("2026-03-03"))
    refs = {"activity": 45, "checkin": 1}
    for metric, quantity in refs.items():
        record_activity(
            member_id=member.pk, metric=metric, occurred_at=on(DAY, "15:00"), at=on(DAY, "15:00"), ref=metric,
            quantity=quantity,
        )  # fmt: skip
    washed_ref = f"line:{washed.lines[0].id}:spend"
    with clock.travel(on("2026-03-04")):
        flag_activity(member_id=member.pk, refs=[washed_ref], reason="wash_trade", actor=None, at=on("2026-03-04"))
        grant_floor(
            member_id=member.pk, rank=2, expires_at=on("2026-03-04") + timedelta(days=30), ref="coupon:1",
            reason="升级券", at=on("2026-03-04"),
        )  # fmt: skip
    told = explain("mei")

    assert "等级：黄金（序号 2）" in told
    assert "仅按规则为白银，由等级调整改变" in told
    assert "保底等级" in line_with(told, "升级券")
    line_with(told, f"line:{bought.lines[0].id}:spend  ", "计入")
    assert "计入 ¥150.00，其余已冲销" in line_with(told, f"line:{bought.lines[1].id}:spend  ")
    line_with(told, "refund:", f"冲销 line:{bought.lines[1].id}:spend")
    assert "不计入" in line_with(told, f"line:{gift.lines[0].id}:spend")
    assert "不计入" in line_with(told, f"line:{gift.lines[1].id}:points")
    assert "不计入" in line_with(told, washed_ref)
    line_with(told, "获得 45", "计 30")
    line_with(told, "weekly", "50")
    # The decisions, in their order: the first tier, the order, the floor.
    causes = [line.split()[2] for line in told.partition("等级变更（")[2].splitlines()[1:] if line.startswith("  2")]
    assert causes == ["default", "enter", "override"]


def test_what_is_missing_is_told_as_the_page_tells_it(club):
    member = club.join("lan")
    club.buy(member, "300.00", paid=on(DAY))
    told = explain("lan")
    assert "距下一级：" in told and "¥200.00" in line_with(told, "距下一级")
    assert "✗ 白银" in told


def test_a_member_is_found_by_name_mail_phone_or_number(club):
    member = club.join("ping")
    User.objects.filter(pk=member.user_id).update(email="ping@example.com", phone="13800000001")
    by_name = explain("ping")
    assert by_name == explain("ping@example.com") == explain("13800000001") == explain(f" {member.user_id} ")


@pytest.mark.parametrize("name", ["nobody", "", "  ", "²", "9" * 40, "0", "-1"])
def test_nobody_is_said_to_be_nobody(name):
    with pytest.raises(CommandError):
        explain(name)


def test_two_people_with_one_mail_are_not_mixed_up(club):
    pair = [club.join(name) for name in ("anna", "annb")]
    User.objects.filter(pk__in=[member.user_id for member in pair]).update(email="ann@example.com")
    with pytest.raises(CommandError, match="不止一位"):
        explain("ann@example.com")
