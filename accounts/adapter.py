"""What django-allauth asks us."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from accounts import services
from accounts.models import User
from common import clock


class AccountAdapter(DefaultAccountAdapter):
    """Registrations go through the service, so that they carry their storefront and are told to the other rooms."""

    def new_user(self, request: HttpRequest) -> User:
        user = super().new_user(request)
        user.home_storefront = request.storefront
        user.date_joined = clock.now()
        return user

    def save_user(self, request: HttpRequest, user: User, form, commit: bool = True) -> User:
        user = super().save_user(request, user, form, commit=False)
        if commit:
            services.register(user=user, storefront_id=request.storefront.pk)
        return user
