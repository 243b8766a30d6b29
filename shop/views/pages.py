"""Pages of the shop window."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from catalog.models import Category


def home(request: HttpRequest) -> HttpResponse:
    categories = Category.objects.filter(is_active=True, parent=None)
    return render(request, "shop/home.html", {"categories": categories})
