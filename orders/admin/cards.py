"""Putting a batch of cards into the stock of a SKU, from the batch's page."""

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import User
from catalog.models import Product, Sku
from common.admin import Fact, Preview, ask, money
from common.admin.confirm import Answer
from common.registries import Panel, panels
from orders.services import stock_cards
from wallet.models import CardBatch, CardRelease

PERMISSION = "wallet.stock_cards"


class StockForm(forms.Form):
    code = forms.CharField(
        label=_("商品编码"),
        max_length=60,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("卡券成为这个规格的卡密；这个规格从此不能用余额支付"),
    )

    def clean_code(self) -> Sku:
        found = Sku.objects.select_related("product").filter(code=self.cleaned_data["code"].strip()).first()
        if found is None or found.product.kind != Product.Kind.KEY:
            raise forms.ValidationError(_("没有这个编码的卡密规格"))
        return found


def stock(model_admin, request: HttpRequest, batch_id: int) -> HttpResponse:
    """The act itself; leads back to the batch."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    batch = get_object_or_404(CardBatch, pk=batch_id, state=CardBatch.State.ISSUED)

    def preview(answer: Answer) -> Preview:
        sku = answer.data["code"]
        cheap = sku.list_price < batch.face_value
        return Preview(
            facts=[
                Fact(_("批次"), batch.name),
                Fact(_("面值"), money(batch.face_value)),
                Fact(_("数量"), batch.count, strong=True),
                Fact(_("商品"), sku.product),
                Fact(_("规格"), f"{sku} · {sku.code}"),
                Fact(_("售价"), money(sku.list_price)),
            ],
            warnings=[_("售价低于面值。")] if cheap else [],
            submit=_("放入库存"),
        )

    def run(answer: Answer) -> str:
        made = stock_cards(
            batch_id=batch.pk, sku_id=answer.data["code"].pk, actor=request.user, address=request.client_address
        )
        return gettext("已放入库存 %(count)s 张。") % {"count": made.imported}

    back = reverse("admin:wallet_cardbatch_change", args=[batch.pk])
    return ask(model_admin, request, title=_("放入商品库存"), form=StockForm, preview=preview, run=run, back=back)


def stock_panel(batch: CardBatch, viewer: User) -> Panel | None:
    """The way there, while the codes are still here."""
    gone = batch.releases.exclude(state=CardRelease.State.REFUSED).exists()
    if gone or batch.state != CardBatch.State.ISSUED or not viewer.has_perm(PERMISSION):
        return None
    address = reverse("admin:orders_orderline_stock_cards", args=[batch.pk])
    return Panel(title=_("由商店出售"), links=[(_("放入商品库存"), address)])


panels.add("wallet.CardBatch", stock_panel)
