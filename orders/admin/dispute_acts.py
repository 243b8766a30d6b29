"""The acts of staff on cases: what each would do, told before it is done. The rules are in orders.services.disputes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import ActionVariant, Fact, Preview, action, allowed, ask
from common.admin.confirm import Answer
from common.exceptions import DomainError
from orders import services
from orders.admin.dispute_forms import (
    AnswerForm,
    AskForm,
    DeliverAnewForm,
    PartialForm,
    RejectForm,
    ReplaceForm,
    VerdictForm,
)
from orders.admin.dispute_previews import (
    ALONE,
    SHOWN,
    facts_of,
    preview_many,
    preview_refund,
    preview_rejection,
    preview_replacement,
)
from orders.models import Dispute, DisputeMove
from orders.services import Decision

Outcome, State = Dispute.Outcome, Dispute.State
_SUGGESTED = {
    Outcome.REPLACE: _("已核实，为你换新。给你添麻烦了。"),
    Outcome.REFUND: _("已核实，全额退款。给你添麻烦了。"),
    Outcome.PARTIAL: _("已核实，部分退款。"),
    Outcome.REJECT: "",
}


def fitting(dispute: Dispute, actor: User) -> set[str]:
    """The acts for which the case is in the right state, and which are this member of staff's to do."""
    fit: set[str] = set()
    if dispute.order.buyer_id == actor.pk:
        return fit
    if dispute.state == State.SELLER:
        fit.add("answer")
    if dispute.state in Dispute.AT_DESK:
        fit.add("ask_buyer")
    if services.may_decide(dispute, actor):
        fit |= {"replace", "reject"}
        if services.refundable_of(dispute):
            fit |= {"refund_all", "refund_part"}
    if dispute.state == State.RESTOCK:
        fit.add("money_instead")
    return fit


def suggested(outcome: str, dispute: Dispute) -> str:
    """What most cases need as a verdict, in the buyer's language."""
    with translation.override(dispute.order.language):
        return str(_SUGGESTED[Outcome(outcome)])


