"""What an error report may say: where it failed and with what error, and nothing that anybody typed or that was in memory.

A frame of a view that shows keys has them among its variables, and a form that imports them has them in its fields. Which names
are harmless is not for a list of names to say, so all values go.
"""

from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class SilentReports(SafeExceptionReporterFilter):
    """Django's reports (mails to ADMINS) without variables, form fields, cookies and settings."""

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        if not self.is_active(request):
            return super().get_post_parameters(request)
        return {} if request is None else dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> list[tuple[str, Any]]:
        if not self.is_active(request):
            return super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]

    def get_safe_settings(self) -> dict[str, Any]:
        return {}

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return dict.fromkeys(getattr(request, "COOKIES", {}), self.cleansed_substitute)

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        found = super().get_safe_request_meta(request)
        return {name: self.cleansed_substitute if "COOKIE" in name else value for name, value in found.items()}
