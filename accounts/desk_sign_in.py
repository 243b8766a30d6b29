"""The door of the admin: unfold's form, counting its tries with all other doors.

Not in accounts.admin: unfold reads it while Django is still putting the admin together.
"""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from accounts.models import SignInTry
from accounts.services import count_try, forgive_try, note_wrong_try
from common.exceptions import TooManyRequests


class SignInForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("用户名或密码不正确，或此账户不能登录后台"),
    }

    def clean(self) -> dict:
        name, address = self.cleaned_data.get("username", ""), self.request.client_address
        try:
            count_try(name=name, address=address)
        except TooManyRequests as error:
            raise ValidationError(str(error), code=error.code, params=error.params) from error
        try:
            cleaned = super().clean()
        except ValidationError:
            note_wrong_try(name=name, address=address, door=SignInTry.Door.DESK)
            raise
        forgive_try(name=name, address=address, door=SignInTry.Door.DESK, user=self.get_user())
        return cleaned
