"""The caller's wallet."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.paging import Paged, next_field, page_of
from common.api.reading import read_query
from common.api.views import PrivateView
from wallet.models import Transfer
from wallet.selectors import balance_of, statement

TAG = _("余额")


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


urlpatterns = [
    path("wallet/", Wallet.as_view(), name="wallet"),
    path("wallet/statement/", Statement.as_view(), name="statement"),
]
