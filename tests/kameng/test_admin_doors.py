"""What staff may ask the admin for, list by list and act by act."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Q
from django.test import RequestFactory
from django.urls import reverse

from tests.architecture.test_urls import STAFF, closed
from tests.desk import at_desk, staff, text_of

pytestmark = pytest.mark.django_db

PARTS_OF_TEXT = ["startswith", "istartswith", "contains", "regex", "endswith", "iexact", "gt__startswith"]
# Everybody on the staff has these to themselves.
OWN = {"admin:index", "admin:search", "admin:password_change", "admin:password_change_done", "desk_password_change"}


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=str), ids=str)
def test_no_list_spells_out_a_column(model, olga):
    """A filter that compares beginnings would give a cookie or a hash away letter by letter."""
    request = RequestFactory().get("/")
    request.user = olga
    desk = admin.site._registry[model]
    for field in model._meta.concrete_fields:
        for part in PARTS_OF_TEXT:
            assert not desk.lookup_allowed(f"{field.name}__{part}", "x", request), field
            assert not desk.lookup_allowed(f"{field.attname}__{part}", "x", request), field
        if field.is_relation:
            assert not desk.lookup_allowed(f"{field.name}__pk__startswith", "x", request), field
    for relation in model._meta.related_objects:
        assert not desk.lookup_allowed(f"{relation.name}__id__exact", "1", request), relation


@pytest.mark.parametrize(
    "address",
    [
        "/admin/orders/order/?device__startswith=a",
        "/admin/orders/order/?device=a",
        "/admin/orders/order/export-csv/?contact=x&device__startswith=a",
        "/admin/accounts/user/?password__startswith=argon2",
        "/admin/accounts/user/?tiers__user__password__startswith=argon2",
        "/admin/notifications/mail/?link__contains=order",
    ],
)
def test_an_address_that_asks_for_a_hidden_column_is_refused(address, olga):
    answer = at_desk(olga).get(address)
    assert answer.status_code in {302, 400, 404}
    if answer.status_code == 302:
        assert "e=1" in answer["Location"], "the list answered"


@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_rights_find_every_door_shut(method):
    client = at_desk(staff("newcomer"))
    for one in closed(STAFF):
        answer = getattr(client, method)(one.path)
        # Django sends who asks for a row that is not there to the front page, whoever they are.
        sent_back = answer.status_code == 302 and answer["Location"] in {"/admin/", f"{one.path}change/"}
        assert sent_back or answer.status_code in {403, 404, 405} or one.name in OWN, f"{method} {one.path}"


def test_acts_ask_for_a_right():
    """An act without `permissions` would be open to whoever knows its address."""
    open_acts = set()
    for desk in admin.site._registry.values():
        for name in ("actions_list", "actions_detail", "actions_row", "actions_submit_line"):
            for act in getattr(desk, name):
                function = getattr(desk, act) if isinstance(act, str) else act
                if isinstance(act, str) and not getattr(function, "allowed_permissions", None):
                    open_acts.add(f"{desk.__class__.__name__}.{act}")
    assert open_acts == set()


# A handful of rows by nature, with nothing to choose between.
# Of a few groups, and of settings in one row.
UNFILTERED = {"auth.Group", "membership.EarningRules", "payments.WithdrawalRules", "wallet.WalletRules"}
EVERY_LIST = pytest.mark.parametrize("model", sorted(admin.site._registry, key=str), ids=str)


def export_of(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + "export-csv/"


@EVERY_LIST
def test_every_list_filters_and_exports(model, looker):
    """For whoever may look, and may do nothing else; some lists leave the shop by a right of their own."""
    assert admin.site._registry[model].list_filter or model._meta.label in UNFILTERED, "no filter"
    answer = at_desk(looker).get(export_of(model))
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    assert b"".join(answer.streaming_content).startswith("\ufeff".encode())


def test_an_empty_list_offers_what_can_be_done(looker):
    """Nobody creates what only services write, and nobody resets filters that they did not set."""
    client, path = at_desk(looker), "/admin/membership/override/"
    empty, filtered = text_of(client.get(path)), text_of(client.get(f"{path}?status__exact=refused"))
    assert "这里还没有记录" in empty and "新建" not in empty and "清除筛选和搜索" not in empty
    assert "没有符合条件的记录" in filtered and "清除筛选和搜索" in filtered
    author = staff("author", "catalog.view_label", "catalog.add_label")
    assert "新建标签" in text_of(at_desk(author).get("/admin/catalog/label/"))


@EVERY_LIST
def test_no_list_is_exported_to_whoever_may_not_look(model):
    assert at_desk(staff("newcomer")).get(export_of(model)).status_code == 403


@EVERY_LIST
def test_exports_read_related_rows_with_their_own(model):
    """Otherwise a file of a million rows asks a million times."""
    desk = admin.site._registry[model]
    fields = {field.name for field in model._meta.concrete_fields if field.is_relation}
    assert fields & set(desk.export_columns) <= {one.split("__")[0] for one in desk.list_select_related or ()}


def test_lines_of_orders_leave_by_the_right_to_export_orders():
    assert at_desk(staff("clerk", "orders.view_order")).get("/admin/orders/orderline/export-csv/").status_code == 403


@pytest.fixture
def looker():
    mine = Permission.objects.filter(Q(codename__startswith="view_") | Q(codename__startswith="export_"))
    return staff(
        "looker", *(f"{one.content_type.app_label}.{one.codename}" for one in mine.select_related("content_type"))
    )
