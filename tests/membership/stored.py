"""Histories as sums in the database: what the services would have stored of them."""

from datetime import date, timedelta

from membership.engine.book import Book
from membership.models import Bucket, Total


def book_of(history, today: date, last: date | None = None) -> Book:
    """Sums from (days ago, metric, category, amount, quantity), up to `last`."""
    book = Book()
    for ago, metric, category, amount, quantity in history:
        day = today - timedelta(days=ago)
        if last is None or day <= last:
            book.put(metric, day, category, amount, quantity)
    return book


def store_book(member_id: int, book: Book) -> None:
    Bucket.objects.bulk_create(
        Bucket(member_id=member_id, day=day, metric=metric, category=category, amount=one.amount, quantity=one.quantity)
        for metric, by_day in book.days.items()
        for day, entries in by_day.items()
        for category, one in entries.items()
    )
    Total.objects.bulk_create(
        Total(
            member_id=member_id,
            metric=metric,
            category=category,
            amount=one.amount,
            quantity=one.quantity,
            first_day=book.first_days.get(metric),
        )
        for metric, entries in book.totals.items()
        for category, one in entries.items()
    )
