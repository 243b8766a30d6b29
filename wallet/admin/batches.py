"""Batches of cards: from being asked for to their codes' leaving, and voiding. Codes are nowhere on these pages."""

from collections.abc import Collection
from functools import partial

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services.again import where_to_say_it_again
from common import clock
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    chip,
    csv_table,
    display,
    money,
    when,
)
from common.admin.confirm import Answer
from common.registries import Panel, TimelineEntry, act_names, panels, timelines
from wallet import services
from wallet.admin.forms import BatchForm, ReasonForm, VoidForm
from wallet.models import Card, CardBatch, CardRelease
from wallet.selectors import batches_counted, needs_review
from wallet.services import batches

State, Release = CardBatch.State, CardRelease.State
BATCH_TONES = {State.WAITING: "warning", State.ISSUED: "success", State.REFUSED: "neutral"}
act_names.update(
    {
        batches.MAKE: _("制作卡券"),
        batches.REVIEW: _("复核制卡"),
        batches.REFUSE: _("驳回制卡"),
        batches.VOID: _("作废卡券"),
        batches.ASK: _("申请导出卡号"),
        batches.APPROVE: _("批准导出卡号"),
        batches.DENY: _("驳回导出卡号"),
        batches.EXPORT: _("导出卡号"),
        batches.STOCK: _("卡券放入商品库存"),
        batches.DROP: _("清除已导出的卡号"),
    }
)


