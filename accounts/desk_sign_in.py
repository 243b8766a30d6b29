"""The door of the admin: unfold's form, counting its tries with all other doors.

Not in accounts.admin: unfold reads it while Django is still putting the admin together.
"""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from accounts.exceptions import PuzzleNeeded, SolveElsewhere
from accounts.models import SignInTry
from accounts.services import check_password_again, count_try, forgive_try, note_wrong_try
from accounts.services.doors import refused
from common.exceptions import DomainError, TooManyRequests


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """The old password counts with all doors at which it can be guessed."""

    def __init__(self, *args, address: str, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.address = address

    def clean_old_password(self) -> str:
        typed = self.cleaned_data["old_password"]
        try:
            check_password_again(user=self.user, password=typed, address=self.address)
        except DomainError as error:
            raise refused(error) from error
        return typed


class SignInForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("用户名或密码不正确，或此账户不能登录后台"),
    }

    def clean(self) -> dict:
        name, address = self.cleaned_data.get("username", ""), self.request.client_address
        try:
            count_try(name=name, address=address)
        except PuzzleNeeded as error:
            raise refused(SolveElsewhere(error)) from error
        except TooManyRequests as error:
            raise refused(error) from error
        try:
            cleaned = super().clean()
        except ValidationError:
            note_wrong_try(name=name, address=address, door=SignInTry.Door.DESK)
            raise
        forgive_try(name=name, address=address, door=SignInTry.Door.DESK, user=self.get_user())
        return cleaned
