"""The forms of sign-in and registration: what allauth asks, in our words and with as few fields as possible."""

from allauth.account.forms import LoginForm as BaseLogin
from allauth.account.forms import SignupForm as BaseSignup
from django.utils.translation import gettext_lazy as _

from accounts.names import plain_name


class LoginForm(BaseLogin):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("用户名或邮箱")
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)

    def clean_login(self) -> str:
        return plain_name(self.cleaned_data["login"])


class SignupForm(BaseSignup):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("邮箱")
        self.fields["email"].help_text = _("忘记密码时用它找回")
        self.fields["password1"].help_text = _("至少 8 位，不要只用数字")
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
