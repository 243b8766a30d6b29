"""Keys that are cards of the shop's own, as the desk sees them: a card's number and state, never its code."""

from collections.abc import Collection, Iterable
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from catalog.models import Key
from common.admin import chip, link_to, moment, money
from common.registries import Panel, panels
from orders.selectors.cards import cards_of_keys
from wallet.models import Card

TONES = {
    Card.State.ISSUED: "info",
    Card.State.REDEEMED: "danger",
    Card.State.VOIDED: "neutral",
    Card.State.EXPIRED: "neutral",
}


def card_chip(card: Card) -> SafeString:
    return chip(card.get_state_display(), TONES[Card.State(card.state)])


def card_told(card: Card, viewer: User) -> SafeString:
    """The card in one line, leading to its page: state, and who redeemed it when."""
    by = card.redeemed_by
    told = format_html("{} {}", by.get_username(), moment(card.redeemed_at)) if by else ""
    name = link_to(card, viewer, gettext("充值卡 %(card)s") % {"card": card})
    return format_html("{} {} {}", name, card_chip(card), told)


def cards_by_key(keys: Iterable[Key | None]) -> dict[int, Card]:
    """The cards among these keys, None left out, by the key's id."""
    ids = [key.pk for key in keys if key is not None]
    return cards_of_keys(Key.objects.filter(pk__in=ids).select_related("data_key")) if ids else {}


def warnings_of(cards: Collection[Card]) -> list[Any]:
    """What giving back or replacing does to cards, or why it will not be done."""
    if not cards:
        return []
    redeemed = [card for card in cards if card.state == Card.State.REDEEMED]
    if redeemed:
        names = "、".join(f"{card}（{card.redeemed_by.get_username()}）" for card in redeemed)
        return [
            gettext("已兑换的充值卡不能换新或退款：%(cards)s。如确需处理，请先在卡券页收回余额。") % {"cards": names}
        ]
    return [_("其中有本店的充值卡：同时作废，不能再兑换。")]


def key_panel(key: Key, viewer: User) -> Panel | None:
    """What the shop knows of the card that a key is, on the key's page."""
    card = cards_by_key([key]).get(key.pk)
    if card is None:
        return None
    return Panel(
        title=_("本店的充值卡"),
        facts=[
            (_("卡券"), link_to(card, viewer, str(card))),
            (_("面值"), money(card.batch.face_value)),
            (_("状态"), card_chip(card)),
            *([(_("兑换人"), link_to(card.redeemed_by, viewer))] if card.redeemed_by else []),
            *([(_("兑换时间"), moment(card.redeemed_at))] if card.redeemed_at else []),
        ],
    )


panels.add("catalog.Key", key_panel)
