"""After-sale for programs: the caller's own cases. Pictures are added on the case's page."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from audit.services import take
from common import clock
from common.api.paging import Paged, next_field, page_of
from common.api.reading import IdField, StrictCharField, StrictSerializer, read_body, read_query
from common.api.views import PrivateView
from orders import services
from orders.exceptions import BadDispute, DisputeNotFound, OrderNotFound
from orders.models import Dispute, DisputeMove, OrderLine
from orders.models.dispute import MAX_WORDS
from orders.selectors import buyers_disputes, dispute_for, keys_by_text, order_for, pieces_of, story_of
from orders.services import Complaint
from orders.services.disputes.words import MIN_WORDS

TAG = _("售后")
MAX_KEYS = 200
MAX_KEY = 1000
UNKNOWN_ORDER = OpenApiResponse(description=_("没有这个订单，或订单里没有这个规格"))


class DisputeWish(StrictSerializer):
    order = IdField(help_text=_("订单的 id"))
    sku = IdField(help_text=_("有问题的规格的 id"))
    keys = serializers.ListField(
        child=StrictCharField(max_length=MAX_KEY),
        min_length=1,
        max_length=MAX_KEYS,
        required=False,
        help_text=_("有问题的卡密，逐条原样填写；省略则为这一项的全部"),
    )
    reason = serializers.ChoiceField(Dispute.Reason.choices)
    text = StrictCharField(min_length=MIN_WORDS, max_length=MAX_WORDS, help_text=_("发生了什么；其中的卡密会被遮住"))
    wish = serializers.ChoiceField(Dispute.Wish.choices, help_text=_("希望的处理方式"))
    route = serializers.ChoiceField(
        Dispute.Route.choices, required=False, help_text=_("如果退款，希望退到哪里；省略为余额")
    )


class AppealWish(StrictSerializer):
    text = StrictCharField(min_length=MIN_WORDS, max_length=MAX_WORDS)


class DisputeShown(serializers.Serializer):
    id = serializers.CharField(source="public_id")
    number = serializers.CharField()
    order = serializers.CharField(source="order.public_id")
    product_name = serializers.CharField(source="line.product_title")
    sku_name = serializers.CharField(source="line.sku_title")
    state = serializers.ChoiceField(Dispute.State.choices)
    reason = serializers.ChoiceField(Dispute.Reason.choices)
    wish = serializers.ChoiceField(Dispute.Wish.choices)
    route = serializers.ChoiceField(Dispute.Route.choices)
    outcome = serializers.ChoiceField(Dispute.Outcome.choices, allow_blank=True, help_text=_("裁定前为空"))
    verdict = serializers.CharField(help_text=_("裁定说明"))
    refunded = serializers.DecimalField(12, 2)
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True, help_text=_("轮到的一方最晚何时答复；已裁定时是申诉的期限"))
    closed_at = serializers.DateTimeField(allow_null=True)


class MoveShown(serializers.Serializer):
    at = serializers.DateTimeField()
    party = serializers.ChoiceField(DisputeMove.Party.choices)
    state = serializers.ChoiceField(Dispute.State.choices, source="to_state")
    text = serializers.CharField()
    outcome = serializers.ChoiceField(Dispute.Outcome.choices, allow_blank=True)
    amount = serializers.DecimalField(12, 2, allow_null=True)


class DisputeDetail(DisputeShown):
    pieces = serializers.SerializerMethodField(help_text=_("报告的件数"))
    history = serializers.SerializerMethodField()

    def get_pieces(self, dispute: Dispute) -> int:
        return dispute.pieces.count()

    def get_history(self, dispute: Dispute) -> MoveShown(many=True):
        return MoveShown(story_of(dispute), many=True).data


class DisputePage(serializers.Serializer):
    items = DisputeShown(many=True)
    next = next_field()


class Disputes(PrivateView):
    @extend_schema(
        operation_id="list_disputes", tags=[TAG], summary=_("我的售后单"), parameters=[Paged], responses=DisputePage
    )
    def get(self, request: Request) -> Response:
        query = read_query(Paged, request)
        scope = f"disputes of {request.user.pk}"
        mine = buyers_disputes(user=request.user, device="")
        page = page_of(mine, order=["-pk"], limit=query["limit"], cursor=query.get("cursor"), scope=scope)
        return Response(DisputePage({"items": page.items, "next": page.next}).data)

    @extend_schema(
        operation_id="open_dispute",
        tags=[TAG],
        summary=_("报告问题"),
        description=_("质保期内报告已发货卡密的问题。同一条卡密只能在一个售后单里，重试会得到 409"),
        request=DisputeWish,
        responses={201: DisputeDetail, 404: UNKNOWN_ORDER},
    )
    def post(self, request: Request) -> Response:
        wish = read_body(DisputeWish, request)
        order = order_for(public_id=wish["order"], user=request.user)
        _limit(request.user)
        line, keys, whole = _wanted(list(order.lines.filter(sku__public_id=wish["sku"])), wish.get("keys"))
        complaint = Complaint(
            reason=wish["reason"],
            text=wish["text"],
            wish=wish["wish"],
            route=wish.get("route", Dispute.Route.BALANCE),
            key_ids=keys,
            whole=whole,
        )
        opened = services.open_dispute(order_id=order.pk, line_id=line.pk, complaint=complaint, actor=request.user)
        return Response(DisputeDetail(opened).data, status=status.HTTP_201_CREATED)


class OneDispute(PrivateView):
    @extend_schema(operation_id="get_dispute", tags=[TAG], summary=_("售后单详情"), responses=DisputeDetail)
    def get(self, request: Request, public_id: str) -> Response:
        return Response(DisputeDetail(own_dispute(public_id, request.user)).data)


class AppealDispute(PrivateView):
    @extend_schema(
        operation_id="appeal_dispute",
        tags=[TAG],
        summary=_("申诉"),
        description=_("裁定后在期限内可以申诉一次，由另一位员工复核"),
        request=AppealWish,
        responses=DisputeDetail,
    )
    def post(self, request: Request, public_id: str) -> Response:
        wish = read_body(AppealWish, request)
        dispute = own_dispute(public_id, request.user)
        _limit(request.user)
        services.appeal_decision(dispute_id=dispute.pk, text=wish["text"], actor=request.user)
        return Response(DisputeDetail(dispute_for(public_id)).data)


class AcceptDispute(PrivateView):
    @extend_schema(
        operation_id="accept_dispute", tags=[TAG], summary=_("接受裁定"), request=None, responses=DisputeDetail
    )
    def post(self, request: Request, public_id: str) -> Response:
        read_body(StrictSerializer, request)
        dispute = own_dispute(public_id, request.user)
        services.accept_decision(dispute_id=dispute.pk, actor=request.user)
        return Response(DisputeDetail(dispute_for(public_id)).data)


def own_dispute(public_id: str, user: User) -> Dispute:
    """The member's own case. Raises DisputeNotFound, alike for what is not there and what is another's."""
    found = dispute_for(public_id)
    if found.order.buyer_id != user.pk:
        raise DisputeNotFound
    return found


def _limit(user: User) -> None:
    take(services.OPEN_LIMIT, subject=f"member:{user.pk}", at=clock.now())


def _wanted(lines: list[OrderLine], keys: list[str] | None) -> tuple[OrderLine, frozenset[int], bool]:
    """The line that is meant, and which of its pieces. Raises OrderNotFound, BadDispute."""
    if not lines:
        raise OrderNotFound
    if keys is None:
        line = next((line for line in lines if line.state == OrderLine.State.DELIVERED), lines[0])
        pieces = pieces_of(line)
        return line, frozenset(one.key.pk for one in pieces if one.key), any(one.key is None for one in pieces)
    for line in lines:
        found = keys_by_text(line, set(keys))
        if len(found) == len(set(keys)):
            return line, frozenset(found.values()), False
    raise BadDispute("bad_pieces", _("其中有卡密不在这个订单的这个规格里"), field="keys")


urlpatterns = [
    path("disputes/", Disputes.as_view(), name="disputes"),
    path("disputes/<public_id:public_id>/", OneDispute.as_view(), name="dispute"),
    path("disputes/<public_id:public_id>/appeal/", AppealDispute.as_view(), name="dispute_appeal"),
    path("disputes/<public_id:public_id>/accept/", AcceptDispute.as_view(), name="dispute_accept"),
]
