"""Putting a payment up: the row first, then the call to the gateway, then what came of it."""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from common import clock
from common.ids import payment_number
from common.locks import lock_one
from orders.models import Order
from payments.exceptions import GatewayRefused, GatewaySilent, MethodUnavailable, NotPayable
from payments.gateways import can_be_asked, device_for, foreign_of, kind_of, provider_of
from payments.models import Channel, PaymentAttempt, TopUp
from payments.providers import Charge, Created, Device, Outcome, Provider
from payments.purposes import Payable, PayableState, payable, payable_of
from payments.selectors import channel_takes, fee_of
from payments.services.asking import AFTER_UNPAID

State, Show = PaymentAttempt.State, PaymentAttempt.Show
# The first question to the gateway, in case its notify never comes.
FIRST_ASK = timedelta(seconds=30)
# A caller that has not come back by now was killed; the next one may call, under the same number.
CALL_LIMIT = timedelta(seconds=15)


def start_attempt(
    *,
    target: Order | TopUp,
    channel: Channel,
    method: str,
    client_address: str,
    user_agent: str,
    payer: str = "",
) -> PaymentAttempt:
    """A live attempt to pay for `target` this way: the one there is, or a new one, put up at the gateway.

    Locks the order or top-up while it looks; the call happens outside any transaction. While another request is making
    the call, or where the gateway has to be told who pays and `payer` is not known yet, the attempt is returned without a
    way to pay. One that was put up for another kind of browser, or that asks for more than is left to pay by now, is
    closed and followed by a new one. Raises NotPayable, MethodUnavailable, GatewayRefused; GatewaySilent when no answer
    came: calling this again repeats the request under the same number.
    """
    provider, device = provider_of(channel), device_for(user_agent)
    wants_payer = provider.wants_payer(device)
    attempt = _open(payable(target), channel, provider, method, bridge=wants_payer)
    if attempt.state == State.PENDING or (wants_payer and not payer) or not _claim_call(attempt):
        return attempt
    created = provider.create(_charge(attempt, client_address, device, payer))
    attempt = _store(attempt, created)
    if attempt.state == State.FAILED:
        raise GatewayRefused
    if attempt.state == State.UNKNOWN:
        raise GatewaySilent
    return attempt


def wants_payer(attempt: PaymentAttempt, device: Device) -> bool:
    """Whether the attempt's gateway has to be told who pays in this browser. Calls nobody."""
    return provider_of(attempt.channel).wants_payer(device)


def _open(wanted: Payable, channel: Channel, provider: Provider, method: str, *, bridge: bool) -> PaymentAttempt:
    """`bridge`: the browser pays by Show.BRIDGE and by nothing else.

    All that the gateway is told is stored with a new attempt: a call that is repeated must be the same call.
    """
    with transaction.atomic():
        at = clock.now()
        fresh = wanted.locked()
        if fresh.state != PayableState.UNPAID or fresh.deadline <= at:
            raise NotPayable
        if not channel_takes(channel, method, fresh.amount, at):
            raise MethodUnavailable
        live = PaymentAttempt.objects.filter(
            **fresh.column, channel=channel, method=method, state__in=PaymentAttempt.LIVE
        ).first()
        if live is not None:
            fits = (live.show == Show.BRIDGE) == bridge and live.amount - live.fee == fresh.amount
            if live.state != State.PENDING or fits:
                return live
            # Compare-and-set: money that came meanwhile stays what it is, and a new attempt would be one too many.
            closing = {"state": State.CLOSED, "close_at": at if kind_of(channel).can_close else None}
            if not PaymentAttempt.objects.filter(pk=live.pk, state=State.PENDING).update(**closing):
                raise NotPayable
        fee = fee_of(channel, fresh.amount)
        foreign = provider.price(fresh.amount + fee)
        made = PaymentAttempt.objects.create(
            number=payment_number(at),
            channel=channel,
            method=method,
            purpose=fresh.purpose,
            **fresh.column,
            amount=fresh.amount + fee,
            fee=fee,
            subject=fresh.subject()[:200],
            currency=foreign.currency if foreign else "",
            currency_amount=foreign.amount if foreign else None,
            rate=foreign.rate if foreign else None,
            created_at=at,
            expires_at=fresh.deadline,
            ask_at=at + FIRST_ASK if can_be_asked(channel) else fresh.deadline + AFTER_UNPAID,
            close_at=fresh.deadline if kind_of(channel).can_close else None,
        )
    # Not under the order's lock: attempts are locked before orders.
    _close_others(made)
    return made


