"""Names for the people in a timeline."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _

from common.registries import TimelineEntry


@dataclass(frozen=True)
class Told:
    entry: TimelineEntry
    actor: str


def names_of(user_ids: Iterable[int | None]) -> dict[int, str]:
    """Sign-in names by user id, in one query."""
    wanted = {pk for pk in user_ids if pk}
    if not wanted:
        return {}
    users = get_user_model().objects.filter(pk__in=wanted)
    return {user.pk: user.get_username() for user in users}


def told(entries: list[TimelineEntry]) -> list[Told]:
    """The entries with the names of those who acted; "系统" for acts of nobody."""
    names = names_of(entry.actor_id for entry in entries)
    return [
        Told(entry, names.get(entry.actor_id, f"#{entry.actor_id}") if entry.actor_id else _("系统"))
        for entry in entries
    ]