@admin.register(CardBatch)
class CardBatchAdmin(ReadOnlyAdmin):
    list_display = ["name", "shown_kind", "face", "count", "redeemed", "open", "until", "shown_state", "created_by"]
    list_filter = ["state", "kind", ("created_at", DayRangeFilter), ("expires_at", DayRangeFilter)]
    list_select_related = ["created_by", "decided_by"]
    search_fields = ["name"]
    search_help_text = _("按名称查找")
    ordering = ["-id"]
    fields = [
        ("name", "shown_kind"),
        ("face", "count", "total"),
        ("redeemed", "open"),
        ("until", "wording"),
        "shown_state",
        ("created_by", "created"),
        ("decided_by", "decided"),
    ]
    export_columns = [
        "name",
        "kind",
        "face_value",
        "count",
        "redeemed",
        "open",
        "expires_at",
        "state",
        "created_by",
        "created_at",
        "decided_by",
    ]
    actions_list = ["make"]
    actions_detail = [
        "review",
        "refuse",
        "ask_codes",
        "approve_codes",
        "deny_codes",
        "take_codes",
        "take_codes_again",
        "drop_codes",
        "void",
    ]
    has_make_permission = allowed("wallet.issue_cards")
    has_review_permission = allowed("wallet.review_cards")
    has_codes_permission = allowed("wallet.export_cards")
    has_release_permission = allowed("wallet.release_cards")
    has_void_permission = allowed("wallet.void_cards")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CardBatch]:
        return batches_counted().select_related("created_by", "decided_by")

    def fitting_acts(self, batch: CardBatch, user: User) -> Collection[str]:
        mine = batch.created_by_id == user.pk
        release = batch.releases.exclude(state=Release.REFUSED).first()
        asked = release is not None and release.asked_by_id == user.pk
        state = release.state if release is not None else ""
        fits = {
            "review": batch.state == State.WAITING and not mine,
            "refuse": batch.state == State.WAITING and not mine,
            "ask_codes": batch.state == State.ISSUED
            and (release is None or batches.has_lapsed(release, at=clock.now())),
            "approve_codes": state == Release.ASKED and not asked,
            "deny_codes": state in {Release.ASKED, Release.APPROVED} and not asked,
            "take_codes": state == Release.APPROVED and asked,
            "take_codes_again": release is not None and services.kept_for(release, user),
            "drop_codes": state == Release.DONE and asked and bool(batch.sealed_codes),
            "void": batch.state == State.ISSUED,
        }
        return [name for name, fit in fits.items() if fit]

    @display(description=_("种类"))
    def shown_kind(self, batch: CardBatch):
        return chip(batch.get_kind_display())

    @display(description=_("面值"), ordering="face_value")
    def face(self, batch: CardBatch):
        return money(batch.face_value)

    @display(description=_("总面值"))
    def total(self, batch: CardBatch):
        return money(batch.face_value * batch.count)

    @display(description=_("已兑换"), ordering="redeemed_count")
    def redeemed(self, batch: CardBatch) -> int:
        return batch.redeemed_count

    @display(description=_("未兑换"), ordering="open_count")
    def open(self, batch: CardBatch) -> int:
        return batch.open_count

    @display(description=_("兑换截止"), ordering="expires_at")
    def until(self, batch: CardBatch):
        return when(batch.expires_at) or _("长期有效")

    @display(description=_("状态"))
    def shown_state(self, batch: CardBatch):
        return chip(batch.get_state_display(), BATCH_TONES[State(batch.state)])

    @display(description=_("创建时间"))
    def created(self, batch: CardBatch):
        return when(batch.created_at)

    @display(description=_("复核时间"))
    def decided(self, batch: CardBatch):
        return when(batch.decided_at) or "–"

    @action(description=_("制作卡券"), icon="add", permissions=["make"])
    def make(self, request: HttpRequest) -> HttpResponse:
        def preview(answer: Answer) -> Preview:
            data = answer.data
            total = data["face_value"] * data["count"]
            second = []
            if needs_review(total, request.user, clock.now()):
                second = [_("今天的制卡总面值超过复核金额，要由另一名员工复核后才会生成卡号。")]
            return Preview(
                facts=[
                    Fact(_("名称"), data["name"]),
                    Fact(_("种类"), CardBatch.Kind(data["kind"]).label),
                    Fact(_("面值"), money(data["face_value"])),
                    Fact(_("数量"), data["count"]),
                    Fact(_("总面值"), money(total), strong=True),
                    Fact(_("兑换截止"), when(data["expires_at"]) or _("长期有效")),
                    Fact(_("卡面文字"), data["wording"] or "–"),
                ],
                warnings=second,
                submit=_("提交复核") if second else _("确认制作"),
            )

        def run(answer: Answer) -> str:
            made = services.make_batch(**answer.data, actor=request.user, address=request.client_address)
            return (
                gettext("已提交复核。")
                if made.state == State.WAITING
                else gettext("已制作 %(count)s 张。") % {"count": made.count}
            )

        return ask(self, request, title=_("制作卡券"), form=BatchForm, preview=preview, run=run, danger=False)

    @action(description=_("复核通过"), icon="check", permissions=["review"])
    def review(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, _("复核通过"), services.review_batch, gettext("已发行。"))

    @action(description=_("驳回"), icon="close", permissions=["review"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(
            request, object_id, _("驳回制卡"), services.refuse_batch, gettext("已驳回。"), form=ReasonForm
        )

    @action(description=_("申请导出卡号"), url_path="ask-codes", icon="download", permissions=["codes"])
    def ask_codes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = gettext("已申请，等另一名员工批准。")
        return self._decide(request, object_id, _("申请导出卡号"), services.ask_codes, done, form=ReasonForm)

    @action(description=_("批准导出"), url_path="approve-codes", icon="check", permissions=["release"])
    def approve_codes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        hours = {"hours": settings.KEY_EXPORT_DELAY_HOURS}
        done = gettext("已批准，%(hours)s 小时后申请人可以下载。") % hours
        return self._decide(request, object_id, _("批准导出卡号"), services.approve_codes, done)

    @action(description=_("驳回导出"), url_path="deny-codes", icon="close", permissions=["release"])
    def deny_codes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, _("驳回导出卡号"), services.deny_codes, gettext("已驳回。"))

    @action(description=_("下载卡号"), url_path="take-codes", icon="download", permissions=["codes"])
    def take_codes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        batch = self.one(request, object_id)
        if asked := where_to_say_it_again(request):
            messages.warning(request, _("请再确认一次是您本人，然后继续"))
            return HttpResponseRedirect(asked)
        warning = gettext(
            "请确认能安全保存；会提醒其他员工。下载中断了，%(hours)s 小时内可以再次下载，之后卡号从这里清除。"
        ) % {"hours": settings.KEY_EXPORT_WINDOW_HOURS}
        return self._ask(request, batch, _("下载卡号"), partial(_file, request, batch, False), warnings=[warning])

    @action(description=_("再次下载卡号"), url_path="take-codes-again", icon="download", permissions=["codes"])
    def take_codes_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        batch = self.one(request, object_id)
        if asked := where_to_say_it_again(request):
            messages.warning(request, _("请再确认一次是您本人，然后继续"))
            return HttpResponseRedirect(asked)
        warning = _("上次下载中断时才需要。这次同样写入审计记录，并提醒其他员工。")
        return self._ask(request, batch, _("再次下载卡号"), partial(_file, request, batch, True), warnings=[warning])

    @action(description=_("已存好，清除卡号"), url_path="drop-codes", icon="delete_forever", permissions=["codes"])
    def drop_codes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        title = _("已存好，清除卡号")
        return self._decide(request, object_id, title, services.drop_codes, gettext("已清除，不能再下载。"))

    @action(description=_("作废"), icon="block", permissions=["void"])
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        batch = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            data = answer.data
            cards = batch.cards.filter(number__range=(data["first"], data["last"]))
            count = cards.filter(state__in=[Card.State.ISSUED, Card.State.EXPIRED]).count()
            return Preview(
                facts=[
                    *_facts(batch),
                    Fact(_("作废张数"), count, strong=True),
                    Fact(_("其中已兑换，不受影响"), cards.filter(state=Card.State.REDEEMED).count()),
                    Fact(_("原因"), data["reason"]),
                ],
                possible=count > 0,
                warnings=[] if count else [_("这个范围里没有可以作废的卡。")],
                submit=_("确认作废"),
            )

        def run(answer: Answer) -> str:
            count = services.void_cards(
                batch_id=batch.pk, **answer.data, actor=request.user, address=request.client_address
            )
            return gettext("已作废 %(count)s 张。") % {"count": count}

        form = partial(VoidForm, batch=batch)
        return ask(self, request, title=_("作废卡券"), form=form, preview=preview, run=run, target=batch)

    def _decide(self, request, object_id, title, service, done, *, form=None) -> HttpResponse:
        batch = self.one(request, object_id)

        def run(answer: Answer) -> str:
            service(batch_id=batch.pk, **answer.data, actor=request.user, address=request.client_address)
            return done

        return self._ask(request, batch, title, run, form=form)

    def _ask(self, request, batch, title, run, *, form=None, warnings=()) -> HttpResponse:
        def preview(answer: Answer) -> Preview:
            facts = [*_facts(batch), *_release_facts(batch)]
            if answer.data.get("reason"):
                facts.append(Fact(_("原因"), answer.data["reason"]))
            return Preview(facts=facts, warnings=warnings, submit=title)

        return ask(self, request, title=title, form=form, preview=preview, run=run, target=batch)


def _file(request: HttpRequest, batch: CardBatch, again: bool, answer: Answer) -> HttpResponse:
    codes = services.take_codes(batch_id=batch.pk, actor=request.user, again=again, address=request.client_address)
    rows = [(number, code, batch.face_value) for number, code in codes]
    reply = csv_table([_("序号"), _("卡号"), _("面值")], rows, filename=f"cards-{batch.pk}.csv")
    reply["Cache-Control"] = "no-store"
    return reply


def _facts(batch: CardBatch) -> list[Fact]:
    return [
        Fact(_("批次"), batch.name),
        Fact(_("面值"), money(batch.face_value)),
        Fact(_("数量"), batch.count),
        Fact(_("总面值"), money(batch.face_value * batch.count), strong=True),
        Fact(_("制卡人"), batch.created_by.get_username()),
    ]


def _release_facts(batch: CardBatch) -> list[Fact]:
    release = batch.releases.exclude(state=Release.REFUSED).select_related("asked_by").first()
    if release is None:
        return []
    facts = [Fact(_("申请人"), release.asked_by.get_username()), Fact(_("申请原因"), release.reason)]
    if release.state == Release.APPROVED:
        begins, ends = batches.usable(release)
        facts.append(Fact(_("可下载时间"), format_html("{} – {}", when(begins), when(ends))))
    return facts


def release_panel(batch: CardBatch, viewer: User) -> Panel | None:
    """Where the codes of a batch are, on its page."""
    rows = [
        (
            one.get_way_display(),
            one.get_state_display(),
            one.reason,
            one.asked_by,
            one.decided_by or "–",
            when(one.done_at) or "–",
            one.fetches or "–",
            when(one.kept_until) if one.kept_until and batch.sealed_codes else "–",
        )
        for one in batch.releases.select_related("asked_by", "decided_by").order_by("-id")
    ]
    return Panel(
        title=_("卡号去向"),
        facts=[] if rows else [(_("卡号"), _("密封保存，还没有取出") if batch.sealed_codes else _("还没有生成"))],
        columns=[
            _("方式"),
            _("状态"),
            _("原因"),
            _("申请人"),
            _("批准人"),
            _("完成时间"),
            _("下载次数"),
            _("卡号保留至"),
        ]
        if rows
        else [],
        rows=rows,
        links=_links(batch, viewer),
    )


def _links(batch: CardBatch, viewer: User) -> list:
    if not viewer.has_perm("wallet.view_card"):
        return []
    return [(_("全部卡券"), reverse("admin:wallet_card_changelist") + f"?batch__id__exact={batch.pk}")]


def batch_history(batch: CardBatch, viewer: User) -> list[TimelineEntry]:
    told = [TimelineEntry(batch.created_at, _("提交制卡"), icon="add", actor_id=batch.created_by_id)]
    if batch.decided_at:
        issued = batch.state == State.ISSUED
        title = _("复核通过") if issued else _("驳回制卡")
        tone = "success" if issued else "danger"
        told.append(TimelineEntry(batch.decided_at, title, icon="fact_check", tone=tone, actor_id=batch.decided_by_id))
    return told


panels.add("wallet.CardBatch", release_panel)
timelines.add("wallet.CardBatch", batch_history)
