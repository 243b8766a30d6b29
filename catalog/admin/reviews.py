"""The queue of reviews: staff read, publish, turn down with a reason, take off, reply."""

from collections.abc import Collection
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from accounts.models import User
from audit.selectors import history_of
from catalog.admin.forms import ReasonForm, ReplyForm, ReviewRulesForm
from catalog.admin.shown import flag_chips, review_chip, stars
from catalog.models import Review
from catalog.selectors import review_rules, shown_name
from catalog.services import moderation
from common.admin import (
    ActionVariant,
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    display,
    link_to,
    moment,
    when,
)
from common.admin.confirm import Answer
from common.registries import Panel, act_names, panels, timelines
from common.texts import led_by, listed

act_names.update(
    {
        "review.write": _("提交评价"),
        "review.edit": _("修改评价"),
        "review.publish": _("发布评价"),
        "review.reject": _("拒绝评价"),
        "review.remove": _("撤下评价"),
        "review.withdraw": _("作者撤回评价"),
        "review.reply": _("回复评价"),
        "review.rules": _("设置评价规则"),
    }
)
timelines.add("catalog.Review", lambda review, viewer: history_of(review))
SHOWN = 20
ON_A_MEMBER = 6
# Carries, from the first step of an act to its last, which versions of the texts were put before the reader.
SEEN = "_seen"
State = Review.State
# The acts that fit a state, by name.
FITTING = {
    State.PENDING: {"publish", "reject", "reply"},
    State.PUBLISHED: {"remove", "reply"},
    State.REJECTED: {"reply"},
    State.WITHDRAWN: set(),
    State.REMOVED: set(),
}


