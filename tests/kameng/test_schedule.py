"""What beat does when."""

import pytest
from celery.schedules import crontab

from events.models import Heartbeat
from kameng.celery import app
from tests.architecture.source import floors, modules

SCHEDULE = app.conf.beat_schedule


@pytest.fixture(scope="module", autouse=True)
def loaded():
    """All task modules, as a worker loads them."""
    app.loader.import_default_modules()


@pytest.mark.parametrize("name", sorted(SCHEDULE))
def test_every_scheduled_task_exists(name):
    assert SCHEDULE[name]["task"] in app.tasks


@pytest.mark.parametrize("name", sorted(SCHEDULE))
def test_rounds_do_not_pile_up_while_no_worker_runs(name):
    entry = SCHEDULE[name]
    period = 86400 if isinstance(entry["schedule"], crontab) else entry["schedule"]
    assert 0 < entry["options"]["expires"] <= period


def test_no_task_is_scheduled_twice():
    tasks = [(entry["task"], entry.get("args", ())) for entry in SCHEDULE.values()]
    assert len(tasks) == len(set(tasks))


def test_daily_times_are_the_shops_own():
    assert any(isinstance(entry["schedule"], crontab) for entry in SCHEDULE.values())
    assert str(app.timezone) == "Asia/Shanghai"


@pytest.mark.django_db
def test_the_heartbeat_is_noted():
    app.tasks["events.tasks.note_heartbeat"]()
    app.tasks["events.tasks.note_heartbeat"]()
    assert Heartbeat.objects.get().name == "worker"


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(SCHEDULE))
def test_every_scheduled_task_runs_on_an_empty_shop(name):
    app.tasks[SCHEDULE[name]["task"]]()


def test_every_task_is_scheduled_or_sent_by_somebody():
    scheduled = {entry["task"] for entry in SCHEDULE.values()}
    source = "".join(path.read_text() for path in modules())
    ours = {name for name in app.tasks if name.split(".")[0] in floors()}
    idle = {name for name in ours - scheduled if f'"{name}"' not in source}
    assert idle == set()
    assert scheduled < ours
