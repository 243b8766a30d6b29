"""The door of the admin, and the change of the password behind it, as addresses of their own: the admin's own views sign in
after the password, whatever else the account asks for, and count no guesses at it."""

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.desk_sign_in import OwnPasswordForm, SignInForm
from accounts.services import note_own_password

# Told to the adapter when signing in is done, after a second factor too.
AT_DESK = "at_desk"


class DeskDoor(LoginView):
    """Whoever gave the right password goes on as at the shop's own door, so that a second factor is asked for here too."""

    authentication_form = SignInForm
    template_name = "admin/login.html"
    next_page = "admin:index"

    def form_valid(self, form: SignInForm) -> HttpResponse:
        user = form.get_user()
        record_authentication(self.request, user, method="password", username=user.get_username())
        login = Login(user=user, redirect_url=self.get_success_url(), signal_kwargs={AT_DESK: True})
        return perform_login(self.request, login)


def sign_in(request: HttpRequest) -> HttpResponse:
    site = admin.site
    if request.method == "GET" and site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    context = {
        **site.each_context(request),
        "title": _("登录"),
        "subtitle": None,
        "app_path": request.get_full_path(),
        "username": request.user.get_username(),
    }
    if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
        context[REDIRECT_FIELD_NAME] = reverse("admin:index")
    request.current_app = site.name
    return DeskDoor.as_view(extra_context=context)(request)


class OwnPassword(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_success_url(self) -> str:
        return reverse("admin:password_change_done")

    def get_form_kwargs(self) -> dict:
        return {**super().get_form_kwargs(), "address": self.request.client_address}

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:
        answer = super().form_valid(form)
        note_own_password(user=self.request.user, address=self.request.client_address)
        return answer


def change_password(request: HttpRequest) -> HttpResponse:
    request.current_app = admin.site.name
    return OwnPassword.as_view(extra_context=admin.site.each_context(request))(request)
