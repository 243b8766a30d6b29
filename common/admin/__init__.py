"""The base of every room's admin. See the modules for what each part promises."""

from unfold.decorators import action, display
from unfold.enums import ActionVariant

from common.admin.autocomplete import AutocompleteView
from common.admin.base import ModelAdmin, ReadOnlyAdmin, ReadOnlyInline, StackedInline, TabularInline, allowed
from common.admin.confirm import Fact, Preview, ReasonForm, ask
from common.admin.export import csv_response, csv_table
from common.admin.filters import DayRangeFilter
from common.admin.paging import BoundedPaginator
from common.admin.shown import chip, link_to, moment, money, sub, when

__all__ = [
    "ActionVariant",
    "AutocompleteView",
    "BoundedPaginator",
    "DayRangeFilter",
    "Fact",
    "ModelAdmin",
    "Preview",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "ReasonForm",
    "StackedInline",
    "TabularInline",
    "action",
    "allowed",
    "ask",
    "chip",
    "csv_response",
    "csv_table",
    "display",
    "link_to",
    "moment",
    "money",
    "sub",
    "when",
]