class FlagFilter(admin.SimpleListFilter):
    title = _("提示")
    parameter_name = "flagged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("有提示")), ("no", _("无提示"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        return queryset.filter(is_flagged=self.value() == "yes") if self.value() in {"yes", "no"} else queryset


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ["said", "shown_product", "author", "found", "state_chip", "waiting"]
    list_display_links = ["said"]
    list_filter = [
        "state",
        "stars",
        FlagFilter,
        ("product", AutocompleteSelectFilter),
        ("written_at", DayRangeFilter),
    ]
    list_select_related = ["product", "user"]
    search_fields = ["=user__username"]
    search_help_text = _("按用户名精确查找")
    ordering = ["-waiting_since", "-id"]
    fields = [
        "shown_stars",
        "shown_text",
        "shown_product",
        "shown_sku",
        "author",
        "public_name",
        "found",
        "state_chip",
        "why",
        "shown_reply",
        "written",
        "decided",
        "published",
    ]
    actions = ["publish_chosen", "reject_chosen", "remove_chosen"]
    actions_detail = ["publish", "reject", "reply", "remove"]
    actions_list = ["rules"]
    export_columns = ["written_at", "product", "user", "stars", "text", "state", "reason", "reply", "published_at"]
    has_moderate_permission = allowed("catalog.moderate_review")
    has_reply_permission = allowed("catalog.reply_review")
    has_rules_permission = allowed("catalog.set_review_rules")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return super().get_queryset(request).select_related("product", "user", "ticket__sku")

    def fitting_acts(self, review: Review, user: User) -> Collection[str]:
        return FITTING[State(review.state)]

    @display(description=_("评价"))
    def said(self, review: Review) -> SafeString:
        return format_html('{}<br><span class="desk-wrap">{}</span>', stars(review), review.text)

    @display(description=_("星级"))
    def shown_stars(self, review: Review) -> SafeString:
        return stars(review)

    @display(description=_("内容"))
    def shown_text(self, review: Review) -> SafeString:
        return format_html('<span class="desk-wrap">{}</span>', review.text)

    @display(description=_("商品"))
    def shown_product(self, review: Review) -> str:
        return review.product.name

    @display(description=_("规格"))
    def shown_sku(self, review: Review) -> str:
        return str(review.ticket.sku)

    @display(description=_("作者"))
    def author(self, review: Review) -> str:
        return str(review.user)

    @display(description=_("公开显示为"))
    def public_name(self, review: Review) -> str:
        return shown_name(review)

    @display(description=_("提示"))
    def found(self, review: Review) -> SafeString | str:
        return flag_chips(review)

    @display(description=_("状态"), ordering="state")
    def state_chip(self, review: Review) -> SafeString:
        return review_chip(review)

    @display(description=_("原因"))
    def why(self, review: Review) -> str:
        return led_by(review.get_reason_display() or "–", review.reason_note)

    @display(description=_("商家回复"))
    def shown_reply(self, review: Review) -> SafeString | str:
        return format_html('<span class="desk-wrap">{}</span>', review.reply) if review.reply else "–"

    @display(description=_("提交时间"), ordering="waiting_since")
    def waiting(self, review: Review) -> SafeString | str:
        return moment(review.waiting_since)

    @display(description=_("提交时间"))
    def written(self, review: Review) -> SafeString | str:
        return when(review.written_at)

    @display(description=_("审核时间"))
    def decided(self, review: Review) -> SafeString | str:
        return when(review.decided_at) or "–"

    @display(description=_("首次发布"))
    def published(self, review: Review) -> SafeString | str:
        return when(review.published_at) or "–"

    @action(description=_("发布"), permissions=["moderate"])
    def publish_chosen(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse:
        return self._publish(request, list(queryset))

    @action(description=_("发布"), icon="check", permissions=["moderate"])
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        review = self.one(request, object_id)
        return self._publish(request, [review], target=review)

    @action(description=_("拒绝"), variant=ActionVariant.DANGER, permissions=["moderate"])
    def reject_chosen(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse:
        return self._reject(request, list(queryset))

    @action(description=_("拒绝"), icon="block", variant=ActionVariant.DANGER, permissions=["moderate"])
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        review = self.one(request, object_id)
        return self._reject(request, [review], target=review)

    @action(description=_("撤下"), variant=ActionVariant.DANGER, permissions=["moderate"])
    def remove_chosen(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse:
        return self._remove(request, list(queryset))

    @action(description=_("撤下"), icon="visibility_off", variant=ActionVariant.DANGER, permissions=["moderate"])
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        review = self.one(request, object_id)
        return self._remove(request, [review], target=review)

    def _publish(self, request: HttpRequest, chosen: list[Review], target: Review | None = None) -> HttpResponse:
        seen = note_seen(request, chosen)
        waiting = [one for one in chosen if one.state == State.PENDING]

        def run(answer: Answer) -> str:
            count = moderation.publish_reviews(seen=seen, actor=request.user)
            return _told(gettext("已发布 %(count)s 条评价。"), count, len(seen))

        preview = partial(preview_of, chosen, waiting, _("将发布"), _("不在待审核，略过"), _("发布"))
        return ask(self, request, title=_("发布评价"), preview=preview, run=run, target=target, danger=False)

    def _reject(self, request: HttpRequest, chosen: list[Review], target: Review | None = None) -> HttpResponse:
        seen = note_seen(request, chosen)
        waiting = [one for one in chosen if one.state == State.PENDING]

        def run(answer: Answer) -> str:
            count = moderation.reject_reviews(seen=seen, **answer.data, actor=request.user)
            return _told(gettext("已拒绝 %(count)s 条评价，作者会收到通知。"), count, len(seen))

        preview = partial(preview_of, chosen, waiting, _("将拒绝"), _("不在待审核，略过"), _("拒绝"))
        return ask(self, request, title=_("拒绝评价"), form=ReasonForm, preview=preview, run=run, target=target)

    def _remove(self, request: HttpRequest, chosen: list[Review], target: Review | None = None) -> HttpResponse:
        shown = [one for one in chosen if one.state == State.PUBLISHED]

        def run(answer: Answer) -> str:
            ids = [one.pk for one in chosen]
            count = moderation.remove_reviews(review_ids=ids, **answer.data, actor=request.user)
            return gettext("已撤下 %(count)s 条评价，作者会收到通知。") % {"count": count}

        preview = partial(preview_of, chosen, shown, _("将撤下（不能恢复）"), _("未发布，略过"), _("撤下"))
        return ask(self, request, title=_("撤下评价"), form=ReasonForm, preview=preview, run=run, target=target)

    @action(description=_("回复"), icon="reply", permissions=["reply"])
    def reply(self, request: HttpRequest, object_id: str) -> HttpResponse:
        review = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            return Preview(
                facts=[
                    Fact(_("评价"), f"{'★' * review.stars} {review.text}"),
                    Fact(_("商家回复"), answer.data["text"].strip() or _("无"), was=review.reply, strong=True),
                ],
                warnings=[] if review.state == State.PUBLISHED else [_("评价还没有发布；发布后回复才会显示。")],
                submit=_("保存回复"),
            )

        def run(answer: Answer) -> str:
            moderation.reply_to_review(review_id=review.pk, text=answer.data["text"], actor=request.user)
            return gettext("回复已保存。")

        form = partial(ReplyForm, initial={"text": review.reply})
        return ask(self, request, title=_("回复评价"), form=form, preview=preview, run=run, target=review, danger=False)

    @action(description=_("评价规则"), icon="tune", permissions=["rules"])
    def rules(self, request: HttpRequest) -> HttpResponse:
        """For how long reviews may be written, and which words are pointed out."""
        rules = review_rules()
        known = rules.words.splitlines()

        def preview(answer: Answer) -> Preview:
            days, words = answer.data["window_days"], answer.data["words"]
            added = [one for one in words if one.strip() and one not in known]
            dropped = [one for one in known if one not in words]
            return Preview(
                facts=[
                    Fact(
                        _("评价期限（天）"),
                        days,
                        was="" if days == rules.window_days else rules.window_days,
                        strong=True,
                    ),
                    Fact(_("新增敏感词"), listed(added) or "–"),
                    Fact(_("删除敏感词"), listed(dropped) or "–"),
                ],
                warnings=[_("只对之后提交的评价生效；期限立即生效。")],
                submit=_("保存规则"),
            )

        def run(answer: Answer) -> str:
            moderation.set_review_rules(**answer.data, actor=request.user)
            return gettext("评价规则已保存。")

        form = partial(ReviewRulesForm, initial={"window_days": rules.window_days, "words": rules.words})
        return ask(self, request, title=_("评价规则"), form=form, preview=preview, run=run, danger=False)


def note_seen(request: HttpRequest, chosen: list[Review]) -> dict[int, int]:
    """Versions by review id as they were when the act began; carried on in the forms of its steps."""
    if SEEN not in request.POST:
        posted = request.POST.copy()
        posted[SEEN] = ",".join(f"{one.pk}:{one.version}" for one in chosen)
        request.POST = posted
    pairs = [pair.partition(":") for pair in request.POST[SEEN].split(",")]
    noted = {int(pk): int(version) for pk, _colon, version in pairs if pk.isdecimal() and version.isdecimal()}
    # What was chosen decides; the note only tells in which version it was read.
    return {one.pk: noted[one.pk] for one in chosen if one.pk in noted}


def preview_of(
    chosen: list[Review], fit: list[Review], what: Any, skipped: Any, submit: Any, answer: Answer
) -> Preview:
    """What an act on these reviews would do: the texts in full, because they are what is decided on."""
    facts = [Fact(what, gettext("%(count)s 条评价") % {"count": len(fit)}, strong=True)]
    if len(fit) < len(chosen):
        facts.append(Fact(skipped, len(chosen) - len(fit)))
    if reason := answer.data.get("reason"):
        why = led_by(Review.Reason(reason).label, answer.data["note"])
        facts.append(Fact(_("原因（作者会看到）"), why))
    flagged = sum(one.is_flagged for one in fit)
    warnings = [gettext("其中 %(count)s 条有提示，请细看。") % {"count": flagged}] if flagged else []
    return Preview(
        facts=facts,
        columns=[_("商品"), _("评价"), _("提示")],
        rows=[
            [one.product.name, format_html("{}<br>{}", stars(one), one.text), flag_chips(one)] for one in fit[:SHOWN]
        ],
        more=max(0, len(fit) - SHOWN),
        warnings=warnings if fit else [_("选中的评价都不在这个状态。")],
        possible=bool(fit),
        submit=submit,
    )


def _told(sentence: str, count: int, chosen: int) -> str:
    done = sentence % {"count": count}
    if count < chosen:
        done += " " + gettext("%(count)s 条在此期间有变动，未处理。") % {"count": chosen - count}
    return done


def reviews_panel(user: User, viewer: User) -> Panel | None:
    """A member's newest reviews, on the member's page, for those who may see reviews."""
    newest = list(user.reviews.select_related("product").order_by("-pk")[:ON_A_MEMBER])
    if not newest or not viewer.has_perm("catalog.view_review"):
        return None
    address = f"{reverse('admin:catalog_review_changelist')}?{urlencode({'q': user.username})}"
    return Panel(
        title=pgettext_lazy("plural", "评价"),
        columns=[_("时间"), _("商品"), _("评价"), _("状态")],
        rows=[
            (moment(one.written_at), one.product.name, link_to(one, viewer, one.text[:30]), review_chip(one))
            for one in newest
        ],
        links=[(_("全部评价"), address)],
    )


panels.add("accounts.User", reviews_panel)
