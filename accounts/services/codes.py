"""Second factors that are typed: codes of an authenticator app (RFC 6238) and recovery codes.

allauth keeps them and makes them; whether one is right is decided here, because its own limits and its memory of spent
codes are in the cache and forget while Redis is down.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt
from django.db.models import QuerySet

from accounts.exceptions import WrongCode
from accounts.models import User
from audit.services import Limit, give_back, take
from common import clock
from common.exceptions import TooManyRequests

Type = Authenticator.Type
# Only who has passed the first factor, or is signed in, comes this far: so a limit by user shuts no stranger's victim out.
BY_USER = Limit("second factor", burst=5, every=timedelta(minutes=1))
# A code is good for its own half minute and the ones beside it; for longer than all three it is not taken again.
SPENT = Limit("code of an app", burst=1, every=timedelta(minutes=3))
NEIGHBOURS = (0, -1, 1)


def factors_of(user: User) -> QuerySet[Authenticator]:
    """What signing in takes beside the password: any one of these."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=[Type.TOTP, Type.WEBAUTHN])


def has_second_factor(user: User) -> bool:
    """Whether signing in as this user takes more than the password."""
    return factors_of(user).exists()


def has_typed_factor(user: User) -> bool:
    """Whether this user can type a code at all: of an app, or one kept for emergencies."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=[Type.TOTP, Type.RECOVERY_CODES]).exists()


def check_code(*, user: User, code: str) -> Authenticator:
    """Spend a typed code and return what it belongs to. Raises WrongCode, TooManyRequests. Not inside a transaction."""
    at, code = clock.now(), code.replace(" ", "")
    take(BY_USER, subject=str(user.pk), at=at)
    for one in Authenticator.objects.filter(user_id=user.pk, type__in=[Type.TOTP, Type.RECOVERY_CODES]):
        app = one.type == Type.TOTP
        if spend_app_code(user, decrypt(one.data["secret"]), code, at) if app else one.wrap().validate_code(code):
            give_back(BY_USER, subject=str(user.pk))
            return one
    raise WrongCode


def check_new_app(*, user: User, secret: str, code: str) -> None:
    """The first code of an app that is being added. Raises WrongCode, TooManyRequests. Not inside a transaction."""
    at = clock.now()
    take(BY_USER, subject=str(user.pk), at=at)
    if not spend_app_code(user, secret, code.replace(" ", ""), at):
        raise WrongCode
    give_back(BY_USER, subject=str(user.pk))


def spend_app_code(user: User, secret: str, code: str, at: datetime) -> bool:
    """Whether the code is one of this moment and was not used before; it is used now."""
    for counter, right in _codes(secret, at):
        if compare_user_code(actual=code, expected=right):
            try:
                take(SPENT, subject=f"{user.pk} {counter}", at=at)
            except TooManyRequests:
                return False
            return True
    return False


def _codes(secret: str, at: datetime) -> Iterator[tuple[int, str]]:
    now = int(at.timestamp()) // app_settings.TOTP_PERIOD
    for step in NEIGHBOURS:
        yield now + step, format_hotp_value(hotp_value(secret, now + step))
