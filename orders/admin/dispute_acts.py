"""The acts of staff on cases: what each would do, told before it is done. The rules are in orders.services.disputes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import ActionVariant, Fact, Preview, action, allowed, ask, money
from common.admin.confirm import Answer
from common.exceptions import DomainError
from common.money import ZERO
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
from orders.admin.shown import dispute_chip
from orders.models import Dispute, DisputeMove
from orders.selectors import previews_of_disputes
from orders.services import Decision

SHOWN = 20
Outcome, State = Dispute.Outcome, Dispute.State
_SUGGESTED = {
    Outcome.REPLACE: _("已核实，为你换新。给你添麻烦了。"),
    Outcome.REFUND: _("已核实，全额退款。给你添麻烦了。"),
    Outcome.PARTIAL: _("已核实，部分退款。"),
    Outcome.REJECT: "",
}


def fitting(dispute: Dispute, actor_id: int) -> set[str]:
    """The acts for which the case is in the right state, and which are this member of staff's to do."""
    fit: set[str] = set()
    if dispute.state == State.SELLER:
        fit.add("answer")
    if dispute.state in Dispute.AT_DESK:
        fit.add("ask_buyer")
    if services.may_decide(dispute, actor_id):
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

        filled = partial(form, suggested=suggested(outcome, dispute))
        return ask(self, request, title=title, form=filled, preview=preview, run=run, target=dispute, danger=danger)

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
        fit = [one for one in chosen if services.may_decide(one, request.user.pk)]

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
        preview = partial(preview_many, chosen, fit, outcome)
        return ask(self, request, title=title, form=filled, preview=preview, run=run)


def told_outcome(dispute: Dispute) -> str:
    if dispute.state == State.RESTOCK:
        return gettext("同意换新，排队等补货")
    return str(dispute.get_outcome_display())


def facts_of(dispute: Dispute) -> list[Fact]:
    return [
        Fact(_("商品"), dispute.line),
        Fact(_("问题"), dispute.get_reason_display()),
        Fact(_("涉及"), gettext("%(count)s 件") % {"count": len(dispute.pieces.all())}),
        Fact(_("买家希望"), dispute.get_wish_display()),
    ]


def preview_replacement(dispute: Dispute, by_hand: bool, answer: Answer) -> Preview:
    facts = [*facts_of(dispute), Fact(_("说明"), answer.data["reason"])]
    if by_hand:
        facts.append(Fact(_("补发内容"), answer.data["content"], strong=True))
        return Preview(facts=facts, warnings=_finality(dispute), submit=_("确认补发"))
    ready = services.restockable(dispute)
    wait = answer.data["wait"]
    facts.append(Fact(_("库存"), _("足够，立即换新") if ready else _("不足"), strong=True))
    warnings = [*_finality(dispute)]
    if ready:
        warnings.append(_("换下的卡密作废，不再出售；新卡密立即交给买家。"))
    elif wait:
        warnings.append(_("先排队，到货按先来后到自动换新；到时限还没有货，自动全额退款。"))
    else:
        warnings.append(_("库存不足：请勾选排队，或改为退款。"))
    return Preview(
        facts=facts,
        columns=[_("要换的卡密")],
        rows=[(preview,) for preview in previews_of_disputes([dispute]).get(dispute.pk, [])[:SHOWN]],
        warnings=warnings,
        possible=ready or wait,
        submit=_("确认换新") if ready else _("确认排队"),
    )


def preview_refund(dispute: Dispute, answer: Answer) -> Preview:
    most = services.refundable_of(dispute)
    amount = answer.data.get("amount", most)
    order = dispute.order
    to = (
        gettext("会员 %(name)s 的余额") % {"name": order.buyer.get_username()}
        if order.buyer is not None
        else _("订单待退款账户，买家在订单页领取")
    )
    facts = [
        Fact(_("本次退款"), money(amount), strong=True),
        Fact(_("这些卡密最多可退"), money(most)),
        Fact(_("订单已退"), money(order.refunded_total + amount), was=money(order.refunded_total)),
        Fact(_("退至"), to),
        Fact(_("买家希望退到"), dispute.get_route_display()),
    ]
    if "reason" in answer.data:
        facts.append(Fact(_("说明"), answer.data["reason"]))
    warnings = [_("全额退款后售后结束，买家不能再申诉。")] if amount == most else _finality(dispute)
    if any(piece.key_id for piece in dispute.pieces.all()):
        warnings.append(_("退款不会收回卡密。"))
    return Preview(
        facts=[*facts_of(dispute), *facts],
        warnings=warnings,
        possible=amount > ZERO,
        submit=gettext("确认退款 ¥%(amount)s") % {"amount": amount},
    )


def preview_rejection(dispute: Dispute, answer: Answer) -> Preview:
    warnings = _finality(dispute)
    if answer.data["abusive"]:
        warnings.append(_("标为恶意：结束后计入这位会员的信誉，可能使等级不达标。"))
    return Preview(
        facts=[*facts_of(dispute), Fact(_("说明"), answer.data["reason"], strong=True)],
        warnings=warnings,
        submit=_("确认驳回"),
    )


def preview_many(chosen: Sequence[Dispute], fit: Sequence[Dispute], outcome: str, answer: Answer) -> Preview:
    facts = [Fact(_("将裁定"), gettext("%(count)s 个售后单") % {"count": len(fit)}, strong=True)]
    if len(fit) < len(chosen):
        facts.append(Fact(_("不该你裁定或已处理，略过"), len(chosen) - len(fit)))
    facts.append(Fact(_("结果"), Outcome(outcome).label))
    facts.append(Fact(_("说明"), answer.data["reason"]))
    amounts = {one.pk: services.refundable_of(one) for one in fit}
    warnings: list[Any] = []
    if outcome == Outcome.REFUND:
        facts.append(Fact(_("退款合计"), money(sum(amounts.values(), ZERO)), strong=True))
        warnings.append(_("退到各买家的余额或订单待退款账户；退款不会收回卡密。"))
    if outcome == Outcome.REPLACE:
        warnings.append(_("按提交先后换新；缺货的按你的选择排队或略过。非库存商品须逐个补发，会略过。"))
    if answer.data.get("abusive"):
        warnings.append(_("标为恶意：结束后计入这些会员的信誉。"))
    return Preview(
        facts=facts,
        columns=[_("售后单"), _("商品"), _("问题"), _("状态"), _("可退")],
        rows=[
            (one.number, one.line, one.get_reason_display(), dispute_chip(one), money(amounts[one.pk]))
            for one in fit[:SHOWN]
        ],
        more=max(0, len(fit) - SHOWN),
        warnings=warnings if fit else [_("选中的售后单都不在等你裁定。")],
        possible=bool(fit),
        submit=_("全部裁定"),
    )


def _finality(dispute: Dispute) -> list[Any]:
    if dispute.state == State.APPEALED:
        return [_("这是申诉后的最终裁定，之后不能再申诉。")]
    return [_("买家可以在时限内申诉一次，由另一位员工复核。")]
