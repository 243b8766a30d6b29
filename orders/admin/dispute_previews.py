"""What each act on a case would do, told before it is done."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import Fact, Preview, money
from common.admin.confirm import Answer
from common.money import ZERO
from common.registries import WayBack
from orders import services
from orders.admin.card_state import cards_by_key, warnings_of
from orders.admin.destinations import BY_GATEWAY, destination, split
from orders.admin.shown import dispute_chip
from orders.models import Dispute
from orders.selectors import previews_of_disputes, reported_of
from wallet.models import Card

SHOWN = 20
ALONE = _("你在复核自己的裁定：时限已过，没有其他员工复核。审计记录会写明由原裁定人复核。")
Outcome, State = Dispute.Outcome, Dispute.State


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
    cards = _cards(dispute)
    warnings = [*_finality(dispute), *warnings_of(cards)]
    if _redeemed(cards):
        ready = wait = False
    elif ready:
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
    routed, told = destination(order, amount, services.route_of(dispute))
    facts = [
        Fact(_("本次退款"), money(amount), strong=True),
        Fact(_("这些卡密最多可退"), money(most)),
        Fact(_("订单已退"), money(order.refunded_total + amount), was=money(order.refunded_total)),
        *routed,
        Fact(_("买家希望退到"), dispute.get_route_display()),
    ]
    if "reason" in answer.data:
        facts.append(Fact(_("说明"), answer.data["reason"]))
    warnings = [*told, *([_("全额退款后售后结束，买家不能再申诉。")] if amount == most else _finality(dispute))]
    cards = _cards(dispute)
    warnings += warnings_of(cards)
    if not cards and any(piece.key_id for piece in dispute.pieces.all()):
        warnings.append(_("退款不会收回卡密。"))
    return Preview(
        facts=[*facts_of(dispute), *facts],
        warnings=warnings,
        possible=amount > ZERO and not _redeemed(cards),
        submit=gettext("确认退款 ¥%(amount)s") % {"amount": amount},
    )


def _cards(dispute: Dispute) -> list[Card]:
    """The shop's own cards among the keys that the buyer holds of the case."""
    return list(cards_by_key(piece.replacement or piece.key for piece in reported_of(dispute)).values())


def _redeemed(cards: Sequence[Card]) -> bool:
    return any(card.state == Card.State.REDEEMED for card in cards)


def preview_rejection(dispute: Dispute, answer: Answer) -> Preview:
    warnings = _finality(dispute)
    if answer.data["abusive"]:
        warnings.append(_("标为恶意：结束后计入这位会员的信誉，可能使等级不达标。"))
    return Preview(
        facts=[*facts_of(dispute), Fact(_("说明"), answer.data["reason"], strong=True)],
        warnings=warnings,
        submit=_("确认驳回"),
    )


def preview_many(
    chosen: Sequence[Dispute], fit: Sequence[Dispute], outcome: str, alone: int, answer: Answer
) -> Preview:
    """`alone`: how many of them are appeals against decisions of whoever decides now."""
    facts = [Fact(_("将裁定"), gettext("%(count)s 个售后单") % {"count": len(fit)}, strong=True)]
    if len(fit) < len(chosen):
        facts.append(Fact(_("不该你裁定或已处理，略过"), len(chosen) - len(fit)))
    facts.append(Fact(_("结果"), Outcome(outcome).label))
    facts.append(Fact(_("说明"), answer.data["reason"]))
    amounts = {one.pk: services.refundable_of(one) for one in fit}
    warnings: list[Any] = [ALONE] if alone else []
    if outcome == Outcome.REFUND:
        facts.append(Fact(_("退款合计"), money(sum(amounts.values(), ZERO)), strong=True))
        goes = {one.pk: split(one.order, amounts[one.pk], services.route_of(one)) for one in fit}
        kept = sum((rest for _ways, rest in goes.values()), ZERO)
        returned = sum(amounts.values(), ZERO) - kept
        if returned:
            facts.append(Fact(_("原路退回"), money(returned)))
            warnings.append(BY_GATEWAY)
        if kept:
            facts.append(Fact(_("退到各买家的余额或订单待退款账户"), money(kept)))
        warnings.append(_("退款不会收回卡密。"))
    if outcome == Outcome.REPLACE:
        warnings.append(_("按提交先后换新；缺货的按你的选择排队或略过。非库存商品须逐个补发，会略过。"))
    if answer.data.get("abusive"):
        warnings.append(_("标为恶意：结束后计入这些会员的信誉。"))
    columns: list[Any] = [_("售后单"), _("商品"), _("问题"), _("状态"), _("可退")]
    rows: list[tuple[Any, ...]] = [
        (one.number, one.line, one.get_reason_display(), dispute_chip(one), money(amounts[one.pk]))
        for one in fit[:SHOWN]
    ]
    if outcome == Outcome.REFUND:
        columns.append(_("退至"))
        rows = [(*row, _told_way(one, *goes[one.pk])) for row, one in zip(rows, fit, strict=False)]
    return Preview(
        facts=facts,
        columns=columns,
        rows=rows,
        more=max(0, len(fit) - SHOWN),
        warnings=warnings if fit else [_("选中的售后单都不在等你裁定。")],
        possible=bool(fit),
        submit=_("全部裁定"),
    )


def _told_way(dispute: Dispute, ways: Sequence[WayBack], rest: Decimal) -> SafeString:
    """The ways by which a case's money goes, with the amount of each."""
    parts = [(way.label, money(way.amount)) for way in ways]
    if rest:
        parts.append((_("余额") if dispute.order.buyer_id else _("订单待退款账户"), money(rest)))
    return format_html_join("、", "{} {}", parts)


def _finality(dispute: Dispute) -> list[Any]:
    if dispute.state == State.APPEALED:
        return [_("这是申诉后的最终裁定，之后不能再申诉。")]
    return [_("买家可以在时限内申诉一次，由另一位员工复核。")]
