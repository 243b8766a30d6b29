from celery import shared_task

from events import services


@shared_task
def relay_events() -> int:
    """Relay what is due; nudged after commits."""
    return services.relay()


@shared_task
def sweep_events() -> int:
    """Every twenty seconds: find what a lost nudge or a dead worker left."""
    return services.relay()


@shared_task
def note_heartbeat() -> None:
    """Shows /readyz that beat schedules and a worker works."""
    services.beat_heart(name="worker")
