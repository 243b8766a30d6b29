"""Tasks, points and check-in for programs."""

from datetime import timedelta

from common import clock
from membership.models import CheckIn, PointsEntry, Task
from membership.services import grant_points


def test_check_in_is_idempotent(as_alice):
    status, first = as_alice.post("/me/check-in/")
    assert status == 200
    assert (first["new"], first["streak"], first["points"], first["activity"]) == (True, 1, 5, 2)
    assert (first["next_in"], first["next_gift"]) == (2, "+10 积分")
    status, again = as_alice.post("/me/check-in/")
    assert (status, again) == (200, {**first, "new": False})
    assert CheckIn.objects.count() == 1


def test_points_page_by_page(as_alice, alice):
    at = clock.now()
    for number in range(5):
        grant_points(user_id=alice.pk, amount=number + 1, cause=PointsEntry.Cause.GIFT, ref=f"g{number}", at=at)
    soon = at + timedelta(days=2)
    grant_points(user_id=alice.pk, amount=9, cause=PointsEntry.Cause.TASK, ref="t", at=at, expires_at=soon)
    status, page = as_alice.get("/me/points/?limit=4")
    assert status == 200
    assert (page["balance"], page["owed"], page["ending"][0]["amount"]) == (24, 0, 9)
    assert [one["amount"] for one in page["items"]] == [9, 5, 4, 3]
    status, rest = as_alice.get(f"/me/points/?limit=4&cursor={page['next']}")
    assert ([one["amount"] for one in rest["items"]], rest["next"]) == ([2, 1], None)
    assert as_alice.get("/me/points/?limit=0")[0] == 400
    assert as_alice.get("/me/points/?cursor=nonsense")[0] == 404


def test_points_of_another_are_not_there(as_alice, bob):
    grant_points(user_id=bob.pk, amount=50, cause=PointsEntry.Cause.GIFT, ref="g", at=clock.now())
    assert as_alice.get("/me/points/")[1]["items"] == []


def test_tasks(as_alice):
    as_alice.post("/me/check-in/")
    status, tasks = as_alice.get("/me/tasks/")
    assert status == 200 and tasks["personal"] is True
    assert 0 < len(tasks["open"]) <= 5
    assert {"kind", "name", "points", "count", "target", "done", "window"} <= set(tasks["open"][0])
    weekly = [one for one in tasks["open"] if one["kind"] == "check_in"]
    assert all(one["count"] == 1 for one in weekly)
    english = as_alice.get("/me/tasks/", accept_language="en")[1]
    assert Task.objects.filter(name_en=english["open"][0]["name"]).exists()
