"""Where a channel's gateway is, and by which keys it is believed, is a matter of two persons: whoever sets that alone could let
a server of their own say that they paid.

A channel that takes payments, or ever took one, becomes another only when a second person with the right to change channels
agrees; one that never did is free to set up, and opened by a second person. The shop is closed alone: switching off, names,
limits, fees and hours need nobody else.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.selectors import is_alone
from audit.models import Approval
from audit.services import approvals, record
from common import clock, crypto
from common.locks import lock_one
from payments.exceptions import ChangeWaits, ChannelMoved
from payments.gateways import change_label
from payments.models import Channel, ChannelChange
from payments.options import profile_of
from payments.services.channels import save_channel

KIND, ALONE = "payments.channel", "payments.channel_alone"
MAY_APPROVE = "payments.change_channel"
ANSWER_WITHIN = timedelta(days=7)
# Who is believed; everything under `settings` with them: keys, addresses, rates.
TRUSTED = ("provider", "gateway_url", "merchant_id", "sandbox")
PLAIN = (
    *("name", "name_en", "methods", "devices", "min_amount", "max_amount", "fee_rate", "fee_payer"),
    *("open_from", "open_to", "is_active", "position"),
)
OPTION = "settings."


def change_channel(
    *, channel: Channel, secrets: Mapping[str, str] | None = None, actor: User, address: str | None = None
) -> ChannelChange | None:
    """Save a channel that somebody typed, with an audit entry; or, where two persons are needed, leave it as it is (a new one
    is kept, not active) and ask for the change, which is returned. Who has nobody to ask does it alone; the log says so.

    Locks the channel. Raises ValidationError like `save_channel`, ChangeWaits.
    """
    given = {name: text for name, text in (secrets or {}).items() if text}
    with transaction.atomic():
        before = _facts(lock_one(Channel.objects.filter(pk=channel.pk))) if channel.pk else {}
        if channel.pk and waiting_changes(channel).exists():
            raise ChangeWaits
        changed = _difference(before, _facts(channel))
        two = _needs_two(channel, changed, given)
        if not two or is_alone(actor, MAY_APPROVE):
            save_channel(channel=channel, secrets=given)
            detail = {"changed": changed, "secrets": sorted(given)}
            record(
                action=ALONE if two else KIND,
                at=clock.now(),
                actor=actor,
                target=channel,
                detail=detail,
                address=address,
            )
            return None
        if not channel.pk:
            channel.is_active = False
            save_channel(channel=channel, secrets=given)
            changed, given = {"is_active": [False, True]}, {}
        return _ask(channel, changed, given, actor, address)


def waiting_changes(channel: Channel) -> QuerySet[ChannelChange]:
    waits = {"approval__state": Approval.State.ASKED, "approval__ends_at__gt": clock.now()}
    return ChannelChange.objects.filter(channel_id=channel.pk, **waits)


def approve_channel_change(*, approval_id: int, actor: User, address: str | None = None) -> Channel:
    """A second person agrees, and the channel becomes what was asked for. Locks the approval, the channel.

    Raises SamePerson, NotIndependent, ApprovalMoved, ChannelMoved.
    """
    with transaction.atomic():
        approval = approvals.approve_and_use(approval_id=approval_id, actor=actor, address=address)
        change = ChannelChange.objects.get(approval=approval)
        channel = lock_one(Channel.objects.filter(pk=change.channel_id))
        changed, facts = approval.detail["changed"], _facts(channel)
        if any(facts.get(name, "") != before for name, (before, _after) in changed.items()):
            raise ChannelMoved
        for name, (_before, after) in changed.items():
            _set(channel, name, after)
        sealed = change.credentials
        given = crypto.unseal_settings(sealed, change_label(change)) if sealed else {}
        try:
            save_channel(channel=channel, secrets=given)
        except ValidationError as error:
            # Such as another currency, and the first payment has come meanwhile.
            raise ChannelMoved from error
        _forget(change)
        detail = {**approval.detail, "asked_by": approval.asked_by_id}
        record(action=KIND, at=clock.now(), actor=actor, target=channel, detail=detail, address=address)
    return channel


def refuse_channel_change(*, approval_id: int, reason: str, actor: User, address: str | None = None) -> None:
    """A second person does not. Locks the approval. Raises SamePerson, ApprovalMoved, ReasonNeeded."""
    with transaction.atomic():
        approvals.refuse(approval_id=approval_id, reason=reason, actor=actor, address=address)
        _forget(ChannelChange.objects.get(approval=approval_id))


def cancel_channel_change(*, approval_id: int, actor: User, address: str | None = None) -> None:
    """Taken back. Locks the approval. Raises ApprovalMoved."""
    with transaction.atomic():
        approvals.cancel(approval_id=approval_id, actor=actor, address=address)
        _forget(ChannelChange.objects.get(approval=approval_id))


def _needs_two(channel: Channel, changed: Mapping[str, list], given: Mapping[str, str]) -> bool:
    if not channel.pk:
        return channel.is_active
    known = Channel.objects.get(pk=channel.pk)
    used = known.attempts.exists()
    if not used and channel.is_active and not known.is_active:
        return True
    another = bool(given) or any(name in TRUSTED or name.startswith(OPTION) for name in changed)
    return another and (used or known.is_active)


def _ask(
    channel: Channel, changed: dict[str, list], given: dict[str, str], actor: User, address: str | None
) -> ChannelChange:
    ended = ChannelChange.objects.filter(channel=channel).exclude(credentials="")
    ended.update(credentials="")
    approval = approvals.ask(
        kind=KIND,
        target=channel,
        reason=_("变更支付渠道"),
        actor=actor,
        answer_within=ANSWER_WITHIN,
        detail={"changed": changed, "secrets": sorted(given)},
        address=address,
    )
    change = ChannelChange(channel=channel, approval=approval)
    if given:
        change.credentials = crypto.seal_settings(given, change_label(change))
    change.save()
    return change


def _forget(change: ChannelChange) -> None:
    change.credentials = ""
    change.save(update_fields=["credentials"])


def _facts(channel: Channel) -> dict[str, Any]:
    """What an operator can set but the secrets, as JSON holds it; an option under its name behind `settings.`."""
    known = {name: getattr(channel, name) for name in (*TRUSTED, *PLAIN)}
    # What nobody chose is the first choice.
    open_ones = [one for one in profile_of(channel).options if not one.secret]
    known |= {OPTION + one.name: one.choices[0][0] if one.choices else "" for one in open_ones}
    known |= {OPTION + name: value for name, value in channel.settings.items()}
    return {name: _told(value) for name, value in known.items()}


def _told(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str | list | dict) else str(value)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list]:
    """[what it was, what it is to be] by name; "" for an option that is not there."""
    pairs = {name: [before.get(name, ""), after.get(name, "")] for name in {**before, **after}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _set(channel: Channel, name: str, value: Any) -> None:
    if not name.startswith(OPTION):
        setattr(channel, name, Channel._meta.get_field(name).to_python(value))
    elif value == "":
        channel.settings.pop(name.removeprefix(OPTION), None)
    else:
        channel.settings[name.removeprefix(OPTION)] = value
