"""A nudge tells a worker that the outbox has something. It may be lost: the sweep finds the row anyway."""

from common.queue import send

TASK = "events.tasks.relay_events"


def nudge() -> None:
    """Ask for a relay round. Never raises and never waits longer than Redis' short timeout."""
    send(TASK)