def _close_others(made: PaymentAttempt) -> None:
    """The buyer chose another method of the channel: what was put up before is over, though money on it still counts.

    One whose call got no answer stays open until the gateway says what became of it.
    """
    put_up = [State.CREATED, State.PENDING]
    others = PaymentAttempt.objects.filter(
        order_id=made.order_id, top_up_id=made.top_up_id, channel_id=made.channel_id, state__in=put_up
    ).exclude(pk=made.pk)
    closable = kind_of(made.channel).can_close
    others.update(state=State.CLOSED, close_at=made.created_at if closable else None)


def _claim_call(attempt: PaymentAttempt) -> bool:
    """Whether this request makes the call; a double click makes one."""
    at = clock.now()
    free = Q(called_at=None) | Q(called_at__lt=at - CALL_LIMIT)
    open_ = PaymentAttempt.objects.filter(free, pk=attempt.pk, state__in=[State.CREATED, State.UNKNOWN])
    return bool(open_.update(called_at=at))


def _store(attempt: PaymentAttempt, created: Created) -> PaymentAttempt:
    """Write down what the gateway answered, unless money or another answer was faster."""
    with transaction.atomic():
        fresh = lock_one(PaymentAttempt.objects.select_related("channel").filter(pk=attempt.pk))
        if fresh.state not in (State.CREATED, State.UNKNOWN):
            return fresh
        fresh.called_at = None
        fresh.last_error = created.reason
        if created.outcome == Outcome.DONE:
            fresh.state, fresh.show = State.PENDING, created.show
            fresh.payload, fresh.ref = created.payload, created.ref
            if created.foreign is not None:
                fresh.currency, fresh.currency_amount = created.foreign.currency, created.foreign.amount
                fresh.rate = created.foreign.rate
        elif created.outcome == Outcome.REFUSED:
            if fresh.state == State.CREATED:
                fresh.ask_at = fresh.close_at = None
            # Else a call before this one may have put it up all the same: it is asked about, and closed, as before.
            fresh.state = State.FAILED
        else:
            fresh.state = State.UNKNOWN
        foreign = ["currency", "currency_amount", "rate"]
        fresh.save(
            update_fields=["called_at", "last_error", "state", "show", "payload", "ref", "ask_at", "close_at", *foreign]
        )
    return fresh


def form_fields(attempt: PaymentAttempt) -> Mapping[str, str]:
    """The signed fields that the buyer's browser posts, for an attempt that is shown as a form. Calls nobody."""
    return provider_of(attempt.channel).create(_charge(attempt, "", Device.PC)).fields


def _charge(attempt: PaymentAttempt, client_address: str, device: Device, payer: str = "") -> Charge:
    return Charge(
        number=attempt.number,
        amount=attempt.amount,
        subject=attempt.subject or payable_of(attempt).subject(),
        method=attempt.method,
        notify_url=settings.PUBLIC_URL + reverse("payments:notify", args=[attempt.channel.code]),
        return_url=settings.PUBLIC_URL + reverse("payments:return", args=[attempt.public_id]),
        client_address=client_address,
        device=device,
        created_at=attempt.created_at,
        expires_at=attempt.expires_at,
        payer=payer,
        foreign=foreign_of(attempt),
    )
