"""Saying yes to one thing with a passkey (WebAuthn level 3, section 7.2).

Signing in and enrolling are allauth's. A payment needs more than "it is me": what the device signs covers what is agreed
to, so a confirmation of one order is none of another, and none of the same order at another price.
"""

import hashlib
import json
import secrets
from typing import Any

from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django.conf import settings
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import UserVerificationRequirement

from accounts.exceptions import WrongPasskey
from accounts.models import User

# base64url of a credential's parts; attestations of some security keys carry certificates.
LONGEST = 40_000


def has_passkey(user: User) -> bool:
    return Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.WEBAUTHN).exists()


def ask(*, user: User, agreed: str) -> tuple[dict, dict]:
    """(what the browser is asked to sign, what the session keeps until the answer). `agreed` says what the yes is about."""
    nonce = secrets.token_hex(16)
    options, state = auth.get_server().authenticate_begin(
        credentials=auth.get_credentials(user),
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=_challenge(nonce, agreed),
    )
    return dict(options), {"nonce": nonce, "agreed": agreed, "state": state}


def check(*, user: User, agreed: str, kept: dict | None, answer: Any) -> Authenticator:
    """The passkey that said yes to exactly `agreed`. Raises WrongPasskey. `kept` must be thrown away by the caller."""
    if not kept or kept.get("agreed") != agreed or not is_credential(answer):
        raise WrongPasskey
    if kept["state"]["challenge"] != websafe_encode(_challenge(kept["nonce"], agreed)):
        raise WrongPasskey
    try:
        signed = auth.get_server().authenticate_complete(kept["state"], auth.get_credentials(user), answer)
    except (ValueError, TypeError, KeyError) as error:
        # Whatever the library cannot read or verify comes as one of these.
        raise WrongPasskey from error
    found = auth.get_authenticator_by_credential_id(user, signed.credential_id)
    if found is None:
        raise WrongPasskey
    found.record_usage()
    return found


def is_credential(answer: Any) -> bool:
    """Whether this has the shape of what browsers send, and was made on a page of ours; the library reads it without asking,
    and lets every port and subdomain of the shop's host pass."""
    return _has_shape(answer) and _origin(answer) in _our_origins()


def _our_origins() -> set[str]:
    """Where forms may come from: this host and port, and what the operator trusts. Whether plain http will do is the
    library's to say: on localhost only."""
    host = context.request.get_host()
    return {f"https://{host}", f"http://{host}", *settings.CSRF_TRUSTED_ORIGINS}


def _origin(answer: dict) -> Any:
    try:
        told = json.loads(websafe_decode(answer["response"]["clientDataJSON"]))["origin"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return told if isinstance(told, str) else None


def _has_shape(answer: Any) -> bool:
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict):
        return False
    texts = [answer.get("id"), answer.get("rawId"), *(answer["response"].get(name, "") or "" for name in _PARTS)]
    return all(isinstance(text, str) and text.isascii() and len(text) <= LONGEST for text in texts)


_PARTS = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")


def _challenge(nonce: str, agreed: str) -> bytes:
    return hashlib.sha256(f"{nonce}\0{agreed}".encode()).digest()
