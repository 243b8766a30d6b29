"""What the operator sees of nudges: how many were shown, followed, and did what they were for."""

from datetime import timedelta

import pytest
from django.test import Client

from common import clock
from membership.models import Nudge
from tenancy.models import MAIN_ID

pytestmark = pytest.mark.django_db
LIST = "/admin/membership/nudge/"


@pytest.fixture
def desk(olga):
    client = Client()
    client.force_login(olga)
    return client


def test_nudges_are_counted_by_kind_and_exported(desk, alice):
    at = clock.now()
    for number, more in enumerate([{}, {"clicked_at": at}, {"clicked_at": at, "converted_at": at}]):
        fields = {"user": alice, "storefront_id": MAIN_ID, "kind": "cart", "subject": f"goods{number}", "shown_at": at}
        Nudge.objects.create(**fields, day=clock.day_of(at) - timedelta(days=number), **more)
    html = desk.get(LIST).content.decode()
    assert "2 · 66%" in html and "1 · 33%" in html
    assert "66%" not in desk.get(f"{LIST}?kind=streak").content.decode()
    lines = b"".join(desk.get(f"{LIST}export-csv/").streaming_content).decode()
    assert lines.count("alice") == 3


def test_nobody_writes_them_by_hand(desk, alice):
    assert desk.get(f"{LIST}add/").status_code == 403
