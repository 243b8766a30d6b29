"""Choosing a row while typing: Django's own answer calls a row by `str()`, which is too short for a part of a whole."""

from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db.models import Model


class AutocompleteView(AutocompleteJsonView):
    """Calls rows by their admin's `full_name(row)` where it has one."""

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, Any]:
        found = super().serialize_result(obj, to_field_name)
        full_name = getattr(self.model_admin, "full_name", None)
        return {**found, "text": full_name(obj)} if full_name else found
