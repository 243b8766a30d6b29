"""The correction by hand of what a member has: on the page of that row or, where there may be no row yet, from the member's."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse

from common.admin.confirm import Answer, Preview, ask


class AdjustsMembers:
    """Mixed into the admin of a model with one row a member, whose action `adjust` asks through `ask_to_adjust`.

    `adjust_service` takes what `adjust_form` asks for, and user_id, ref, actor and address.
    """

    adjust_title: Any
    adjust_form: type[forms.Form]
    adjust_service: Callable[..., Any]
    # The sentence that tells the success, with %(name)s.
    adjusted: Any
    # (member, answer) → what the correction would do.
    preview_adjustment: Callable[[Any, Answer], Preview]
    has_adjust_permission: Callable[..., bool]

    def get_urls(self) -> list:
        meta = self.model._meta
        by_member = path(
            "member/<int:user_id>/adjust/",
            self.admin_site.admin_view(self.adjust_member),
            name=f"{meta.app_label}_{meta.model_name}_adjust_member",
        )
        return [by_member, *super().get_urls()]

    def adjust_member(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """The same for a member who has no row yet; leads back to the member's page."""
        if not self.has_adjust_permission(request):
            raise PermissionDenied
        user = get_object_or_404(get_user_model(), pk=user_id)
        return self.ask_to_adjust(request, user, reverse("admin:accounts_user_change", args=[user.pk]))

    def ask_to_adjust(self, request: HttpRequest, user: Any, back: str) -> HttpResponse:
        return ask(
            self,
            request,
            title=self.adjust_title,
            form=self.adjust_form,
            preview=partial(self.preview_adjustment, user),
            run=partial(self._adjust, request, user),
            back=back,
        )

    def _adjust(self, request: HttpRequest, user: Any, answer: Answer) -> str:
        self.adjust_service(
            user_id=user.pk,
            **answer.data,
            ref=f"adjust:{answer.token}"[:80],
            actor=request.user,
            address=request.client_address,
        )
        return self.adjusted % {"name": user.get_username()}
