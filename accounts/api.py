"""Tokens: made from name and password, shown once, ended by their owner."""

from django.contrib.auth import authenticate
from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.authentication import TokenAuthentication
from accounts.exceptions import PuzzleNeeded, SecondFactorNeeded, SolvePuzzle, WrongPassword
from accounts.models import SignInTry
from accounts.names import plain_name
from accounts.selectors import usable_tokens
from common.api.reading import StrictCharField, StrictSerializer, read_body
from common.api.views import PrivateView

TAG = _("令牌")


class TokenScheme(OpenApiAuthenticationExtension):
    """How the schema tells of accounts.authentication."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema) -> dict:
        return {"type": "http", "scheme": "bearer"}


class TokenWish(StrictSerializer):
    username = StrictCharField(max_length=254, help_text=_("用户名或邮箱"))
    password = StrictCharField(max_length=200, write_only=True)
    code = StrictCharField(
        max_length=20, default="", write_only=True, help_text=_("开启了两步验证的账户必填：验证器的验证码或恢复码")
    )
    puzzle = StrictCharField(
        max_length=2000,
        default="",
        write_only=True,
        help_text=_("仅在返回 puzzle_needed 后填写：params.puzzle 的解，格式同 ALTCHA 第一版"),
    )
    name = StrictCharField(max_length=60, default="API", help_text=_("令牌的名称，便于日后识别"))


class TokenShown(serializers.Serializer):
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewToken(TokenShown):
    token = serializers.CharField(help_text=_("仅显示这一次，请妥善保存"))


class TokenList(serializers.Serializer):
    items = TokenShown(many=True)


class Tokens(PrivateView):
    def get_permissions(self) -> list:
        return [AllowAny()] if self.request.method == "POST" else [IsAuthenticated()]

    def get_authenticators(self) -> list:
        # Asking for a token needs nothing but the password: neither a session, with its form token, nor an old token.
        return [] if self.request is not None and self.request.method == "POST" else super().get_authenticators()

    @extend_schema(operation_id="list_tokens", tags=[TAG], summary=_("我的令牌"), responses=TokenList)
    def get(self, request: Request) -> Response:
        return Response(TokenList({"items": usable_tokens(request.user)}).data)

    @extend_schema(
        tags=[TAG],
        operation_id="issue_token",
        summary=_("用用户名和密码换取令牌"),
        auth=[],
        request=TokenWish,
        responses={
            201: NewToken,
            401: OpenApiResponse(description=_("用户名或密码不正确")),
            429: OpenApiResponse(description=_("操作太频繁；puzzle_needed 时先解 params.puzzle，或到期后再试")),
        },
    )
    def post(self, request: Request) -> Response:
        wish = read_body(TokenWish, request)
        address = request.client_address
        try:
            services.count_try(name=wish["username"], address=address, answer=wish["puzzle"])
        except PuzzleNeeded as error:
            raise SolvePuzzle(error) from error
        user = authenticate(request, username=plain_name(wish["username"]), password=wish["password"])
        if user is None:
            services.note_wrong_try(name=wish["username"], address=address, door=SignInTry.Door.API)
            raise WrongPassword
        services.forgive_try(name=wish["username"], address=address, door=SignInTry.Door.API, user=user)
        if services.has_second_factor(user):
            if not wish["code"]:
                raise SecondFactorNeeded
            services.check_code(user=user, code=wish["code"])
        issued = services.issue_token(user=user, name=wish["name"], address=address)
        shown = {**TokenShown(issued.token).data, "token": issued.text}
        return Response(shown, status=status.HTTP_201_CREATED)


class Token(PrivateView):
    @extend_schema(operation_id="revoke_token", tags=[TAG], summary=_("撤销令牌"), responses={204: None})
    def delete(self, request: Request, public_id: str) -> Response:
        services.revoke_token(user=request.user, public_id=public_id, address=request.client_address)
        return Response(status=status.HTTP_204_NO_CONTENT)


urlpatterns = [
    path("tokens/", Tokens.as_view(), name="tokens"),
    path("tokens/<public_id:public_id>/", Token.as_view(), name="token"),
]
