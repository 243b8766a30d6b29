"""Quotes and orders of the caller. Keys are shown to their owner only, in the order itself, and kept by no cache."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.paging import Paged, next_field, page_of
from common.api.reading import (
    IdField,
    MoneyField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    idempotency_key,
    key_header,
    read_body,
    read_query,
)
from common.api.views import PrivateView
from common.ids import PUBLIC_ID_LENGTH
from orders import services
from orders.models import Order, OrderLine, PriceStep
from orders.selectors import delivered_of, lines_of, order_for, orders_of
from orders.services.quoting import MAX_FIELD_LENGTH, MAX_LINES

TAG = _("订单")
WALLET = "wallet"
MAX_QUANTITY = 100_000
NOT_ALLOWED = OpenApiResponse(
    description=_(
        "token_limit：超出令牌的付款限额，见 params。confirmation_needed：开启了余额支付验证的会员，"
        "请先下单不付款再到网站的订单页确认，或在网站的“API 令牌”页给令牌设限额。csrf_failed：用浏览器会话调用时缺少 CSRF 令牌"
    )
)
UNKNOWN_SKU = OpenApiResponse(description=_("没有这个规格，或没有这张优惠券"))


class ItemWish(StrictSerializer):
    sku = IdField(help_text=_("规格的 id"))
    quantity = StrictIntegerField(min_value=1, max_value=MAX_QUANTITY)
    fields = serializers.DictField(
        child=StrictCharField(allow_blank=True, max_length=MAX_FIELD_LENGTH),
        required=False,
        help_text=_("商品要求填写的内容，见商品详情的 buyer_fields"),
    )


class QuoteWish(StrictSerializer):
    items = serializers.ListField(child=ItemWish(), min_length=1, max_length=MAX_LINES)
    coupon = StrictCharField(
        required=False,
        max_length=PUBLIC_ID_LENGTH,
        help_text=_("优惠券的 id，或 auto 自动选最省的一张；省略则不用券"),
    )


class OrderWish(QuoteWish):
    pay_with = serializers.ChoiceField(
        [WALLET], required=False, help_text=_("wallet：立即用余额支付并发货；省略则先预留，待支付")
    )
    expected_total = MoneyField(required=False, help_text=_("报价的合计；价格已变动时拒绝下单"))


class PayWish(StrictSerializer):
    method = serializers.ChoiceField([WALLET])


class StepShown(serializers.Serializer):
    stage = serializers.ChoiceField(PriceStep.Stage.choices)
    amount = serializers.DecimalField(12, 2)
    why = serializers.CharField(source="reason")


class QuoteLineShown(serializers.Serializer):
    sku = serializers.CharField(source="sku.public_id")
    quantity = serializers.IntegerField()
    unit_price = serializers.DecimalField(12, 4)
    list_total = serializers.DecimalField(12, 2)
    total = serializers.DecimalField(12, 2, source="cash")
    price_steps = StepShown(many=True, source="steps")


class QuoteShown(serializers.Serializer):
    list_total = serializers.DecimalField(12, 2)
    total = serializers.DecimalField(12, 2)
    coupon = serializers.CharField(
        source="coupon.public_id", default=None, allow_null=True, help_text=_("用上的优惠券")
    )
    coupon_off = serializers.DecimalField(12, 2)
    lines = QuoteLineShown(many=True)


class OrderShown(serializers.Serializer):
    id = serializers.CharField(source="public_id")
    number = serializers.CharField()
    state = serializers.ChoiceField(Order.State.choices)
    list_total = serializers.DecimalField(12, 2)
    total = serializers.DecimalField(12, 2)
    coupon_off = serializers.DecimalField(12, 2, help_text=_("优惠券抵扣"))
    paid_total = serializers.DecimalField(12, 2)
    refunded_total = serializers.DecimalField(12, 2)
    placed_at = serializers.DateTimeField()
    pay_deadline = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class LineShown(serializers.Serializer):
    sku = serializers.CharField(source="sku.public_id")
    product = serializers.CharField(source="product.public_id")
    product_name = serializers.CharField(source="product_title")
    sku_name = serializers.CharField(source="sku_title")
    state = serializers.ChoiceField(OrderLine.State.choices)
    quantity = serializers.IntegerField()
    unit_price = serializers.DecimalField(12, 4)
    list_total = serializers.DecimalField(12, 2)
    total = serializers.DecimalField(12, 2, source="cash")
    refunded = serializers.DecimalField(12, 2)
    price_steps = StepShown(many=True, source="price_steps.all")
    fields = serializers.DictField(child=serializers.CharField())
    guide = serializers.CharField(source="guide_text", help_text="Markdown")
    warranty_days = serializers.IntegerField()
    refund_due_at = serializers.DateTimeField(allow_null=True, help_text=_("缺货的商品到这个时间还没补齐就自动退款"))
    keys = serializers.SerializerMethodField(help_text=_("已发货的卡密"))

    def get_keys(self, line: OrderLine) -> list[str]:
        return self.context["keys"].get(line.pk, [])


class OrderDetail(OrderShown):
    lines = serializers.SerializerMethodField()

    def get_lines(self, order: Order) -> LineShown(many=True):
        keys: dict[int, list[str]] = {}
        for one in delivered_of(order):
            keys.setdefault(one.line_id, []).append(one.text)
        return LineShown(lines_of(order), many=True, context={"keys": keys}).data


class OrderPage(serializers.Serializer):
    items = OrderShown(many=True)
    next = next_field()


class Quotes(PrivateView):
    @extend_schema(
        operation_id="quote",
        tags=[TAG],
        summary=_("报价"),
        description=_("现在下单要付多少，以及为什么。不预留库存"),
        request=QuoteWish,
        responses={200: QuoteShown, 404: UNKNOWN_SKU},
    )
    def post(self, request: Request) -> Response:
        wish = read_body(QuoteWish, request)
        quoted = services.quote(
            storefront=request.storefront, user_id=request.user.pk, items=wanted(wish), coupon=wish.get("coupon", "")
        )
        return Response(QuoteShown(quoted).data)


class Orders(PrivateView):
    @extend_schema(
        operation_id="list_orders", tags=[TAG], summary=_("我的订单"), parameters=[Paged], responses=OrderPage
    )
    def get(self, request: Request) -> Response:
        query = read_query(Paged, request)
        scope = f"orders of {request.user.pk}"
        page = page_of(
            orders_of(request.user), order=["-pk"], limit=query["limit"], cursor=query.get("cursor"), scope=scope
        )
        return Response(OrderPage({"items": page.items, "next": page.next}).data)

    @extend_schema(
        tags=[TAG],
        operation_id="place_order",
        summary=_("下单"),
        parameters=[key_header(_("每次下单用一个新的值，例如 UUID；重试时用同一个值，只会下一次单"))],
        request=OrderWish,
        responses={201: OrderDetail, 403: NOT_ALLOWED, 404: UNKNOWN_SKU},
    )
    def post(self, request: Request) -> Response:
        key = idempotency_key(request)
        wish = read_body(OrderWish, request)
        order = services.place(
            storefront=request.storefront,
            buyer=services.Buyer(user=request.user, address=request.client_address, token=request.auth),
            items=wanted(wish),
            idempotency_key=f"api:{key}",
            expected_total=wish.get("expected_total"),
            from_wallet=wish.get("pay_with") == WALLET,
            coupon=wish.get("coupon", ""),
        )
        return Response(OrderDetail(order).data, status=status.HTTP_201_CREATED)


class OneOrder(PrivateView):
    @extend_schema(operation_id="get_order", tags=[TAG], summary=_("订单详情与卡密"), responses=OrderDetail)
    def get(self, request: Request, public_id: str) -> Response:
        return Response(OrderDetail(order_for(public_id=public_id, user=request.user)).data)


class PayOrder(PrivateView):
    @extend_schema(
        operation_id="pay_order",
        tags=[TAG],
        summary=_("支付待付款的订单"),
        description=_("已支付的订单再次支付不会有任何变化，可以放心重试"),
        request=PayWish,
        responses={200: OrderDetail, 403: NOT_ALLOWED},
    )
    def post(self, request: Request, public_id: str) -> Response:
        read_body(PayWish, request)
        order = order_for(public_id=public_id, user=request.user)
        paid = services.pay_from_wallet(order_id=order.pk, user=request.user, token=request.auth)
        return Response(OrderDetail(paid).data)


class CancelOrder(PrivateView):
    @extend_schema(
        operation_id="cancel_order",
        tags=[TAG],
        summary=_("取消待付款的订单"),
        description=_("已取消的订单再次取消不会有任何变化，可以放心重试"),
        request=None,
        responses=OrderDetail,
    )
    def post(self, request: Request, public_id: str) -> Response:
        read_body(StrictSerializer, request)
        order = order_for(public_id=public_id, user=request.user)
        return Response(OrderDetail(services.cancel(order_id=order.pk, actor=request.user)).data)


def wanted(wish: dict) -> list[services.Item]:
    return [services.Item(one["sku"], one["quantity"], one.get("fields", {})) for one in wish["items"]]


urlpatterns = [
    path("quotes/", Quotes.as_view(), name="quotes"),
    path("orders/", Orders.as_view(), name="orders"),
    path("orders/<public_id:public_id>/", OneOrder.as_view(), name="order"),
    path("orders/<public_id:public_id>/pay/", PayOrder.as_view(), name="order_pay"),
    path("orders/<public_id:public_id>/cancel/", CancelOrder.as_view(), name="order_cancel"),
]
