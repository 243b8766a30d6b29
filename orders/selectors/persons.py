"""Which orders are somebody's, for their copy and for forgetting them."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q


def of_person(way: str = "") -> Callable[[Any], Q]:
    """Makes the condition from the user: rows whose order, at the end of `way` ("line__order__"), is theirs.

    Theirs is what they bought signed in, and what a guest bought who left the address that they have verified. An address
    that nobody has verified speaks for nobody.
    """

    def theirs(user: Any) -> Q:
        bought = Q(**{f"{way}buyer": user})
        if not (user.email and user.email_verified_at):
            return bought
        return bought | Q(**{f"{way}buyer": None, f"{way}contact__iexact": user.email})

    return theirs
