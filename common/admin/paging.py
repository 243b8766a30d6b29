"""Lists that never count a million rows."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

COUNT_UP_TO = 2000
# No list is that long, and PostgreSQL counts rows in 64 bits.
LAST_PAGE = 10_000_000


class BoundedPage(Page):
    def has_next(self) -> bool:
        return self.paginator.is_capped or super().has_next()


class BoundedPaginator(Paginator):
    """Counts up to COUNT_UP_TO rows and no further: below it the figure is exact, above it the pages simply go on."""

    template_name = "common/admin/pagination.html"

    @cached_property
    def _counted(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            # The order does not matter for a count, and sorting a million rows to count 2001 of them would.
            return rows.order_by()[: COUNT_UP_TO + 1].count()
        return len(rows)

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self._counted > COUNT_UP_TO

    @property
    def cap(self) -> int:
        return COUNT_UP_TO

    @property
    def count(self) -> int:
        return self._counted

    def validate_number(self, number: int | str) -> int:
        if self.is_capped:
            # Page numbers past the count are allowed: such a page may turn out to be empty.
            return min(max(1, int(number)), LAST_PAGE) if str(number).isdecimal() else 1
        return super().validate_number(number)

    def page(self, number: int | str) -> Page:
        number = self.validate_number(number)
        bottom = (number - 1) * self.per_page
        top = bottom + self.per_page
        if not self.is_capped and top + self.orphans >= self.count:
            top = self.count
        return BoundedPage(self.object_list[bottom:top], number, self)


class UncountedList(ChangeList):
    """Says nothing of a whole that nobody counted: unfold would put "2001 results (show all)" into the title."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count: Any = self.result_count
