"""Tiers for programs: where the caller stands, every decision with its trace, and the public rules as data and as text."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.api.paging import Paged, next_field, page_of
from common.api.paths import with_or_without_slash
from common.api.reading import StrictIntegerField, StrictSerializer, read_query
from common.api.views import PrivateView
from common.exceptions import NotFound
from membership.models import Benefit, MemberTier, RuleSetVersion, TierDecision
from membership.rules.catalogue import METRICS
from membership.selectors import (
    decision_document,
    decision_texts,
    decisions_of,
    member_standing,
    public_rules,
    with_leaving,
)

TAG = _("会员")
MAX_NUMBER = 2**31 - 1
FIGURE = {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "null"}]}


@extend_schema_field(FIGURE)
class FigureField(serializers.Field):
    """Money and ratios as decimal strings, counts as whole numbers, facts as booleans; null where nothing is known."""

    def to_representation(self, value):
        return value


class LeavingOut(serializers.Serializer):
    day = serializers.DateField(help_text=_("从这一天起不再计入"))
    text = serializers.CharField()


class ConditionOut(serializers.Serializer):
    key = serializers.CharField(help_text=_("指标、窗口与权重表，例如 spend:30d:cat_v3"))
    metric = serializers.ChoiceField(sorted(METRICS))
    window = serializers.CharField(help_text=_("Nd、week、life 或 now"))
    label = serializers.CharField()
    value = FigureField()
    target = FigureField(help_text=_("对你的要求，动态门槛已计入"))
    gap = FigureField(help_text=_("还差多少；已满足或无法衡量时为 null"))
    met = serializers.BooleanField(source="passed")
    percent = serializers.IntegerField(min_value=0, max_value=100)
    todo = serializers.CharField(allow_blank=True)
    since = serializers.DateField(allow_null=True, help_text=_("计入的第一天（北京时间）"))
    until = serializers.DateField(allow_null=True)
    formula = serializers.CharField(allow_blank=True, help_text=_("动态门槛的计算过程，没有时为空"))
    leaving = LeavingOut(allow_null=True, help_text=_("接下来从窗口移出的部分"))


class GroupOut(serializers.Serializer):
    """`all` or `any`, with what stands in it; `conditions` of one kind of group may be groups again."""

    kind = serializers.ChoiceField(["all", "any", "one"])
    met = serializers.BooleanField()
    conditions = ConditionOut(many=True)
    groups = serializers.SerializerMethodField(help_text=_("嵌套的条件组，结构与本组相同"))

    @extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": True}})
    def get_groups(self, group) -> list:
        return GroupOut(group["groups"], many=True).data


class BenefitOut(serializers.Serializer):
    kind = serializers.ChoiceField(Benefit.Kind.choices)
    layer = serializers.ChoiceField(Benefit.Layer.choices)
    text = serializers.CharField()


class NextTierOut(serializers.Serializer):
    rank = serializers.IntegerField()
    name = serializers.CharField()
    percent = serializers.IntegerField(min_value=0, max_value=100)
    todo = serializers.CharField(help_text=_("还差什么"))
    requirements = GroupOut(many=True, help_text=_("各组都要满足"))
    benefits = BenefitOut(many=True)


class KeepingOut(serializers.Serializer):
    stage = serializers.ChoiceField(MemberTier.Stage.choices)
    holds = serializers.BooleanField()
    todo = serializers.CharField(allow_blank=True)
    requirements = GroupOut(many=True)
    below = serializers.CharField(help_text=_("宽限期结束仍未达到时降到的等级"))
    grace_days = serializers.IntegerField()
    grace_until = serializers.DateTimeField(allow_null=True)


class EarningOut(serializers.Serializer):
    percent = serializers.IntegerField(min_value=0, max_value=100)
    todo = serializers.CharField(allow_blank=True, help_text=_("还差什么"))
    requirements = GroupOut(many=True, help_text=_("各组都要满足"))


class MyTierOut(serializers.Serializer):
    rank = serializers.IntegerField()
    name = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    lifted_until = serializers.DateTimeField(
        allow_null=True, help_text=_("升级券或店铺把等级提高到何时；按规则得到时为 null")
    )
    day = serializers.DateField(help_text=_("数据截至哪一天（北京时间）"))
    benefits = BenefitOut(many=True)
    next = NextTierOut(allow_null=True, help_text=_("最高等级时为 null"))
    keeping = KeepingOut(allow_null=True, help_text=_("保级条件；不会因时间降级时为 null"))
    earning = EarningOut(
        allow_null=True, help_text=_("等级被提高时，凭规则保住这一等级的条件；按规则得到或只由店铺授予时为 null")
    )


def _group(part) -> dict:
    """A part of the standing as `GroupOut` shows it. A single condition is a group of one."""
    if part.bar is not None:
        return {"kind": "one", "met": part.passed, "conditions": [part.bar], "groups": []}
    return {
        "kind": part.kind,
        "met": part.passed,
        "conditions": [child.bar for child in part.parts if child.bar is not None],
        "groups": [_group(child) for child in part.parts if child.bar is None],
    }


def _with_groups(shown) -> dict | None:
    if shown is None:
        return None
    return {**vars(shown), "requirements": [_group(part) for part in shown.parts]}


class MyTier(PrivateView):
    @extend_schema(
        operation_id="get_my_tier",
        tags=[TAG],
        summary=_("我的等级：每个条件的进度、保级、下一级"),
        responses=MyTierOut,
    )
    def get(self, request: Request) -> Response:
        standing = with_leaving(member_standing(user_id=request.user.pk, storefront_id=request.storefront.pk))
        parts = {name: _with_groups(getattr(standing, name)) for name in ("next", "keeping", "earning")}
        data = {**vars(standing), **parts}
        return Response(MyTierOut(data).data)


class DecisionOut(serializers.Serializer):
    at = serializers.DateTimeField()
    day = serializers.DateField(help_text=_("按哪一天的数据评定"))
    cause = serializers.ChoiceField(TierDecision.Cause.choices)
    from_rank = serializers.IntegerField(allow_null=True)
    to_rank = serializers.IntegerField()
    stage = serializers.ChoiceField(MemberTier.Stage.choices)
    title = serializers.CharField()
    reasons = serializers.ListField(child=serializers.CharField())
    gap = serializers.DictField(child=FigureField(), help_text=_("离下一级还差什么，按条件"))
    trace = serializers.ListField(
        child=serializers.DictField(), help_text=_("评定时看过的每一项：数值、要求、差距、计入的日期范围")
    )


class DecisionsOut(serializers.Serializer):
    items = DecisionOut(many=True)
    next = next_field()


class MyDecisions(PrivateView):
    @extend_schema(
        operation_id="list_my_tier_decisions",
        tags=[TAG],
        summary=_("我的等级变更记录，含完整依据"),
        parameters=[Paged],
        responses=DecisionsOut,
    )
    def get(self, request: Request) -> Response:
        query = read_query(Paged, request)
        page = page_of(
            decisions_of(user_id=request.user.pk, storefront_id=request.storefront.pk),
            order=["-pk"],
            limit=query["limit"],
            cursor=query.get("cursor"),
            scope=f"tier decisions of {request.user.pk}",
        )
        told = zip(page.items, decision_texts(page.items), strict=True)
        items = [
            {
                **vars(text),
                "stage": row.stage,
                "gap": row.gap,
                "trace": decision_document(row),
                "reasons": list(text.reasons),
            }
            for row, text in told
        ]
        return Response(DecisionsOut({"items": items, "next": page.next}).data)


class TiersQuery(StrictSerializer):
    version = StrictIntegerField(
        min_value=1, max_value=MAX_NUMBER, required=False, help_text=_("第几版；不填是现行规则")
    )


class VersionOut(serializers.Serializer):
    number = serializers.IntegerField()
    effective_from = serializers.DateTimeField()
    note = serializers.CharField(allow_blank=True)
    sha256 = serializers.CharField(help_text=_("规则文件的摘要，可用来核对没有改动"))
    is_current = serializers.BooleanField()
    is_future = serializers.BooleanField()
    policy = serializers.CharField(help_text=_("已有等级的会员怎样过渡"))
    policy_until = serializers.DateField(allow_null=True)


class ChangeOut(serializers.Serializer):
    where = serializers.CharField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class TierTextOut(serializers.Serializer):
    rank = serializers.IntegerField(source="text.rank")
    name = serializers.CharField(source="text.name")
    enter = serializers.CharField(source="text.enter", allow_blank=True, help_text=_("升级条件；空表示注册即是"))
    gates = serializers.ListField(child=serializers.CharField(), source="text.gates", help_text=_("还须通过的门槛"))
    keep = serializers.CharField(source="text.keep", allow_blank=True, help_text=_("保级条件"))
    down = serializers.CharField(source="text.down", allow_blank=True, help_text=_("怎样降级；空表示不会因时间降级"))
    benefits = BenefitOut(many=True)


class TiersOut(serializers.Serializer):
    program = serializers.CharField()
    version = VersionOut()
    tiers = TierTextOut(many=True, help_text=_("每一级，用文字写成"))
    general = serializers.ListField(child=serializers.CharField(), help_text=_("对所有等级都适用的规则，用文字写成"))
    changes = ChangeOut(many=True, help_text=_("与上一版相比改了什么"))
    rules = serializers.DictField(help_text=_("同一份规则的原始数据，评定程序运行的就是它"))
    history = VersionOut(many=True, help_text=_("发布过和待生效的全部版本，新的在前"))


class NoSuchVersion(NotFound):
    code = "no_such_version"
    message = _("没有这一版规则")


class Tiers(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="get_tiers",
        tags=[TAG],
        summary=_("等级规则：数据、文字与历史版本"),
        parameters=[TiersQuery],
        responses={200: TiersOut, 404: OpenApiResponse(description=NoSuchVersion.message)},
    )
    def get(self, request: Request) -> Response:
        query = read_query(TiersQuery, request)
        try:
            shown = public_rules(storefront_id=request.storefront.pk, number=query.get("version"))
        except RuleSetVersion.DoesNotExist as error:
            raise NoSuchVersion from error
        data = {**vars(shown), "program": str(shown.program), "rules": shown.document, "general": list(shown.general)}
        return Response(TiersOut(data).data)


urlpatterns = [
    with_or_without_slash("me/tier", MyTier, name="my_tier"),
    with_or_without_slash("me/tier/decisions", MyDecisions, name="my_tier_decisions"),
    with_or_without_slash("tiers", Tiers, name="tiers"),
]
