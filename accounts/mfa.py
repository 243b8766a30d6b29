"""What django-allauth's second factors ask us, and their forms in our words and under our limits."""

from io import BytesIO
from typing import Any

import segno
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base import forms as base
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.models import User
from accounts.sealing import SEALED_AS
from accounts.services.passkeys import is_credential
from common import crypto
from common.exceptions import DomainError

CODE_INPUT = {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 16, "spellcheck": "false"}


class MfaAdapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": _("员工账户必须保留至少一种两步验证方式"),
        "cannot_generate_recovery_codes": _("请先添加验证器或通行密钥，再生成恢复码"),
        "incorrect_code": _("没有通过验证，请再试一次"),
    }

    def encrypt(self, text: str) -> str:
        return crypto.seal_settings({"text": text}, SEALED_AS)

    def decrypt(self, encrypted_text: str) -> str:
        return crypto.unseal_settings(encrypted_text, SEALED_AS)["text"]

    def build_totp_svg(self, url: str) -> str:
        drawn = BytesIO()
        segno.make(url, error="m", micro=False).save(drawn, kind="svg", xmldecl=False, scale=5, border=3, light="#fff")
        return drawn.getvalue().decode()

    def _get_site_name(self) -> str:
        return context.request.storefront.name

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        user = authenticator.user
        return not (settings.STAFF_SECOND_FACTOR and user.is_staff and is_last_factor(authenticator))

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return gettext("通行密钥 %(number)s") % {"number": count + 1}


def is_last_factor(authenticator: Authenticator) -> bool:
    """Whether without it the password alone would sign in."""
    others = Authenticator.objects.filter(user_id=authenticator.user_id).exclude(pk=authenticator.pk)
    return not others.exclude(type=Authenticator.Type.RECOVERY_CODES).exists()


class _Code(forms.Form):
    """A typed code. Limits and spent codes are kept in the database, see accounts.services.codes."""

    code = forms.CharField(label=_("验证码"), max_length=20, widget=forms.TextInput(attrs=CODE_INPUT))

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        try:
            self.check_code(code)
        except DomainError as error:
            raise ValidationError(str(error), code=error.code, params=error.params) from error
        return code

    def check_code(self, code: str) -> None:
        self.authenticator = services.check_code(user=self.user, code=code)
        self.authenticator.user = self.user


class AuthenticateForm(_Code, base.AuthenticateForm):
    pass


class ReauthenticateForm(_Code, base.ReauthenticateForm):
    pass


class ActivateTotpForm(_Code, totp.ActivateTOTPForm):
    def check_code(self, code: str) -> None:
        services.check_new_app(user=self.user, secret=self.secret, code=code)


class CredentialField(forms.JSONField):
    """JSON of any depth is a text like any other that no browser sends."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except RecursionError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        # Nothing of it is shown again: the browser makes a new one.
        return None


class _Credential(forms.Form):
    """What the browser made of a passkey, refused before the library reads what no browser sends."""

    credential = CredentialField(widget=forms.HiddenInput)

    def clean_credential(self) -> Any:
        if not is_credential(self.cleaned_data["credential"]):
            raise ValidationError(_("没有通过验证，请再试一次"))
        try:
            clean = getattr(super(), "clean_credential", lambda: self.cleaned_data["credential"])
            return clean()
        except (KeyError, TypeError, ValueError) as error:
            # The library's ways to say that it cannot read something.
            raise ValidationError(_("没有通过验证，请再试一次")) from error


class AddPasskeyForm(_Credential, webauthn.AddWebAuthnForm):
    # Always one that signs in by itself: a passkey, not merely a second step.
    passwordless = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"] = forms.CharField(
            label=_("名称"), max_length=60, required=False, help_text=_("方便辨认，例如“我的手机”")
        )
        self.order_fields(["name"])

    def clean(self) -> dict:
        try:
            return super().clean()
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(_("没有通过验证，请再试一次")) from error


class AuthenticatePasskeyForm(_Credential, webauthn.AuthenticateWebAuthnForm):
    pass


class LoginPasskeyForm(_Credential, webauthn.LoginWebAuthnForm):
    pass


class ReauthenticatePasskeyForm(_Credential, webauthn.ReauthenticateWebAuthnForm):
    pass


class EditPasskeyForm(webauthn.EditWebAuthnForm):
    name = forms.CharField(label=_("名称"), max_length=60)
