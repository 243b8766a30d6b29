"""Orders as a page shows them: state in words, lines with what was delivered, the way they went."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from defusedcsv import csv
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.models import User
from common.admin.export import neutral
from common.money import ZERO
from common.templatetags.ui import yuan
from common.texts import foreign
from orders.models import Order, OrderLine, OrderRefund
from orders.selectors import Delivered, answers_of, delivered_of, lines_of
from shop import disputes
from shop.markdown import to_html
from shop.reviews import Entry, entries_of_lines

# Longer orders are turned in pages and downloaded; a page of thousands of keys would choke a phone.
KEYS_ON_A_PAGE = 100
TONES = {
    Order.State.UNPAID: "warn",
    Order.State.PAID: "primary",
    Order.State.DELIVERED: "success",
    Order.State.REFUNDED: "",
    Order.State.EXPIRED: "",
    Order.State.CANCELLED: "",
}


@dataclass(frozen=True)
class Secret:
    """A delivered secret and the id of the element that shows it."""

    id: str
    text: str


@dataclass(frozen=True)
class LineView:
    """One line; `secrets` are those of the page of keys that is shown, `review` what its buyer may say of it, `after_sale`
    what they may report or have reported."""

    line: OrderLine
    secrets: Sequence[Secret]
    review: Entry | None = None
    after_sale: disputes.Entry | None = None

    @property
    def guide(self) -> SafeString:
        return to_html(self.line.guide_text)

    @property
    def waits_for_staff(self) -> bool:
        return self.line.state == OrderLine.State.QUEUED

    @property
    def is_short(self) -> bool:
        return self.line.state == OrderLine.State.SHORT

    @property
    def is_held(self) -> bool:
        return self.line.state == OrderLine.State.HELD

    @property
    def warranty_until(self) -> datetime | None:
        if not self.line.delivered_at or not self.line.warranty_days:
            return None
        return self.line.delivered_at + timedelta(days=self.line.warranty_days)

    @property
    def fields(self) -> list[tuple[str, str]]:
        return answers_of(self.line)


@dataclass(frozen=True)
class OrderView:
    order: Order
    lines: list[LineView]
    keys: Page
    refunds: Sequence[OrderRefund] = ()

    @property
    def tone(self) -> str:
        return TONES[Order.State(self.order.state)]

    @property
    def is_open(self) -> bool:
        """Whether the page should look again by itself."""
        return self.order.state in {Order.State.UNPAID, Order.State.PAID} or self.is_returning

    @property
    def is_returning(self) -> bool:
        """Whether money is on its way back through a gateway."""
        return any(refund.state == OrderRefund.State.PENDING for refund in self.refunds)

    @property
    def shown_refunds(self) -> list[tuple[OrderRefund, str]]:
        """The refunds, each with where its money is."""
        return [(refund, refund_line(refund)) for refund in self.refunds]

    @property
    def where_refunded(self) -> str:
        """Of an order that was refunded whole: where its money is, in one sentence."""
        if self.is_returning:
            return _("款项正在原路退回，到账后这里会更新。")
        if all(refund.state == OrderRefund.State.DONE and refund.returned for refund in self.refunds):
            return _("款项已原路退回付款账户。")
        if any(refund.returned for refund in self.refunds):
            return _("款项的去向见下面的退款明细。")
        return _("款项已退到这个订单名下。") if self.order.is_guest else _("款项已退回账户余额。")

    @property
    def key_ids(self) -> str:
        """The element ids of all secrets on the page, for one copy button."""
        return " ".join(secret.id for view in self.lines for secret in view.secrets)


def order_view(order: Order, *, user: User | None = None, page: str | None = None) -> OrderView:
    """The order with its keys opened, for `user` (None: a guest). Only for whoever may see the order."""
    keys = Paginator(delivered_of(order), KEYS_ON_A_PAGE).get_page(page)
    by_line = secrets_by_line(keys.object_list)
    lines = lines_of(order)
    reviews = entries_of_lines(user, [line.pk for line in lines])
    after_sale = disputes.entries_of(lines)
    shown = [LineView(line, by_line.get(line.pk, []), reviews.get(line.pk), after_sale.get(line.pk)) for line in lines]
    refunds = list(order.refunds.all()) if order.refunded_total else []
    for refund in refunds:
        refund.order = order
    return OrderView(order, shown, keys, refunds)


def secrets_by_line(delivered: Iterable[Delivered]) -> dict[int, list[Secret]]:
    by_line: dict[int, list[Secret]] = {}
    for one in delivered:
        shown = by_line.setdefault(one.line_id, [])
        shown.append(Secret(f"key-{one.line_id}-{len(shown)}", one.text))
    return by_line


def progress_mark(order: Order, lines: Iterable[OrderLine], refunds: Iterable[OrderRefund]) -> str:
    """Changes whenever the order's page would look different."""
    delivered = sum(line.pieces_delivered for line in lines)
    on_its_way = sum((refund.on_its_way for refund in refunds), ZERO)
    return f"{order.state}-{delivered}-{order.refunded_total}-{on_its_way}"


def refund_line(refund: OrderRefund) -> str:
    """Where a refund's money went, or where it is."""
    if refund.target != OrderRefund.Target.ORIGINAL:
        return _("转入订单名下") if refund.target == OrderRefund.Target.ORDER_CREDIT else _("退回账户余额")
    if refund.state == OrderRefund.State.PENDING:
        return _("原路退回中，等待渠道确认")
    if refund.state == OrderRefund.State.DONE:
        return _("已原路退回")
    told = _("渠道没有受理，已转入订单名下") if refund.order.is_guest else _("渠道没有受理，已转入账户余额")
    if refund.returned:
        told = _("%(returned)s 已原路退回，其余%(rest)s") % {"returned": yuan(refund.returned), "rest": told}
    return told


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """CSV text. Cells that a spreadsheet would run as a formula are disarmed."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([neutral(text) for text in row] for row in rows)
    return out.getvalue()


def attachment(text: str, *, name: str) -> HttpResponse:
    """A text file to save; `name` ends in .txt or .csv and holds ASCII."""
    kind = "text/csv" if name.endswith(".csv") else "text/plain"
    # Excel on Windows takes a file without the mark for the local code page.
    response = HttpResponse("\ufeff" + text, content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def titles(orders: Iterable[Order]) -> list[tuple[Order, str, str, str]]:
    """(order, what was bought in one line, its lang attribute, tone of its state); lines should be prefetched."""
    made = []
    for order in orders:
        lines = list(order.lines.all())
        name = f"{lines[0].product_title} {lines[0].sku_title}"
        if len(lines) > 1:
            name = _("%(name)s 等 %(count)s 种商品") % {"name": name, "count": len(lines)}
        made.append((order, name, foreign(lines[0].product_name_en), TONES[Order.State(order.state)]))
    return made
