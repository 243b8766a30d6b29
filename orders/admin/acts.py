"""The acts of staff on one order: what each would do, told before it is done. The rules are in orders.services."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.selectors import shown_stock
from catalog.services.stock import keys_of_lines
from common.admin import Fact, Preview, action, allowed, ask, moment, money
from common.admin.confirm import Answer
from common.money import ZERO
from orders import services
from orders.admin.destinations import destination
from orders.admin.forms import BY_HAND, DeliverForm, HoldForm, NoteForm, ReasonForm, RefundForm
from orders.admin.shown import line_chip, order_chip
from orders.models import Order, OrderLine, OrderRefund
from orders.selectors import answers_of
from orders.selectors.cards import cards_of_keys
from orders.services.pieces import FROM_STOCK
from orders.services.refunding import OPEN
from orders.services.shares import waived_by
from wallet.models import Card
from wallet.selectors import credit_of_order

REVEALED = 100


def fitting(order: Order, lines: list[OrderLine]) -> set[str]:
    """The acts for which the order is in the right state."""
    states = {line.state for line in lines}
    fit = {"note"}
    if order.paid_at is not None and order.refunded_total < order.paid_total:
        fit.add("refund")
    if order.state == Order.State.UNPAID:
        fit.add("cancel")
    if order.is_guest and credit_of_order(order.pk):
        fit |= {"give_credit", "pay_out"}
    if OrderLine.State.SHORT in states:
        fit.add("redeliver")
    if states & set(BY_HAND):
        fit.add("deliver")
    if states & set(services.WAITING_FOR_GOODS):
        fit.add("hold")
    if OrderLine.State.HELD in states:
        fit.add("release")
    if any(line.pieces_delivered for line in lines):
        fit.add("reveal")
    return fit


class OrderActs:
    """Mixed into the order's admin."""

    if TYPE_CHECKING:
        admin_site: Any
        opts: Any

        def one(self, request: HttpRequest, object_id: Any) -> Order: ...

    has_refund_permission = allowed("orders.refund_order")
    has_deliver_permission = allowed("orders.deliver_order")
    has_hold_permission = allowed("orders.hold_order")
    has_cancel_permission = allowed("orders.cancel_order")
    has_note_permission = allowed("orders.note_order")
    has_reveal_permission = allowed("orders.reveal_keys")

    @action(description=_("退款"), icon="undo", permissions=["refund"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> str:
            services.refund(
                order_id=order.pk,
                amounts=answer.data["amounts"],
                ref=f"staff:{order.pk}:{answer.token}"[:60],
                reason=answer.data["reason"],
                actor=request.user,
                to=answer.data["route"],
            )
            amount = sum(answer.data["amounts"].values())
            if answer.data["route"] == OrderRefund.Target.ORIGINAL:
                return gettext("¥%(amount)s 正在原路退回，结果会写入订单历史。") % {"amount": amount}
            return gettext("已退款 ¥%(amount)s。") % {"amount": amount}

        return ask(
            self,
            request,
            title=_("退款"),
            form=partial(RefundForm, order=order),
            preview=partial(preview_refund, order),
            run=run,
            target=order,
        )

    @action(description=_("补发"), icon="redo", permissions=["deliver"])
    def redeliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> str:
            count = services.redeliver(order_id=order.pk, actor=request.user)
            return gettext("已补发 %(count)s 件。") % {"count": count}

        preview = partial(preview_redeliver, order)
        return ask(self, request, title=_("补发"), preview=preview, run=run, target=order, danger=False)

    @action(description=_("人工发货"), icon="front_hand", permissions=["deliver"])
    def deliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> str:
            line = services.deliver_by_hand(
                line_id=answer.data["line"].pk, text=answer.data["text"], actor=request.user
            )
            return gettext("已发货：%(line)s。") % {"line": line}

        return ask(
            self,
            request,
            title=_("人工发货"),
            form=partial(DeliverForm, order=order),
            preview=preview_delivery,
            run=run,
            target=order,
            danger=False,
        )

    @action(description=_("暂缓发货"), icon="lock", permissions=["hold"])
    def hold(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)
        waiting = list(order.lines.filter(state__in=services.WAITING_FOR_GOODS))

        def run(answer: Answer) -> str:
            for line in waiting:
                services.hold_line(
                    line_id=line.pk,
                    reason=answer.data["reason"],
                    actor=request.user,
                    address=request.client_address,
                )
            return gettext("已暂缓 %(count)s 项商品。") % {"count": len(waiting)}

        def preview(answer: Answer) -> Preview:
            return Preview(
                facts=[
                    Fact(_("将暂缓"), gettext("%(count)s 项商品") % {"count": len(waiting)}, strong=True),
                    Fact(_("原因"), answer.data["reason"]),
                ],
                columns=[_("商品"), _("状态")],
                rows=[(line, line_chip(line)) for line in waiting],
                warnings=[_("放行之前不会发货，也不会因缺货自动退款；买家看到「正在核对」，看不到原因。")],
                possible=bool(waiting),
                submit=_("暂缓发货"),
            )

        return ask(
            self, request, title=_("暂缓发货"), form=HoldForm, preview=preview, run=run, target=order, danger=False
        )

    @action(description=_("放行"), icon="lock_open", permissions=["hold"])
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)
        held = list(order.lines.filter(state=OrderLine.State.HELD))

        def run(answer: Answer) -> str:
            for line in held:
                services.release_held(line_id=line.pk, actor=request.user, address=request.client_address)
            return gettext("已放行 %(count)s 项商品。") % {"count": len(held)}

        preview = Preview(
            facts=[Fact(_("将放行"), gettext("%(count)s 项商品") % {"count": len(held)}, strong=True)],
            columns=[_("商品"), _("暂缓原因")],
            rows=[(line, line.hold_reason or "–") for line in held],
            possible=bool(held),
            submit=_("放行"),
        )
        return ask(self, request, title=_("放行"), preview=lambda answer: preview, run=run, target=order, danger=False)

    @action(description=_("取消订单"), icon="cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> str:
            services.cancel(order_id=order.pk, actor=request.user, cause="staff_cancelled")
            return gettext("订单已取消。")

        preview = Preview(
            facts=[Fact(_("订单"), order.number, strong=True), Fact(_("应付"), money(order.total))],
            warnings=[_("预留的卡密会放回库存。取消后到账的款项，有货仍会发货，无货转为买家余额。")],
            possible=order.state == Order.State.UNPAID,
            submit=_("取消订单"),
        )
        return ask(self, request, title=_("取消订单"), preview=lambda answer: preview, run=run, target=order)

    @action(description=_("查看卡密"), icon="visibility", permissions=["reveal"])
    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> HttpResponse:
            opened = services.reveal(
                order_id=order.pk,
                reason=answer.data["reason"],
                limit=REVEALED,
                actor=request.user,
                address=request.client_address,
            )
            return self._show(request, order, opened)

        pieces = sum(line.pieces_delivered for line in order.lines.all())
        preview = Preview(
            facts=[Fact(_("订单"), order.number), Fact(_("已发件数"), pieces, strong=True)],
            warnings=[_("本次查看会以你的名义写入审计记录，最多显示前 %(limit)s 条。") % {"limit": REVEALED}],
            submit=_("查看卡密"),
        )
        return ask(
            self,
            request,
            title=_("查看卡密"),
            form=ReasonForm,
            preview=lambda answer: preview,
            run=run,
            target=order,
            danger=False,
        )

    def _show(self, request: HttpRequest, order: Order, opened: list) -> HttpResponse:
        names = {line.pk: str(line) for line in order.lines.all()}
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("卡密"),
            "subtitle": order.number,
            "opts": self.opts,
            "original": order,
            "opened": [(names.get(one.line_id, ""), one.text) for one in opened],
        }
        return TemplateResponse(request, "orders/admin/keys.html", context)

    @action(description=_("备注"), icon="edit_note", permissions=["note"])
    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> str:
            services.set_note(
                order_id=order.pk, text=answer.data["text"], actor=request.user, address=request.client_address
            )
            return gettext("备注已保存。")

        def preview(answer: Answer) -> Preview:
            fact = Fact(_("内部备注"), answer.data["text"] or "–", was=order.staff_note or "–")
            return Preview(facts=[fact], submit=_("保存备注"))

        return ask(
            self,
            request,
            title=_("内部备注"),
            form=partial(NoteForm, order=order),
            preview=preview,
            run=run,
            target=order,
            danger=False,
        )


def preview_refund(order: Order, answer: Answer) -> Preview:
    amounts = answer.data["amounts"]
    total = sum(amounts.values(), ZERO)
    lines = [line for line in order.lines.all() if line.pk in amounts]
    left = order.paid_total - order.refunded_total - total
    facts = [
        Fact(_("退款合计"), money(total), strong=True),
        Fact(_("订单已退"), money(order.refunded_total + total), was=money(order.refunded_total)),
        Fact(_("仍可退"), money(left)),
    ]
    routed, warnings = destination(order, total, answer.data["route"])
    facts += routed
    facts.append(Fact(_("原因"), answer.data["reason"]))
    waived = {line: waived_by(line, line.refunded + amounts[line.pk]) for line in lines if line.state in OPEN}
    if any(waived.values()):
        warnings.append(_("退款先抵还没发出的货：其中 %(count)s 件退款后不再补发。") % {"count": sum(waived.values())})
    keys = keys_of_lines([line.pk for line in lines])
    if cards := cards_of_keys(keys):
        warnings.append(_told_cards(cards.values()))
    if len(cards) < len(keys) or any(line.pieces_delivered and line.kind not in FROM_STOCK for line in lines):
        warnings.append(_("其中有已发出的卡密：退款不会收回卡密，请先确认其未被使用。"))
    if not left:
        warnings.append(_("这是全额退款，订单将变为「已退款」。"))
    return Preview(
        facts=facts,
        columns=[_("商品"), _("实付"), _("已退"), _("本次退款")],
        rows=[(line, money(line.cash), money(line.refunded), money(amounts[line.pk])) for line in lines],
        warnings=warnings,
        possible=left >= 0,
        submit=gettext("确认退款 ¥%(amount)s") % {"amount": total},
    )


def _told_cards(cards: Iterable[Card]) -> str:
    states = [card.state for card in cards]
    return gettext("本店的充值卡按整张退款，退掉的卡同时作废；已兑换的 %(used)s 张不能退，未兑换的有 %(open)s 张。") % {
        "used": states.count(Card.State.REDEEMED),
        "open": len(states) - states.count(Card.State.REDEEMED) - states.count(Card.State.VOIDED),
    }


def preview_redeliver(order: Order, answer: Answer) -> Preview:
    short = list(order.lines.filter(state=OrderLine.State.SHORT).select_related("sku__product"))
    stock = shown_stock([line.sku for line in short])
    ready = any(stock.get(line.sku_id, 0) for line in short)
    return Preview(
        facts=[
            Fact(_("缺货商品"), len(short), strong=True),
            *([Fact(_("自动退款时间"), moment(min(line.refund_due_at for line in short)))] if short else []),
        ],
        columns=[_("商品"), _("已发"), _("还缺"), _("现有库存")],
        rows=[(line, line.pieces_delivered, line.pieces_missing, _stock(stock.get(line.sku_id, 0))) for line in short],
        warnings=[] if ready else [_("库存仍不足，请先补货。")],
        possible=ready,
        submit=_("从库存补发"),
    )


def _stock(count: int) -> str:
    return f"{count}+" if count > 20 else str(count)


def preview_delivery(answer: Answer) -> Preview:
    line: OrderLine = answer.data["line"]
    given = [Fact(label, answer) for label, answer in answers_of(line)]
    return Preview(
        facts=[
            Fact(_("商品"), line, strong=True),
            *given,
            Fact(_("发货内容"), answer.data["text"]),
            Fact(_("订单状态"), order_chip(line.order)),
        ],
        warnings=[_("发货后此商品视为全部交付，内容不可更改。")],
        submit=_("确认发货"),
    )
