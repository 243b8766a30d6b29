"""What both doors, the shop's and the admin's, answer to somebody who tries too often."""

from collections.abc import Callable

from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from common.exceptions import TooManyRequests


class SignInLimitMiddleware:
    """A sign-in form that the limit refused is a 429 with Retry-After, so that proxies and programs see it too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_template_response(self, request: HttpRequest, response: TemplateResponse) -> TemplateResponse:
        form = (response.context_data or {}).get("form")
        if request.method == "POST" and hasattr(form, "errors"):
            for error in form.errors.as_data().get(NON_FIELD_ERRORS, ()):
                if error.code == TooManyRequests.code:
                    response.status_code = TooManyRequests.status
                    response["Retry-After"] = str(error.params["seconds"])
        return response
