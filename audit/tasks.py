from datetime import timedelta

from celery import shared_task

from audit import services
from audit.exceptions import AlreadyVerifying
from audit.services import anchoring, approvals, chain
from common.queue import send

# A round takes what has gathered, and leaves the rest to the next one.
BATCHES = 20
# Within CELERY_TASK_TIME_LIMIT; a check that is not done by then is gone on with.
VERIFY_FOR = timedelta(minutes=10)


@shared_task
def forget_old_idempotency_keys() -> int:
    return services.forget_old_keys()


@shared_task
def forget_unused_allowances() -> int:
    return services.forget_unused_allowances()


@shared_task
def seal_chain() -> int:
    total = 0
    for _ in range(BATCHES):
        count = chain.seal()
        total += count
        if count < chain.BATCH:
            break
    return total


@shared_task
def anchor_chain() -> None:
    anchoring.anchor()


@shared_task
def verify_chain() -> None:
    try:
        check = chain.verify(anchors=anchoring.kept_anchors(), stop_after=VERIFY_FOR)
    except AlreadyVerifying:
        return
    if check.finished_at is None:
        # At once, by a task of its own: what is left until the next night begins anew.
        send("audit.tasks.verify_chain")


@shared_task
def lapse_approvals() -> int:
    return approvals.lapse_due()
