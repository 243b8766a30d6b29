"""Sums of what members did, read for the evaluator."""

from collections.abc import Sequence
from datetime import date

from membership.metrics import Book, Sum
from membership.models import Bucket, Total


def load_books(member_ids: Sequence[int], *, first: date, last: date) -> dict[int, Book]:
    """The days from `first` to `last` and the totals of these members: one range of the primary key for each."""
    books = {member_id: Book(totals={}) for member_id in member_ids}
    for member_id, metric, category, amount, quantity in Total.objects.filter(member_id__in=member_ids).values_list(
        "member_id", "metric", "category", "amount", "quantity"
    ):
        totals = books[member_id].totals
        if totals is not None:
            totals.setdefault(metric, []).append(Sum(category, amount, quantity))
    _add_days(books, Bucket.objects.filter(member_id__in=member_ids, day__gte=first, day__lte=last))
    return books


def load_whole_book(member_id: int) -> Book:
    """Every day of one member, so that any past day can be read."""
    book = Book()
    _add_days({member_id: book}, Bucket.objects.filter(member_id=member_id))
    return book


def _add_days(books: dict[int, Book], buckets) -> None:
    fields = ("member_id", "day", "metric", "category", "amount", "quantity")
    for member_id, day, metric, category, amount, quantity in buckets.order_by("day").values_list(*fields):
        books[member_id].add(metric, day, Sum(category, amount, quantity))
