from django import forms
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import User
from accounts.names import NameValidator, plain_name


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 3}), help_text=_("写入审计记录")
    )


class RightsForm(forms.Form):
    """Groups, and for superusers the switch that makes another one. Starts with what `user` has."""

    is_staff = forms.BooleanField(label=_("可登录后台"), required=False, widget=UnfoldBooleanSwitchWidget())
    groups = forms.ModelMultipleChoiceField(
        label=_("员工组"),
        queryset=Group.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    is_superuser = forms.BooleanField(
        label=_("超级管理员"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=_("拥有全部权限，并可授予他人权限"),
    )

    def __init__(self, *args, user: User, actor: User, **kwargs) -> None:
        initial = {"is_staff": user.is_staff, "is_superuser": user.is_superuser, "groups": user.groups.all()}
        super().__init__(*args, initial=initial, **kwargs)
        if not actor.is_superuser:
            del self.fields["is_superuser"]


class StaffForm(forms.Form):
    username = forms.CharField(
        label=_("用户名"),
        max_length=150,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )
    display_name = forms.CharField(
        label=_("昵称"), max_length=60, required=False, widget=UnfoldAdminTextInputWidget({"autocomplete": "off"})
    )
    # Typed again in no second field: it is carried through the preview, and the newcomer changes it anyway.
    password = forms.CharField(
        label=_("初始密码"),
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}, render_value=True),
        help_text=_("告诉员工本人，请其登录后自行修改"),
    )
    groups = forms.ModelMultipleChoiceField(
        label=_("员工组"),
        queryset=Group.objects.order_by("name"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    def clean_username(self) -> str:
        name = plain_name(self.cleaned_data["username"])
        NameValidator()(name)
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError(_("这个用户名已被使用"))
        return name

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        validate_password(password, User(username=self.cleaned_data.get("username", "")))
        return password