class DisputeActs:
    """Mixed into the case's admin."""

    if TYPE_CHECKING:

        def one(self, request: HttpRequest, object_id: Any) -> Dispute: ...

    has_answer_permission = allowed("orders.answer_dispute")
    has_decide_permission = allowed("orders.decide_dispute")
    has_refund_permission = allowed("orders.refund_dispute")

    @action(description=_("换新"), icon="autorenew", permissions=["decide"])
    def replace(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = self.one(request, object_id)
        by_hand = any(piece.key_id is None for piece in dispute.pieces.all())
        return self._decide(
            request,
            dispute,
            Outcome.REPLACE,
            title=_("换新"),
            form=DeliverAnewForm if by_hand else ReplaceForm,
            preview=partial(preview_replacement, dispute, by_hand),
            danger=False,
        )

    @action(description=_("全额退款"), icon="undo", permissions=["refund"])
    def refund_all(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = self.one(request, object_id)
        return self._decide(
            request,
            dispute,
            Outcome.REFUND,
            title=_("全额退款"),
            form=VerdictForm,
            preview=partial(preview_refund, dispute),
        )

    @action(description=_("部分退款"), icon="percent", permissions=["refund"])
    def refund_part(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = self.one(request, object_id)
        return self._decide(
            request,
            dispute,
            Outcome.PARTIAL,
            title=_("部分退款"),
            form=partial(PartialForm, dispute=dispute),
            preview=partial(preview_refund, dispute),
        )

    @action(description=_("驳回"), icon="block", variant=ActionVariant.DANGER, permissions=["decide"])
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = self.one(request, object_id)
        return self._decide(
            request,
            dispute,
            Outcome.REJECT,
            title=_("驳回"),
            form=RejectForm,
            preview=partial(preview_rejection, dispute),
        )

    def _decide(
        self,
        request: HttpRequest,
        dispute: Dispute,
        outcome: str,
        *,
        title: Any,
        form: Callable[..., Any],
        preview: Callable[[Answer], Preview],
        danger: bool = True,
    ) -> HttpResponse:
        def run(answer: Answer) -> str:
            decided = services.decide_dispute(
                dispute_id=dispute.pk,
                decision=Decision(outcome=outcome, **answer.data),
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已裁定：%(state)s，买家会收到通知。") % {"state": told_outcome(decided)}

        def warned(answer: Answer) -> Preview:
            told = preview(answer)
            if services.decides_alone(dispute, request.user):
                told = replace(told, warnings=[*told.warnings, ALONE])
            return told

        filled = partial(form, suggested=suggested(outcome, dispute))
        return ask(self, request, title=title, form=filled, preview=warned, run=run, target=dispute, danger=danger)

    @action(description=_("卖家答复"), icon="reply", permissions=["answer"])
    def answer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            proposal = answer.data["proposal"]
            told = Outcome(proposal).label if proposal else _("不表态")
            return Preview(
                facts=[
                    *facts_of(dispute),
                    Fact(_("答复"), answer.data["text"], strong=True),
                    Fact(_("卖家愿意"), told),
                ],
                warnings=[_("答复后转平台裁定，不能修改。")],
                submit=_("提交答复"),
            )

        def run(answer: Answer) -> str:
            services.answer_dispute(
                dispute_id=dispute.pk, **answer.data, actor=request.user, address=request.client_address
            )
            return gettext("答复已提交，等待裁定。")

        return ask(
            self, request, title=_("卖家答复"), form=AnswerForm, preview=preview, run=run, target=dispute, danger=False
        )

    @action(description=_("询问买家"), icon="contact_support", permissions=["decide"])
    def ask_buyer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            facts = [*facts_of(dispute), Fact(_("问买家什么"), answer.data["text"], strong=True)]
            return Preview(facts=facts, warnings=[_("裁定时限不变。")], submit=_("发给买家"))

        def run(answer: Answer) -> str:
            services.say_in_dispute(
                dispute_id=dispute.pk,
                text=answer.data["text"],
                party=DisputeMove.Party.OPERATOR,
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已发给买家。")

        return ask(
            self, request, title=_("询问买家"), form=AskForm, preview=preview, run=run, target=dispute, danger=False
        )

    @action(description=_("改为退款"), icon="undo", permissions=["refund"])
    def money_instead(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = self.one(request, object_id)

        def run(answer: Answer) -> str:
            services.take_money_instead(
                dispute_id=dispute.pk,
                party=DisputeMove.Party.OPERATOR,
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已全额退款，售后结束。")

        return ask(
            self,
            request,
            title=_("改为退款"),
            preview=partial(preview_refund, dispute),
            run=run,
            target=dispute,
        )

    @action(description=_("换新"), permissions=["decide"])
    def replace_chosen(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> HttpResponse:
        return self._decide_chosen(request, queryset, Outcome.REPLACE, _("批量换新"), ReplaceForm)

    @action(description=_("全额退款"), variant=ActionVariant.DANGER, permissions=["refund"])
    def refund_chosen(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> HttpResponse:
        return self._decide_chosen(request, queryset, Outcome.REFUND, _("批量全额退款"), VerdictForm)

    @action(description=_("驳回"), variant=ActionVariant.DANGER, permissions=["decide"])
    def reject_chosen(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> HttpResponse:
        return self._decide_chosen(request, queryset, Outcome.REJECT, _("批量驳回"), RejectForm)

    def _decide_chosen(
        self, request: HttpRequest, queryset: QuerySet[Dispute], outcome: str, title: Any, form: Callable[..., Any]
    ) -> HttpResponse:
        """The same decision with the same reason for many cases, each in a transaction of its own."""
        chosen = list(queryset.select_related("order__buyer", "line").order_by("opened_at", "pk"))
        fit = [one for one in chosen if services.may_decide(one, request.user)]

        def run(answer: Answer) -> str:
            refused = []
            for dispute in fit:
                try:
                    services.decide_dispute(
                        dispute_id=dispute.pk,
                        decision=Decision(outcome=outcome, **answer.data),
                        actor=request.user,
                        address=request.client_address,
                    )
                except DomainError as refusal:
                    refused.append(f"{dispute.number}：{refusal}")
            done = gettext("已裁定 %(count)s 个售后单。") % {"count": len(fit) - len(refused)}
            return " ".join([done, *(gettext("未处理 %(why)s") % {"why": one} for one in refused[:SHOWN])])

        filled = partial(form, suggested=suggested(outcome, fit[0]) if fit else "")
        alone = sum(services.decides_alone(one, request.user) for one in fit)
        preview = partial(preview_many, chosen, fit, outcome, alone)
        return ask(self, request, title=title, form=filled, preview=preview, run=run)


def told_outcome(dispute: Dispute) -> str:
    if dispute.state == State.RESTOCK:
        return gettext("同意换新，排队等补货")
    return str(dispute.get_outcome_display())
