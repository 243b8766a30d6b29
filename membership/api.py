"""The caller, where they stand, and what they earn."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.api.paging import Paged, next_field, page_of
from common.api.paths import with_or_without_slash
from common.api.reading import read_query
from common.api.views import PrivateView
from membership.models import PointsEntry, Task
from membership.selectors import (
    check_in_shown,
    member_points,
    member_standing,
    member_tasks,
    points_statement,
)
from membership.services import check_in, note_shown

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


class TaskOut(serializers.Serializer):
    kind = serializers.ChoiceField(Task.Kind.choices, source="task.kind")
    name = serializers.CharField()
    text = serializers.CharField()
    window = serializers.ChoiceField(Task.Window.choices, source="task.window", help_text=_("每个周期奖励一次"))
    points = serializers.IntegerField(source="task.points")
    activity = serializers.IntegerField(source="task.activity", help_text=_("奖励的活跃值"))
    count = serializers.IntegerField()
    target = serializers.IntegerField(source="task.target")
    done = serializers.BooleanField(source="is_done")


class TasksOut(serializers.Serializer):
    open = TaskOut(many=True, help_text=_("最多 5 个，按推荐顺序"))
    done = TaskOut(many=True)
    personal = serializers.BooleanField(source="is_personal", help_text=_("是否按个人情况排序"))


class MyTasks(PrivateView):
    @extend_schema(operation_id="list_my_tasks", tags=[TAG], summary=_("我的任务"), responses=TasksOut)
    def get(self, request: Request) -> Response:
        at = clock.now()
        found = member_tasks(user_id=request.user.pk, storefront_id=request.storefront.pk, at=at)
        note_shown(user_id=request.user.pk, tasks=found.to_note, segment=found.segment, at=at)
        return Response(TasksOut(found).data)


class EndingOut(serializers.Serializer):
    amount = serializers.IntegerField()
    at = serializers.DateTimeField()


class PointsEntryOut(serializers.Serializer):
    at = serializers.DateTimeField()
    cause = serializers.ChoiceField(PointsEntry.Cause.choices)
    amount = serializers.IntegerField(help_text=_("正数为获得，负数为使用或过期"))
    balance_after = serializers.IntegerField()
    memo = serializers.CharField(source="told")


class PointsOut(serializers.Serializer):
    balance = serializers.IntegerField(help_text=_("现在可用"))
    owed = serializers.IntegerField(help_text=_("之后获得的积分先抵扣这么多"))
    ending = EndingOut(many=True, help_text=_("30 天内到期的积分"))
    items = PointsEntryOut(many=True)
    next = next_field()


class MyPoints(PrivateView):
    @extend_schema(
        operation_id="list_my_points",
        tags=[TAG],
        summary=_("我的积分与明细"),
        parameters=[Paged],
        responses=PointsOut,
    )
    def get(self, request: Request) -> Response:
        query = read_query(Paged, request)
        shown = member_points(user_id=request.user.pk, at=clock.now())
        page = page_of(
            points_statement(request.user.pk),
            order=["-pk"],
            limit=query["limit"],
            cursor=query.get("cursor"),
            scope=f"points of {request.user.pk}",
        )
        data = {**vars(shown), "items": page.items, "next": page.next}
        return Response(PointsOut(data).data)


class CheckInOut(serializers.Serializer):
    day = serializers.DateField()
    new = serializers.BooleanField(help_text=_("是否刚刚签到；当天再次调用为 false"))
    streak = serializers.IntegerField(help_text=_("连续签到天数"))
    points = serializers.IntegerField(help_text=_("今天签到得到的积分"))
    activity = serializers.IntegerField(help_text=_("今天签到得到的活跃值"))
    next_in = serializers.IntegerField(help_text=_("再签到几天得到下一个礼物，没有时为 0"))
    next_gift = serializers.CharField()


class MyCheckIn(PrivateView):
    @extend_schema(
        operation_id="check_in",
        tags=[TAG],
        summary=_("签到"),
        description=_("每天一次；重复调用不会再得奖励，返回当天的结果。"),
        request=None,
        responses={status.HTTP_200_OK: CheckInOut},
    )
    def post(self, request: Request) -> Response:
        done = check_in(user_id=request.user.pk, storefront_id=request.storefront.pk)
        shown = check_in_shown(user_id=request.user.pk, at=clock.now())
        data = {
            "day": done.check_in.day,
            "new": done.is_new,
            "streak": done.check_in.streak,
            "points": done.check_in.points,
            "activity": done.check_in.activity,
            "next_in": max(shown.next_in, 0),
            "next_gift": shown.next_gift,
        }
        return Response(CheckInOut(data).data)


urlpatterns = [
    with_or_without_slash("me", Me, name="me"),
    with_or_without_slash("me/tasks", MyTasks, name="my_tasks"),
    with_or_without_slash("me/points", MyPoints, name="my_points"),
    with_or_without_slash("me/check-in", MyCheckIn, name="check_in"),
]
