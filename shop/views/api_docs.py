"""The API described: for programs as OpenAPI, for people as a page that needs no script."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.api.schema import document
from shop.reference import chapters


@extend_schema(exclude=True)
class Schema(APIView):
    permission_classes = [AllowAny]
    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer]

    def get(self, request: Request) -> Response:
        return Response(document(get_language() or ""))


def docs(request: HttpRequest) -> HttpResponse:
    schema = document(get_language() or "")
    root = request.build_absolute_uri("/").rstrip("/")
    return render(request, "shop/api_docs.html", {"chapters": chapters(schema), "root": root})
