"""What django-allauth asks us."""

from dataclasses import dataclass
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as current
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.desk_door import AT_DESK
from accounts.exceptions import PuzzleNeeded
from accounts.models import SignInTry, User
from accounts.names import plain_name
from accounts.services.doors import refused
from audit.services import record
from common import clock
from common.exceptions import TooManyRequests
from tenancy.selectors import address_of

# allauth's name for being asked for the password again.
ASKED_AGAIN = "reauthenticate"


@dataclass(frozen=True)
class Site:
    """The shop as allauth's mails name it."""

    name: str
    domain: str


class AccountAdapter(DefaultAccountAdapter):
    """Registrations go through the service, so that they carry their storefront and are told to the other rooms.

    Tries to sign in are counted in the database instead of allauth's cache, which forgets while Redis is down.
    """

    error_messages = {**DefaultAccountAdapter.error_messages, "username_taken": _("这个用户名已被使用")}

    def render_mail(self, template_prefix: str, email: Any, context: dict, headers: dict | None = None) -> EmailMessage:
        """Links in mails lead to the shop, whatever host the request named."""
        request = current.request
        named, ours = request.build_absolute_uri("/"), f"{address_of(request.storefront)}/"
        told = {
            key: ours + value.removeprefix(named) if isinstance(value, str) and value.startswith(named) else value
            for key, value in context.items()
        }
        told["current_site"] = Site(request.storefront.name, ours.partition("://")[2].rstrip("/"))
        return super().render_mail(template_prefix, email, told, headers)

    def format_email_subject(self, subject: str) -> str:
        return f"[{current.request.storefront.name}] {subject}"

    def new_user(self, request: HttpRequest) -> User:
        user = super().new_user(request)
        user.home_storefront = request.storefront
        user.date_joined = clock.now()
        return user

    def save_user(self, request: HttpRequest, user: User, form, commit: bool = True) -> User:
        user = super().save_user(request, user, form, commit=False)
        if commit:
            services.register(
                user=user,
                storefront_id=request.storefront.pk,
                invite_code=request.COOKIES.get(settings.INVITE_COOKIE_NAME, ""),
            )
        return user

    def clean_username(self, username: str, shallow: bool = False) -> str:
        return super().clean_username(plain_name(username), shallow)

    def get_client_ip(self, request: HttpRequest) -> str:
        # Behind our proxy allauth itself would count all visitors as one.
        return request.client_address

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        address = request.client_address
        try:
            if request.user.is_authenticated:
                services.count_again(user=request.user, address=address)
            else:
                services.count_try(name=_name(credentials), address=address, answer=request.POST.get("puzzle", ""))
        except (TooManyRequests, PuzzleNeeded) as error:
            raise refused(error) from error

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user = super().authenticate(request, **credentials)
        address = request.client_address
        if user is not None and request.user.is_authenticated:
            services.forgive_again(user=request.user, address=address)
        elif user is not None:
            services.forgive_try(name=_name(credentials), address=address, door=SignInTry.Door.SHOP, user=user)
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        services.note_wrong_try(name=_name(credentials), address=request.client_address, door=_door(request))

    def get_reauthentication_methods(self, user: User) -> list[dict]:
        """Whoever has a second factor shows it: it is there for the case that somebody else knows the password."""
        ways = super().get_reauthentication_methods(user)
        if not services.has_second_factor(user):
            return ways
        shown = [way for way in ways if way["id"] != ASKED_AGAIN]
        # Of a passkey's owner the only typed codes are those for emergencies.
        has_app = services.factors_of(user).filter(type=Authenticator.Type.TOTP).exists()
        return shown if has_app else shown[::-1]

    def post_login(self, request: HttpRequest, user: User, *, signal_kwargs: dict | None = None, **kwargs: Any):
        if (signal_kwargs or {}).get(AT_DESK):
            record(action="user.desk_sign_in", at=clock.now(), actor=user, target=user, address=request.client_address)
        return super().post_login(request, user, signal_kwargs=signal_kwargs, **kwargs)


def _name(credentials: dict[str, Any]) -> str:
    return credentials.get("username") or credentials.get("email") or ""


def _door(request: HttpRequest) -> str:
    return SignInTry.Door.AGAIN if request.user.is_authenticated else SignInTry.Door.SHOP
