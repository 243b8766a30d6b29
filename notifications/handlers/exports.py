"""Keys in plain text: the members of staff who may stop it."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.selectors import staff_with
from common.texts import in_both
from events.contracts import KeyExportMoved
from events.registry import subscribe
from notifications import services
from notifications.models import Kind

# What was done about an export of keys, by the state that it led to.
EXPORT_ACTS = {
    "asked": _("申请导出"),
    "approved": _("批准了导出"),
    "refused": _("拒绝了导出"),
    "cancelled": _("取消了导出"),
    "used": _("下载了明文"),
}


@subscribe(KeyExportMoved, "notifications.key_export")
def key_export_moved(event: KeyExportMoved, *, at: datetime) -> None:
    """Everybody else who may decide on such exports is told, in the inbox and by mail. Never a key."""
    chinese, english = in_both(EXPORT_ACTS[event.state])
    params = {"mark": event.mark, "actor": event.actor, "keys": f"{event.keys:,}", "act": chinese, "act_en": english}
    for user in staff_with("catalog.approve_key_export").exclude(pk=event.actor_id):
        ref = f"export:{event.export_id}:{event.state}:{user.pk}"
        link = reverse("admin:catalog_keyexport_change", args=[event.export_id])
        services.tell(ref=ref, user_id=user.pk, kind=Kind.KEY_EXPORT, params=params, link=link, at=at)
        services.queue_mail(
            ref=ref, recipient=user.email, kind=Kind.KEY_EXPORT, params=params, language=settings.LANGUAGE_CODE, at=at
        )
