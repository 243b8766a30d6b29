"""ModelAdmin for every room: no slow counts, nothing deleted, every change in the audit log, CSV export, contributed inlines."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.utils import flatten
from django.contrib.admin.views.main import SEARCH_VAR
from django.db import transaction
from django.db.models import DecimalField, Model
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin as UnfoldAdmin
from unfold.admin import StackedInline as UnfoldStacked
from unfold.admin import TabularInline as UnfoldTabular
from unfold.decorators import action

from common import clock
from common.admin.export import csv_response
from common.admin.paging import BoundedPaginator, UncountedList
from common.admin.telling import told
from common.forms import PlainDecimalField
from common.privacy import is_nobodys
from common.registries import admin_inlines, panels_of, record_act, timeline_of

# Where there is nothing; Django's own is a hyphen, which stands for nothing else here.
EMPTY = "–"
# What Django's and unfold's field filters ask for.
COMPARISONS = {"", "exact", "in", "isnull", "gte", "gt", "lte", "lt"}


def allowed(permission: str) -> Callable[..., bool]:
    """A `has_…_permission` method for an admin class, answering for a permission such as "orders.refund_order".

    unfold's `@action(permissions=["orders.refund_order"])` looks the permission up while Django checks itself, which
    fails on an empty database; so actions name a method: `has_refund_permission = allowed(…)`, `permissions=["refund"]`.
    """

    def check(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(permission)

    return check


def filtered_fields(filters: Sequence[Any]) -> set[str]:
    """The fields, by their paths, that these entries of `list_filter` are about, and the parameters of our own filters."""
    named = {getattr(one, "parameter_name", None) for one in filters if isinstance(one, type)} - {None}
    return named | {one if isinstance(one, str) else one[0] for one in filters if isinstance(one, str | tuple | list)}


def compares(lookup: str, field: str) -> bool:
    """Whether the lookup is one that a filter on this field makes: whole values and ranges, no parts of texts."""
    if lookup != field and not lookup.startswith(field + LOOKUP_SEP):
        return False
    *target, last = lookup.removeprefix(field).removeprefix(LOOKUP_SEP).split(LOOKUP_SEP)
    return last in COMPARISONS and target in ([], ["id"], ["pk"])


# A number of ours, a choice, a day; what else is asked for may be somebody's name, address or phone.
NOBODYS_VALUE = re.compile(r"\d{1,9}|[a-z_]{1,20}|\d{4}-\d\d-\d\d")


def told_filters(asked: QueryDict) -> str:
    """What an address filters by, for a log that forgets nothing: of searches, and of values that may tell of somebody,
    only how long they are."""
    told = (
        f"{name}={value}" if name != SEARCH_VAR and NOBODYS_VALUE.fullmatch(value) else f"{name}:{len(value)}"
        for name, value in asked.items()
    )
    return "&".join(told)[:500]


class ModelAdmin(UnfoldAdmin):
    """Nothing with history is deleted: an admin that may delete says `deletable = True`.

    `export_columns` (names as in list_display) puts a CSV button on the list; it exports what the list shows, whole. Lists
    that are about people name the right to take them along in `export_right`; of others whoever sees them may.

    A list answers for the fields of its filters and for `linked_lookups`, which other pages link to, and for nothing else.
    Django would compare every column with what an address asks, so that whoever may see the list could spell out a
    password's hash or a guest's cookie letter by letter.
    """

    paginator = BoundedPaginator
    formfield_overrides = {DecimalField: {"form_class": PlainDecimalField}}
    empty_value_display = EMPTY
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    # "Select all" would act on rows that nobody has looked at; acts on many rows go through a preview of their own.
    list_disable_select_all = True
    list_filter_submit = True
    list_filter_sheet = True
    warn_unsaved_form = True
    change_form_outer_after_template = "common/admin/beside.html"
    deletable = False
    export_columns: Sequence[str] = ()
    export_right = ""
    linked_lookups: Sequence[str] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Hidden ones too: a relation that has no name here can still be followed by the one that Django makes up.
        names = {field.name for field in self.opts.get_fields(include_hidden=True)} | {
            field.attname for field in self.opts.concrete_fields
        }
        if lookup.split(LOOKUP_SEP)[0] not in names | {"pk"}:
            return True  # The parameter of a filter with a name of its own: it reads no column by itself.
        return lookup in self.linked_lookups or any(
            compares(lookup, field) for field in filtered_fields(self.get_list_filter(request))
        )

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.deletable and super().has_delete_permission(request, obj)

    def has_export_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = not self.export_right or request.user.has_perm(self.export_right)
        return may and bool(self.export_columns) and self.has_view_permission(request)

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[type]:
        contributed = admin_inlines.of(self.model._meta.label) if obj is not None else []
        return [*super().get_inlines(request, obj), *contributed]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[UncountedList]:
        return UncountedList

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        if obj is not None and change:
            context["panels"] = panels_of(obj, request.user)
            context["timeline"] = told(timeline_of(obj, request.user))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        # The export button repeats the list's filters.
        for offered in (getattr(response, "context_data", None) or {}).get("actions_list", ()):
            if offered.get("path", "").endswith("/export-csv/") and request.GET:
                offered["path"] += f"?{request.GET.urlencode()}"
        return response

    def fitting_acts(self, obj: Any, user: Any) -> Collection[str]:
        """The acts of a row's page (`actions_detail`) for which the row is in the right state, and `user` the right person."""
        return self.actions_detail

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list:
        offered = super().get_actions_detail(request, object_id)
        obj = self.get_object(request, str(object_id)) if offered else None
        if obj is None:
            return []
        fit = {f"{self.opts.app_label}_{self.opts.model_name}_{name}" for name in self.fitting_acts(obj, request.user)}
        return [one for one in offered if one.action_name in fit]

    @property
    def _offers_export(self) -> bool:
        return bool(self.export_columns)

    def _get_base_actions_list(self) -> list:
        offered = super()._get_base_actions_list()
        return [*offered, self.get_unfold_action("export_csv")] if self._offers_export else offered

    def _get_actions_navigation(self, provided_actions, allowed_actions, object_id=None):
        if object_id is None and self._offers_export and provided_actions is self.actions_list:
            provided_actions = [*provided_actions, "export_csv"]
        return super()._get_actions_navigation(provided_actions, allowed_actions, object_id)

    @action(description=_("导出 CSV"), url_path="export-csv", icon="download", permissions=["export"])
    def export_csv(self, request: HttpRequest) -> HttpResponse:
        """All rows that the list's filters and search find, streamed; the export itself goes into the audit log."""
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters as error:
            raise Http404 from error
        with transaction.atomic():
            record_act(
                action="admin.export",
                at=clock.now(),
                actor=request.user,
                target_type=self.model._meta.label,
                detail={"filters": told_filters(request.GET)},
                address=getattr(request, "client_address", None),
            )
        filename = f"{self.model._meta.model_name}-{timezone.localtime(clock.now()):%Y%m%d-%H%M}.csv"
        return csv_response(rows, self.export_columns, model_admin=self, filename=filename)

    def one(self, request: HttpRequest, object_id: Any) -> Any:
        """The row of a page's action, within what this user may see. Raises Http404."""
        found = self.get_object(request, str(object_id))
        if found is None:
            raise Http404
        return found

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._record(request, "admin.add", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._record(request, "admin.change", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._record(request, "admin.delete", obj, [])
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, name: str, obj: Model, message: Any) -> None:
        # The name of what belongs to somebody may be theirs; its number stands in the entry anyway.
        detail = {"name": str(obj)[:200]} if is_nobodys(obj._meta.label) else {}
        if message:
            detail["what"] = message
        record_act(
            action=name,
            at=clock.now(),
            actor=request.user,
            target=obj,
            detail=detail,
            address=getattr(request, "client_address", None),
        )


class _LookOnly:
    """View permission only, whoever asks."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _AllReadOnly(_LookOnly):
    """Whatever is in `fields` is shown as it is."""

    fields: Sequence[Any] | None
    readonly_fields: Sequence[str]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return self.readonly_fields or flatten(self.fields or ())


class ReadOnlyAdmin(_AllReadOnly, ModelAdmin):
    """Ledgers, history and whatever only services write. Acts of staff are actions of their own."""

    warn_unsaved_form = False
    actions: Sequence[Any] = ()

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        # Django's own history knows of forms that were saved here; there are none. What happened is on the timeline.
        context["show_history"] = False
        return super().render_change_form(request, context, add, change, form_url, obj)


class TabularInline(UnfoldTabular):
    extra = 0
    empty_value_display = EMPTY


class StackedInline(UnfoldStacked):
    extra = 0
    empty_value_display = EMPTY


class ReadOnlyInline(_AllReadOnly, UnfoldTabular):
    extra = 0
    empty_value_display = EMPTY
    max_num = 0
    show_change_link = False
    can_delete = False
