"""Reviews for programs: those of a product for everybody, and one's own."""

from django.http import Http404
from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.services import take
from catalog.models import Review, ReviewTicket
from catalog.models.reviews import MAX_TEXT, MIN_TEXT
from catalog.selectors import (
    may_write,
    on_sale,
    open_until,
    published_reviews,
    rating_of,
    review_of,
    shown_name,
    tickets_of,
)
from catalog.services.reviews import LIMIT, write_review
from common import clock
from common.api.paging import Paged, next_field, page_of
from common.api.reading import (
    IdField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    read_body,
    read_query,
)
from common.api.views import PrivateView

TAG = _("评价")


class ReviewsQuery(Paged):
    stars = StrictIntegerField(min_value=1, max_value=5, required=False, help_text=_("只看这个星级"))


class RatingShown(serializers.Serializer):
    mean = serializers.DecimalField(3, 2, help_text=_("平均星级"))
    count = serializers.IntegerField()
    stars_1 = serializers.IntegerField()
    stars_2 = serializers.IntegerField()
    stars_3 = serializers.IntegerField()
    stars_4 = serializers.IntegerField()
    stars_5 = serializers.IntegerField()


class ReviewShown(serializers.Serializer):
    stars = serializers.IntegerField(min_value=1, max_value=5)
    text = serializers.CharField()
    name = serializers.SerializerMethodField(help_text=_("作者的昵称；匿名时只有第一个字"))
    sku_name = serializers.SerializerMethodField()
    published_at = serializers.DateTimeField()
    reply = serializers.CharField(help_text=_("商家回复，没有时为空"))

    def get_name(self, review: Review) -> str:
        return shown_name(review)

    def get_sku_name(self, review: Review) -> str:
        return str(review.ticket.sku)


class ReviewPage(serializers.Serializer):
    rating = RatingShown(allow_null=True, help_text=_("没有评价时为 null"))
    items = ReviewShown(many=True)
    next = next_field()


class OwnReviewShown(serializers.Serializer):
    stars = serializers.IntegerField(min_value=1, max_value=5)
    text = serializers.CharField()
    anonymous = serializers.BooleanField(source="is_anonymous")
    state = serializers.ChoiceField(Review.State.choices)
    reason = serializers.CharField(source="get_reason_display", help_text=_("未通过或被撤下的原因，否则为空"))
    reason_note = serializers.CharField()
    reply = serializers.CharField()
    written_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)


class TicketShown(serializers.Serializer):
    id = serializers.CharField(source="public_id", help_text=_("提交评价时用它"))
    product = serializers.CharField(source="product.public_id")
    product_name = serializers.SerializerMethodField()
    sku_name = serializers.SerializerMethodField()
    delivered_at = serializers.DateTimeField()
    open_until = serializers.SerializerMethodField()
    can_write = serializers.SerializerMethodField()
    review = serializers.SerializerMethodField()

    def get_product_name(self, ticket: ReviewTicket) -> str:
        return str(ticket.product)

    def get_sku_name(self, ticket: ReviewTicket) -> str:
        return str(ticket.sku)

    def get_open_until(self, ticket: ReviewTicket) -> serializers.DateTimeField(allow_null=True):
        until = open_until(ticket, ticket.window_days)
        return serializers.DateTimeField().to_representation(until) if until else None

    def get_can_write(self, ticket: ReviewTicket) -> bool:
        return may_write(ticket, ticket.window_days, self.context["at"])

    def get_review(self, ticket: ReviewTicket) -> OwnReviewShown(allow_null=True):
        review = review_of(ticket)
        return OwnReviewShown(review).data if review else None


class TicketPage(serializers.Serializer):
    items = TicketShown(many=True)
    next = next_field()


class ReviewWish(StrictSerializer):
    id = IdField(help_text=_("我的评价列表里的 id"))
    stars = StrictIntegerField(min_value=1, max_value=5)
    text = StrictCharField(min_length=MIN_TEXT, max_length=MAX_TEXT)
    anonymous = StrictBooleanField(default=False)


class ProductReviews(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="list_product_reviews",
        tags=[TAG],
        summary=_("商品的评价"),
        parameters=[ReviewsQuery],
        responses=ReviewPage,
    )
    def get(self, request: Request, public_id: str) -> Response:
        query = read_query(ReviewsQuery, request)
        found = on_sale(storefront=request.storefront).filter(public_id=public_id).first()
        if found is None:
            raise Http404
        stars = query.get("stars", 0)
        page = page_of(
            published_reviews(found, stars=stars),
            order=["-published_at", "-pk"],
            limit=query["limit"],
            cursor=query.get("cursor"),
            scope=f"reviews of {found.pk} with {stars}",
        )
        return Response(ReviewPage({"rating": rating_of(found), "items": page.items, "next": page.next}).data)


class OwnReviews(PrivateView):
    @extend_schema(
        operation_id="list_my_reviews",
        tags=[TAG],
        summary=_("我的评价"),
        description=_("收到的商品和对它们的评价，最近收到的在前"),
        parameters=[Paged],
        responses=TicketPage,
    )
    def get(self, request: Request) -> Response:
        query = read_query(Paged, request)
        page = page_of(
            tickets_of(request.user),
            order=["-delivered_at", "-pk"],
            limit=query["limit"],
            cursor=query.get("cursor"),
            scope=f"own reviews of {request.user.pk}",
        )
        return Response(TicketPage({"items": page.items, "next": page.next}, context={"at": clock.now()}).data)

    @extend_schema(
        operation_id="write_review",
        tags=[TAG],
        summary=_("提交评价"),
        description=_("每件商品一条，审核后公开。同样的内容再次提交不会有任何变化，可以放心重试"),
        request=ReviewWish,
        responses={201: TicketShown, 404: OpenApiResponse(description=_("没有这件商品，或不属于你"))},
    )
    def post(self, request: Request) -> Response:
        wish = read_body(ReviewWish, request)
        take(LIMIT, subject=str(request.user.pk), at=clock.now())
        write_review(
            ticket_id=wish["id"],
            user=request.user,
            stars=wish["stars"],
            text=wish["text"],
            is_anonymous=wish["anonymous"],
        )
        ticket = tickets_of(request.user).get(public_id=wish["id"])
        return Response(TicketShown(ticket, context={"at": clock.now()}).data, status=status.HTTP_201_CREATED)


urlpatterns = [
    path("products/<public_id:public_id>/reviews/", ProductReviews.as_view(), name="product_reviews"),
    path("me/reviews/", OwnReviews.as_view(), name="my_reviews"),
]
