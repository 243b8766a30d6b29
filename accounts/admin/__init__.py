"""People and rights in the admin. Loading this package registers them, and puts a counter at the admin's door."""

from django.contrib import admin

from accounts.admin import groups, users
from accounts.admin.forms import StaffSignInForm

__all__ = ["groups", "users"]

admin.site.login_form = StaffSignInForm
