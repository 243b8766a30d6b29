"""The caller's withdrawals. Where they go is set on the website, with the password."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.api.paging import Paged, next_field, page_of
from common.api.reading import MoneyField, StrictSerializer, idempotency_key, key_header, read_body, read_query
from common.api.views import PrivateView
from payments import services
from payments.exceptions import WithdrawalNotFound
from payments.models import PayoutAccount, Withdrawal
from payments.selectors import payout_account_of, withdrawable, withdrawal_rules

TAG = _("余额")


class WithdrawableShown(serializers.Serializer):
    is_open = serializers.BooleanField(source="rules.is_open", help_text=_("本店是否开放提现"))
    amount = serializers.DecimalField(14, 2, source="found.amount", help_text=_("现在最多可以提现（元）"))
    restricted = serializers.DecimalField(14, 2, source="found.restricted", help_text=_("只能购物的部分"))
    fresh = serializers.DecimalField(
        14, 2, source="found.fresh", help_text=_("刚充值或经支付渠道转入、还不能提现的部分")
    )
    gifted = serializers.DecimalField(
        14, 2, source="found.gifted", help_text=_("带赠送的充值里还没花掉的部分，用于购物")
    )
    minimum = serializers.DecimalField(12, 2, source="rules.minimum")
    maximum = serializers.DecimalField(12, 2, source="rules.maximum")
    cooling_until = serializers.DateTimeField(source="found.until", allow_null=True)
    account = serializers.CharField(allow_null=True, help_text=_("收款账号，已打码"))
    account_state = serializers.ChoiceField(PayoutAccount.State.choices, allow_null=True)


class WithdrawalWish(StrictSerializer):
    amount = MoneyField()


class WithdrawalShown(serializers.Serializer):
    id = serializers.CharField(source="public_id")
    number = serializers.CharField()
    amount = serializers.DecimalField(12, 2)
    fee = serializers.DecimalField(12, 2)
    state = serializers.ChoiceField(Withdrawal.State.choices)
    account = serializers.CharField()
    reason = serializers.CharField(help_text=_("退回的原因"))
    asked_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class WithdrawalPage(serializers.Serializer):
    items = WithdrawalShown(many=True)
    next = next_field()


class WithdrawableAmount(PrivateView):
    @extend_schema(operation_id="get_withdrawable", tags=[TAG], summary=_("可提现金额"), responses=WithdrawableShown)
    def get(self, request: Request) -> Response:
        rules, account = withdrawal_rules(), payout_account_of(request.user)
        shown = {
            "rules": rules,
            "found": withdrawable(request.user, rules, account, clock.now()),
            "account": str(account) if account else None,
            "account_state": account.state if account else None,
        }
        return Response(WithdrawableShown(shown).data)


class Withdrawals(PrivateView):
    @extend_schema(
        operation_id="list_withdrawals", tags=[TAG], summary=_("我的提现"), parameters=[Paged], responses=WithdrawalPage
    )
    def get(self, request: Request) -> Response:
        query = read_query(Paged, request)
        scope = f"withdrawals of {request.user.pk}"
        page = page_of(_mine(request), order=["-pk"], limit=query["limit"], cursor=query.get("cursor"), scope=scope)
        return Response(WithdrawalPage({"items": page.items, "next": page.next}).data)

    @extend_schema(
        operation_id="ask_withdrawal",
        tags=[TAG],
        summary=_("申请提现"),
        description=_("金额马上离开余额，审核后打款到已核实的收款账号"),
        parameters=[key_header(_("每次提现用一个新的值，例如 UUID；重试时用同一个值，只会提现一次"))],
        request=WithdrawalWish,
        responses={201: WithdrawalShown},
    )
    def post(self, request: Request) -> Response:
        key = idempotency_key(request)
        wish = read_body(WithdrawalWish, request)
        made = services.ask_withdrawal(
            user=request.user,
            amount=wish["amount"],
            idempotency_key=f"api:{key}",
            address=request.client_address,
        )
        return Response(WithdrawalShown(made).data, status=status.HTTP_201_CREATED)


class OneWithdrawal(PrivateView):
    @extend_schema(operation_id="get_withdrawal", tags=[TAG], summary=_("提现详情"), responses=WithdrawalShown)
    def get(self, request: Request, public_id: str) -> Response:
        found = _mine(request).filter(public_id=public_id).first()
        if found is None:
            raise WithdrawalNotFound
        return Response(WithdrawalShown(found).data)


class CancelWithdrawal(PrivateView):
    @extend_schema(
        operation_id="cancel_withdrawal",
        tags=[TAG],
        summary=_("取消待审核的提现"),
        description=_("已取消的提现再次取消不会有任何变化，可以放心重试"),
        request=None,
        responses=WithdrawalShown,
    )
    def post(self, request: Request, public_id: str) -> Response:
        read_body(StrictSerializer, request)
        row = services.cancel_withdrawal(public_id=public_id, user=request.user, address=request.client_address)
        return Response(WithdrawalShown(row).data)


def _mine(request: Request):
    return Withdrawal.objects.filter(user=request.user).select_related("account")


urlpatterns = [
    path("wallet/withdrawable/", WithdrawableAmount.as_view(), name="withdrawable"),
    path("wallet/withdrawals/", Withdrawals.as_view(), name="withdrawals"),
    path("wallet/withdrawals/<public_id:public_id>/", OneWithdrawal.as_view(), name="withdrawal"),
    path("wallet/withdrawals/<public_id:public_id>/cancel/", CancelWithdrawal.as_view(), name="withdrawal_cancel"),
]
