"""Who may not do something because it is about themselves."""

from typing import Any

from common.exceptions import OwnMatter


def require_another(actor: Any, *whose: int | None) -> None:
    """Raises OwnMatter where the money is the actor's own, by the ids of its owners; None is nobody, such as a guest."""
    if actor is not None and actor.pk in whose:
        raise OwnMatter
