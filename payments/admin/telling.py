"""What payments tell on the admin pages of orders, top-ups and attempts."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.selectors import history_of
from common.admin import link_to, money, when
from common.registries import Panel, TimelineEntry, panels, timelines
from orders.models import Order
from payments.admin.attempts import attempt_chip
from payments.admin.notifies import reason_of, verdict_chip
from payments.models import NotifyLog, PaymentAttempt, TopUp

SHOWN = 20
State = PaymentAttempt.State


def attempts_panel(target: Order | TopUp, viewer: User) -> Panel | None:
    """The attempts to pay for an order or a top-up, newest first."""
    attempts = list(target.attempts.select_related("channel").order_by("-pk")[:SHOWN])
    if not attempts or not viewer.has_perm("payments.view_paymentattempt"):
        return None
    return Panel(
        title=pgettext("plural", "支付单"),
        columns=[_("支付单号"), _("方式"), _("金额"), _("状态"), _("渠道流水号"), _("创建时间")],
        rows=[
            (
                link_to(attempt, viewer, attempt.number),
                f"{attempt.get_method_display()} · {attempt.channel}",
                money(attempt.amount),
                attempt_chip(attempt),
                attempt.provider_txn or "–",
                when(attempt.created_at),
            )
            for attempt in attempts
        ],
    )


def notifies_panel(attempt: PaymentAttempt, viewer: User) -> Panel | None:
    """What the gateway sent about an attempt."""
    if not viewer.has_perm("payments.view_notifylog"):
        return None
    notifies = _notifies_of([attempt]).order_by("-pk")[:SHOWN]
    links = [(_("全部通知"), f"{reverse('admin:payments_notifylog_changelist')}?q={attempt.number}")]
    return Panel(
        title=_("渠道通知"),
        columns=[_("时间"), _("结论"), _("原因"), _("网络地址")],
        rows=[
            (link_to(log, viewer, when(log.received_at)), verdict_chip(log), reason_of(log), log.address)
            for log in notifies
        ],
        links=links,
    )


def target_panel(attempt: PaymentAttempt, viewer: User) -> Panel:
    """What an attempt is for."""
    target = attempt.order or attempt.top_up
    owner = attempt.order.buyer if attempt.order else attempt.top_up.user
    return Panel(
        title=attempt.get_purpose_display(),
        facts=[
            (target._meta.verbose_name, link_to(target, viewer)),
            (_("状态"), target.get_state_display()),
            (_("买家"), link_to(owner, viewer, owner.get_username()) if owner else _("游客")),
        ],
    )


def payments_of(order: Order, viewer: User) -> Iterable[TimelineEntry]:
    """The attempts and the notifies that were not simply right, in an order's history."""
    if not viewer.has_perm("payments.view_paymentattempt"):
        return
    attempts = list(order.attempts.select_related("channel"))
    for attempt in attempts:
        address = reverse("admin:payments_paymentattempt_change", args=[attempt.pk])
        way = f"{attempt.get_method_display()} · {attempt.channel}"
        yield TimelineEntry(
            at=attempt.created_at,
            title=gettext("发起支付"),
            icon="qr_code",
            detail=f"{way} · {attempt.number}",
            url=address,
        )
        if attempt.state in (State.FAILED, State.UNKNOWN):
            yield TimelineEntry(
                at=attempt.asked_at or attempt.created_at,
                title=attempt.get_state_display(),
                icon="error",
                tone="warning",
                detail=attempt.last_error,
                url=address,
            )
    doubtful = [NotifyLog.Verdict.REJECTED, NotifyLog.Verdict.WAITING, NotifyLog.Verdict.HELD]
    for log in _notifies_of(attempts).filter(verdict__in=doubtful).order_by("pk")[:SHOWN]:
        yield TimelineEntry(
            at=log.received_at,
            title=gettext("支付通知：%(verdict)s") % {"verdict": log.get_verdict_display()},
            icon="gpp_maybe",
            tone="danger",
            detail=reason_of(log),
            url=reverse("admin:payments_notifylog_change", args=[log.pk]),
        )


def acts_on(target: PaymentAttempt | NotifyLog, viewer: User) -> Iterable[TimelineEntry]:
    return history_of(target)


def _notifies_of(attempts: list[PaymentAttempt]) -> QuerySet[NotifyLog]:
    return NotifyLog.objects.filter(attempt_id__in=[attempt.pk for attempt in attempts])


panels.add("orders.Order", attempts_panel)
panels.add("payments.TopUp", attempts_panel)
panels.add("payments.PaymentAttempt", target_panel)
panels.add("payments.PaymentAttempt", notifies_panel)
timelines.add("orders.Order", payments_of)
timelines.add("payments.PaymentAttempt", acts_on)
timelines.add("payments.NotifyLog", acts_on)
