"""Birthdays, which members say once; staff correct what was typed wrongly."""

from datetime import date

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common import clock
from common.admin import DayRangeFilter, ModelAdmin, display, moment
from membership.exceptions import NotABirthday
from membership.models import Birthday
from membership.services import correct_birthday
from membership.services.perks import is_birthday


class BirthdayForm(forms.ModelForm):
    """Refuses on the page what the service would refuse."""

    def clean_day(self) -> date:
        day = self.cleaned_data["day"]
        if not is_birthday(day, clock.now()):
            raise forms.ValidationError(str(NotABirthday()))
        return day


@admin.register(Birthday)
class BirthdayAdmin(ModelAdmin):
    form = BirthdayForm
    list_display = ["user", "day", "told"]
    list_filter = [("told_at", DayRangeFilter)]
    export_columns = ["user", "day", "told_at"]
    list_select_related = ["user"]
    search_fields = ["^user__username"]
    search_help_text = _("按用户名的开头查找")
    ordering = ["-told_at"]
    fields = ["user", "day"]
    readonly_fields = ["user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Birthday, form: forms.ModelForm, change: bool) -> None:
        correct_birthday(user_id=obj.pk, day=obj.day)

    @display(description=_("填写时间"), ordering="told_at")
    def told(self, birthday: Birthday):
        return moment(birthday.told_at)
