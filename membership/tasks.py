import logging
from datetime import timedelta

from celery import shared_task

from common import clock
from common.queue import send
from membership import services
from membership.exceptions import AlreadyRunning

logger = logging.getLogger(__name__)
# Well below the time limit of a task; what is left goes on in another.
SLICE = timedelta(minutes=10)
EXPIRED_AT_ONCE = 5000


@shared_task
def recalculate_tiers(everyone: bool = False) -> None:
    """Nightly: evaluate the members for whom time or new rules may have changed something."""
    try:
        run = services.recalculate(everyone=everyone, stop_after=SLICE)
    except AlreadyRunning:
        logger.warning("tiers are being recalculated already")
        return
    if run.finished_at is None:
        send(recalculate_tiers.name, everyone)


@shared_task
def let_overrides_end() -> int:
    """Every minute: a tier that was lent ends when it was said to, and not with the night."""
    return services.let_overrides_end(at=clock.now())


@shared_task
def expire_points() -> None:
    """Nightly: points that ended at midnight. Somebody who spends earlier has them taken off then."""
    if services.expire_due_points(at=clock.now(), limit=EXPIRED_AT_ONCE) == EXPIRED_AT_ONCE:
        send(expire_points.name)


@shared_task
def refresh_task_arms() -> None:
    """Nightly: which tasks are done by whom, for their ranking."""
    services.refresh_task_arms(at=clock.now())


@shared_task
def run_what_if(what_if_id: int) -> None:
    """Asked for by a person, who is told when it breaks off."""
    try:
        services.run_what_if(what_if_id=what_if_id)
    except AlreadyRunning:
        logger.warning("what-if %s is being computed already", what_if_id)
    except Exception:
        services.fail_what_if(what_if_id=what_if_id)
        raise


@shared_task
def resume_what_ifs() -> int:
    """Every minute: take up what-ifs whose worker was lost."""
    return services.resume_what_ifs()


@shared_task
def forget_old_nudges() -> int:
    """Nightly: behaviour is not kept for ever."""
    return services.forget_old_nudges(at=clock.now())
