"""The forms of sign-in and registration: what allauth asks, in our words, with as few fields as possible, and under limits
that hold while Redis is down (allauth's own are in the cache)."""

from datetime import timedelta

from allauth.account.forms import AddEmailForm as BaseAddEmail
from allauth.account.forms import ChangePasswordForm as BaseChange
from allauth.account.forms import LoginForm as BaseLogin
from allauth.account.forms import ResetPasswordForm as BaseReset
from allauth.account.forms import SignupForm as BaseSignup
from allauth.core import context
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.exceptions import PuzzleNeeded
from accounts.names import plain_name
from accounts.services.doors import REGISTER, RESET, AtDoor, refused
from audit.services import Limit, take
from common import clock
from common.addresses import counted_as
from common.exceptions import DomainError

MAILS = Limit("mails to a new address", burst=5, every=timedelta(minutes=10))


class LoginForm(AtDoor, BaseLogin):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("用户名或邮箱")
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)

    def clean_login(self) -> str:
        return plain_name(self.cleaned_data["login"])

    def clean(self) -> dict:
        try:
            return super().clean()
        except ValidationError as error:
            if isinstance(error.__cause__, PuzzleNeeded):
                self.puzzle = error.__cause__.puzzle
            raise


class SignupForm(AtDoor, BaseSignup):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("邮箱")
        self.fields["email"].help_text = _("忘记密码时用它找回")
        self.fields["password1"].help_text = _("至少 8 位，不要只用数字")
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)

    def clean(self) -> dict:
        cleaned = super().clean()
        if not self.errors:
            self.go_through(REGISTER, counted_as(context.request.client_address))
        return cleaned


class ResetPasswordForm(AtDoor, BaseReset):
    def clean(self) -> dict:
        cleaned = super().clean()
        if not self.errors:
            self.go_through(RESET, counted_as(context.request.client_address))
        return cleaned


class AddEmailForm(BaseAddEmail):
    def clean(self) -> dict:
        cleaned = super().clean()
        if not self.errors:
            try:
                take(MAILS, subject=str(self.user.pk), at=clock.now())
            except DomainError as error:
                raise refused(error) from error
        return cleaned


class ChangePasswordForm(BaseChange):
    def clean_oldpassword(self) -> str:
        """Counts with all other doors at which the password can be guessed."""
        typed, address = self.cleaned_data.get("oldpassword", ""), context.request.client_address
        try:
            services.check_password_again(user=self.user, password=typed, address=address)
        except DomainError as error:
            raise refused(error) from error
        return typed
