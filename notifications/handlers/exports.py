"""Keys and codes of cards in plain text: the members of staff who may stop it."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.selectors import staff_with
from common.texts import in_both
from events.contracts import CardCodesTaken, KeyExportMoved
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
FETCHED_AGAIN = _("再次下载了明文")


@subscribe(KeyExportMoved, "notifications.key_export")
def key_export_moved(event: KeyExportMoved, *, at: datetime) -> None:
    """Everybody else who may decide on such exports is told, in the inbox and by mail. Never a key."""
    again = event.fetches > 1
    chinese, english = in_both(FETCHED_AGAIN if again else EXPORT_ACTS[event.state])
    params = {"mark": event.mark, "actor": event.actor, "keys": f"{event.keys:,}", "act": chinese, "act_en": english}
    for user in staff_with("catalog.approve_key_export").exclude(pk=event.actor_id):
        ref = f"export:{event.export_id}:{event.state}:{user.pk}" + (f":{event.fetches}" if again else "")
        link = reverse("admin:catalog_keyexport_change", args=[event.export_id])
        services.tell(ref=ref, user_id=user.pk, kind=Kind.KEY_EXPORT, params=params, link=link, at=at)
        services.queue_mail(
            ref=ref, recipient=user.email, kind=Kind.KEY_EXPORT, params=params, language=settings.LANGUAGE_CODE, at=at
        )


@subscribe(CardCodesTaken, "notifications.card_codes")
def card_codes_taken(event: CardCodesTaken, *, at: datetime) -> None:
    """Everybody else who may let codes of cards go is told of each download. Never a code."""
    chinese, english = in_both(_("再次下载了卡号") if event.fetches > 1 else _("下载了卡号"))
    params = {
        "batch": event.batch,
        "actor": event.actor,
        "cards": f"{event.cards:,}",
        "act": chinese,
        "act_en": english,
    }
    for user in staff_with("wallet.release_cards").exclude(pk=event.actor_id):
        ref = f"codes:{event.release_id}:{event.fetches}:{user.pk}"
        link = reverse("admin:wallet_cardbatch_change", args=[event.batch_id])
        services.tell(ref=ref, user_id=user.pk, kind=Kind.CARD_CODES, params=params, link=link, at=at)
        services.queue_mail(
            ref=ref, recipient=user.email, kind=Kind.CARD_CODES, params=params, language=settings.LANGUAGE_CODE, at=at
        )
