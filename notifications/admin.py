"""What people were told: mails and their fate, and messages on the pages of members and orders."""

from collections.abc import Iterable, Iterator

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import DayRangeFilter, Fact, Preview, ReadOnlyAdmin, allowed, ask, chip, display, moment, when
from common.admin.confirm import Answer
from common.registries import Panel, TimelineEntry, act_names, panels, timelines
from notifications.models import Mail
from notifications.selectors import inbox, words
from notifications.services import retry_mails
from orders.models import Dispute, Order

SHOWN = 6
TONES = {Mail.State.QUEUED: "info", Mail.State.SENT: "success", Mail.State.FAILED: "danger"}
act_names["mail.retry"] = _("重新发送邮件")


def mail_chip(mail: Mail):
    return chip(mail.get_state_display(), TONES[Mail.State(mail.state)])


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    list_display = ["recipient", "kind", "shown_state", "attempts", "last_error", "created"]
    export_columns = ["recipient", "kind", "state", "attempts", "last_error", "created_at"]
    list_filter = ["state", "kind", ("created_at", DayRangeFilter)]
    search_fields = ["=recipient"]
    search_help_text = _("按收件人邮箱精确查找")
    ordering = ["-id"]
    fields = ["recipient", "kind", "language", "shown_state", "attempts", "last_error", "shown_created", "shown_sent"]
    actions = ["retry"]
    has_retry_permission = allowed("notifications.retry_mail")

    @display(description=_("状态"))
    def shown_state(self, mail: Mail):
        return mail_chip(mail)

    @display(description=_("创建时间"))
    def created(self, mail: Mail):
        return moment(mail.created_at)

    @display(description=_("创建时间"))
    def shown_created(self, mail: Mail):
        return when(mail.created_at)

    @display(description=_("发送时间"))
    def shown_sent(self, mail: Mail):
        return when(mail.sent_at) or "–"

    @admin.action(description=_("重新发送"), permissions=["retry"])
    def retry(self, request: HttpRequest, rows: QuerySet[Mail]) -> HttpResponse:
        failed = list(rows.filter(state=Mail.State.FAILED).order_by("pk"))

        def run(answer: Answer) -> str:
            ids = [mail.pk for mail in failed]
            count = retry_mails(mail_ids=ids, actor=request.user, address=request.client_address)
            return gettext("已重新排队 %(count)s 封邮件。") % {"count": count}

        preview = Preview(
            facts=[
                Fact(_("将重新发送"), len(failed), strong=True),
                Fact(_("不是发送失败，略过"), rows.count() - len(failed)),
            ],
            columns=[_("收件人"), _("类型"), _("最近的错误")],
            rows=[(mail.recipient, mail.get_kind_display(), mail.last_error) for mail in failed[:SHOWN]],
            more=max(0, len(failed) - SHOWN),
            possible=bool(failed),
            submit=_("重新发送"),
        )
        return ask(self, request, title=_("重新发送邮件"), preview=lambda answer: preview, run=run, danger=False)


def told_about(order: Order, viewer: User) -> Iterable[TimelineEntry]:
    """Messages and mails about an order."""
    refunds = order.refunds.values_list("ref", flat=True)
    refs = [f"{what}:{ref}" for ref in refunds for what in ("refunded", "returned", "fell_back")]
    return _told(order, Q(ref__startswith=f"delivered:{order.pk}:") | Q(ref__in=refs))


def told_about_case(dispute: Dispute, viewer: User) -> Iterable[TimelineEntry]:
    """Messages and mails to the buyer about a case of after-sale."""
    return _told(dispute.order, Q(ref__startswith=f"dispute:{dispute.pk}:"))


def _told(order: Order, about: Q) -> Iterator[TimelineEntry]:
    if order.buyer is not None:
        for message in inbox(order.buyer).filter(about):
            yield TimelineEntry(
                at=message.created_at,
                title=gettext("站内信：%(text)s") % {"text": words(message).title},
                icon="notifications",
                detail=gettext("已读") if message.read_at else gettext("未读"),
            )
    for mail in Mail.objects.filter(about):
        yield TimelineEntry(
            at=mail.sent_at or mail.created_at,
            title=gettext("邮件：%(kind)s") % {"kind": mail.get_kind_display()},
            icon="mail",
            tone="danger" if mail.state == Mail.State.FAILED else "",
            detail=f"{mail.recipient} · {mail.get_state_display()}",
        )


def inbox_panel(user: User, viewer: User) -> Panel | None:
    """A member's newest messages, on the member's page."""
    newest = list(inbox(user)[:SHOWN])
    if not newest:
        return None
    rows = [
        (moment(message.created_at), words(message).title, gettext("已读") if message.read_at else gettext("未读"))
        for message in newest
    ]
    return Panel(title=_("站内信"), columns=[_("时间"), _("内容"), _("状态")], rows=rows)


panels.add("accounts.User", inbox_panel)
timelines.add("orders.Order", told_about)
timelines.add("orders.Dispute", told_about_case)
