from typing import Any

from django.db.models import Q

from common.privacy import belongs
from orders.selectors import of_person


def mails_of(user: Any) -> Q:
    """What was mailed about their orders, and what else went to the address that they have verified."""
    theirs = of_person("order__")(user)
    if user.email and user.email_verified_at:
        theirs |= Q(order=None, recipient__iexact=user.email)
    return theirs


belongs("notifications.Message", of="user", remove=True)
belongs(
    "notifications.Mail",
    of=mails_of,
    keep=["ref", "language", "last_error"],
    blank={"recipient": "", "params": {}},
)
