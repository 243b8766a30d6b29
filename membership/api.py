"""The caller, and where they stand."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.views import PrivateView
from membership.selectors import member_standing

TAG = _("会员")


class BenefitShown(serializers.Serializer):
    kind = serializers.CharField()
    text = serializers.CharField()


class NextTierShown(serializers.Serializer):
    rank = serializers.IntegerField()
    name = serializers.CharField()
    percent = serializers.IntegerField(min_value=0, max_value=100, help_text=_("升级进度"))
    todo = serializers.CharField(help_text=_("还差什么"))


class TierShown(serializers.Serializer):
    rank = serializers.IntegerField()
    name = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    benefits = BenefitShown(many=True)
    next = NextTierShown(allow_null=True, help_text=_("最高等级时为 null"))


class MeShown(serializers.Serializer):
    id = serializers.CharField(source="user.public_id")
    username = serializers.CharField(source="user.username")
    display_name = serializers.CharField(source="user.display_name")
    joined_at = serializers.DateTimeField(source="user.date_joined")
    tier = TierShown()


class Me(PrivateView):
    @extend_schema(operation_id="get_me", tags=[TAG], summary=_("我和我的等级"), responses=MeShown)
    def get(self, request: Request) -> Response:
        standing = member_standing(user_id=request.user.pk, storefront_id=request.storefront.pk)
        return Response(MeShown({"user": request.user, "tier": standing}).data)


urlpatterns = [path("me/", Me.as_view(), name="me")]
