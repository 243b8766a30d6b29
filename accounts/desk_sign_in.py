"""The door of the admin: unfold's form, with a limit on guessing that holds while Redis is down, and a note of who came in."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from audit.services import Limit, give_back, record, take
from common import clock
from common.exceptions import TooManyRequests

# Guesses at one account from anywhere, and at all accounts from one place.
BY_NAME = Limit("desk_name", burst=10, every=timedelta(minutes=1))
BY_ADDRESS = Limit("desk_address", burst=30, every=timedelta(seconds=30))


class SignInForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("用户名或密码不正确，或此账户不能登录后台"),
    }

    def clean(self) -> dict:
        name = self.cleaned_data.get("username", "").strip().lower()
        address = getattr(self.request, "client_address", None) or ""
        at = clock.now()
        used = [(BY_ADDRESS, address), (BY_NAME, name)]
        try:
            for limit, subject in used:
                take(limit, subject=subject, at=at)
        except TooManyRequests as error:
            raise ValidationError(str(error), code=error.code) from error
        data = super().clean()
        for limit, subject in used:
            give_back(limit, subject=subject)
        with transaction.atomic():
            user = self.get_user()
            record(action="user.desk_sign_in", at=at, actor=user, target=user, address=address or None)
        return data
