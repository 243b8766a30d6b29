from django.db.models import Q

from common.privacy import belongs

belongs("notifications.Message", of="user", remove=True)
belongs(
    "notifications.Mail",
    of=lambda user: Q(order__buyer=user) | (Q(recipient__iexact=user.email) if user.email else Q(pk=None)),
    keep=["ref", "language", "last_error"],
    blank={"recipient": "", "params": {}},
)
