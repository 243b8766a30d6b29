"""Filters whose addresses other pages (the dashboard) can write."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_date
from unfold.contrib.filters.forms import RangeDateForm

from common.clock import start_of_day


class DayRangeFilter(admin.FieldListFilter):
    """Rows from one Asia/Shanghai day to another, both included: `?<field>_from=2026-11-01&<field>_to=2026-11-22`.

    For DateTimeFields. unfold's own compares a bare date with a moment, and so loses the last day.
    """

    template = "unfold/filters/filters_date_range.html"

    def __init__(self, field, request: HttpRequest, params: dict, model, model_admin, field_path: str) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self.request = request

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.field_path}_from", f"{self.field_path}_to"]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        first, last = (self._day(name) for name in self.expected_parameters())
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": start_of_day(first)})
        if last:
            queryset = queryset.filter(**{f"{self.field_path}__lt": start_of_day(last + timedelta(days=1))})
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        yield {
            "request": self.request,
            "parameter_name": self.field_path,
            "form": RangeDateForm(
                name=self.field_path, data={name: self._asked(name) for name in self.expected_parameters()}
            ),
        }

    def _asked(self, name: str | None) -> str:
        value = self.used_parameters.get(name, "")
        return str(value[-1] if isinstance(value, list) else value)

    def _day(self, name: str | None) -> date | None:
        """The day that was asked for; None for what is not one, as if it had not been asked."""
        try:
            day = parse_date(self._asked(name))
        except ValueError:
            return None
        return day if day and 1970 <= day.year <= 9000 else None
