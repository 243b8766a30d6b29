"""What the passes over the base report: differences that wait for somebody, and when each pass last came to its end."""

from collections.abc import Iterable

from django.db.models import Count, Max, QuerySet

from common import clock
from common.metrics import Sample
from membership.models import Difference, Recalculation


def open_differences() -> QuerySet[Difference]:
    """Members who are stored otherwise than their figures or facts say, oldest first."""
    return Difference.objects.filter(cleared_at=None).order_by("found_at", "pk")


def count_differences() -> Iterable[Sample]:
    """Open ones by kind; every kind is there."""
    counted = dict(open_differences().order_by().values_list("kind").annotate(count=Count("pk")))
    for kind in Difference.Kind.values:
        yield Sample(counted.get(kind, 0), {"kind": kind})


def pass_ages() -> Iterable[Sample]:
    """Seconds since a pass of each scope last came to its end; nothing of one that never did."""
    at = clock.now()
    ended = (
        Recalculation.objects.exclude(finished_at=None).order_by().values_list("scope").annotate(at=Max("finished_at"))
    )
    for scope, finished in ended:
        yield Sample((at - finished).total_seconds(), {"scope": scope})


def passes_open() -> Iterable[Sample]:
    """Members whom an unfinished pass has looked at so far."""
    for scope, evaluated in Recalculation.objects.filter(finished_at=None).values_list("scope", "evaluated"):
        yield Sample(evaluated, {"scope": scope})
