"""The caller's wallet, cards that turn into balance, and the credit line."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.api.paging import Paged, next_field, page_of
from common.api.reading import (
    MoneyField,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
    idempotency_key,
    key_header,
    read_body,
    read_query,
)
from common.api.views import PrivateView
from wallet.exceptions import CreditNotFound
from wallet.models import CreditLine, Transfer
from wallet.selectors import balance_of, credit_line_of, dues_of, statement
from wallet.services import draw_credit, redeem_card, repay_credit, set_auto_use

TAG = _("余额")
NO_CREDIT = OpenApiResponse(description=_("没有开通授信"))


class WalletShown(serializers.Serializer):
    balance = serializers.DecimalField(14, 2)


class EntryShown(serializers.Serializer):
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(Transfer.Kind.choices, source="transfer.kind")
    amount = serializers.DecimalField(14, 2, help_text=_("正数为收入，负数为支出"))
    balance_after = serializers.DecimalField(14, 2)
    memo = serializers.CharField(source="transfer.memo")


class StatementPage(serializers.Serializer):
    items = EntryShown(many=True)
    next = next_field()


class Wallet(PrivateView):
    @extend_schema(operation_id="get_wallet", tags=[TAG], summary=_("余额"), responses=WalletShown)
    def get(self, request: Request) -> Response:
        return Response(WalletShown({"balance": balance_of(request.user)}).data)


class Statement(PrivateView):
    @extend_schema(
        operation_id="get_statement", tags=[TAG], summary=_("流水"), parameters=[Paged], responses=StatementPage
    )
    def get(self, request: Request) -> Response:
        query = read_query(Paged, request)
        scope = f"statement of {request.user.pk}"
        entries = statement(request.user)
        page = page_of(entries, order=["-pk"], limit=query["limit"], cursor=query.get("cursor"), scope=scope)
        return Response(StatementPage({"items": page.items, "next": page.next}).data)


class CardWish(StrictSerializer):
    code = StrictCharField(max_length=80, help_text=_("充值卡或礼品卡的卡号，可带空格和连字符"))


class CardShown(serializers.Serializer):
    amount = serializers.DecimalField(10, 2, help_text=_("面值（元）"))
    redeemed_at = serializers.DateTimeField(source="card.redeemed_at")
    again = serializers.BooleanField(help_text=_("这张卡你之前已经兑换过，余额没有再变动"))
    wording = serializers.CharField(source="card.batch.wording")


class RedeemCard(PrivateView):
    @extend_schema(
        operation_id="redeem_card",
        tags=[TAG],
        summary=_("兑换充值卡或礼品卡"),
        description=_("同一张卡只入账一次，可以放心重试。卡号不正确、已作废、已过期或已被他人使用，回答都一样"),
        request=CardWish,
        responses=CardShown,
    )
    def post(self, request: Request) -> Response:
        wish = read_body(CardWish, request)
        done = redeem_card(user=request.user, code=wish["code"], address=request.client_address)
        return Response(CardShown(done).data)


class DueShown(serializers.Serializer):
    on = serializers.DateField(help_text=_("最后还款日"))
    amount = serializers.DecimalField(12, 2)
    overdue = serializers.BooleanField()


class CreditShown(serializers.Serializer):
    limit = serializers.DecimalField(12, 2)
    used = serializers.DecimalField(12, 2)
    free = serializers.DecimalField(12, 2, help_text=_("还可使用（元）"))
    state = serializers.ChoiceField(CreditLine.State.choices)
    auto_use = serializers.BooleanField(help_text=_("余额不足时自动使用"))
    dues = serializers.SerializerMethodField()

    def get_dues(self, line: CreditLine) -> DueShown(many=True):
        return DueShown(dues_of(line, clock.day_of(clock.now())), many=True).data


class AmountWish(StrictSerializer):
    amount = MoneyField()


class AutoWish(StrictSerializer):
    auto_use = StrictBooleanField()


ONCE = _("每次用一个新的值，例如 UUID；重试时用同一个值，只会执行一次")


class Credit(PrivateView):
    @extend_schema(
        operation_id="get_credit", tags=[TAG], summary=_("授信"), responses={200: CreditShown, 404: NO_CREDIT}
    )
    def get(self, request: Request) -> Response:
        return Response(CreditShown(_line(request)).data)

    @extend_schema(
        operation_id="set_credit_auto_use",
        tags=[TAG],
        summary=_("设置余额不足时是否自动使用授信"),
        request=AutoWish,
        responses={200: CreditShown, 404: NO_CREDIT},
    )
    def put(self, request: Request) -> Response:
        wish = read_body(AutoWish, request)
        _line(request)
        set_auto_use(user=request.user, on=wish["auto_use"])
        return Response(CreditShown(_line(request)).data)


class DrawCredit(PrivateView):
    @extend_schema(
        operation_id="draw_credit",
        tags=[TAG],
        summary=_("使用授信，转入余额"),
        parameters=[key_header(ONCE)],
        request=AmountWish,
        responses={200: CreditShown, 404: NO_CREDIT},
    )
    def post(self, request: Request) -> Response:
        key = idempotency_key(request)
        wish = read_body(AmountWish, request)
        _line(request)
        draw_credit(user=request.user, amount=wish["amount"], idempotency_key=f"api:{key}")
        return Response(CreditShown(_line(request)).data)


class RepayCredit(PrivateView):
    @extend_schema(
        operation_id="repay_credit",
        tags=[TAG],
        summary=_("用余额归还授信"),
        description=_("最多归还所欠的金额"),
        parameters=[key_header(ONCE)],
        request=AmountWish,
        responses={200: CreditShown, 404: NO_CREDIT},
    )
    def post(self, request: Request) -> Response:
        key = idempotency_key(request)
        wish = read_body(AmountWish, request)
        _line(request)
        repay_credit(user=request.user, amount=wish["amount"], idempotency_key=f"api:{key}")
        return Response(CreditShown(_line(request)).data)


def _line(request: Request) -> CreditLine:
    """The caller's line. Raises CreditNotFound."""
    line = credit_line_of(request.user)
    if line is None:
        raise CreditNotFound
    return line


urlpatterns = [
    path("wallet/", Wallet.as_view(), name="wallet"),
    path("wallet/credit/", Credit.as_view(), name="credit"),
    path("wallet/credit/draw/", DrawCredit.as_view(), name="credit_draw"),
    path("wallet/credit/repay/", RepayCredit.as_view(), name="credit_repay"),
    path("wallet/cards/redeem/", RedeemCard.as_view(), name="card_redeem"),
    path("wallet/statement/", Statement.as_view(), name="statement"),
]
