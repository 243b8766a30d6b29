"""Who calls the API: `Authorization: Bearer km_…`."""

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.services import live_token

SCHEME = b"bearer"


class TokenAuthentication(BaseAuthentication):
    """A request without the header is somebody else's to judge; one with a token that is no good is refused."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != SCHEME:
            return None
        try:
            token = live_token(text.strip().decode("ascii"))
        except UnicodeDecodeError:
            token = None
        if token is None:
            raise exceptions.AuthenticationFailed
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'
