"""Staff groups, with their permissions as a table that people can read."""

from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin, InlineModelAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.services import record
from common import clock
from common.admin import ModelAdmin, display
from common.registries import act_names
from common.texts import led_by, listed

act_names["group.permissions"] = _("更改员工组权限")
ACTS = {"view": _("查看"), "add": _("新增"), "change": _("修改"), "delete": _("删除")}


@dataclass
class Row:
    """What may be done to the rows of one model: by act, then what is special to it."""

    name: str
    acts: dict[str, Permission] = field(default_factory=dict)
    special: list[Permission] = field(default_factory=list)


def meaningful() -> list[Permission]:
    """The permissions that open something in the admin."""
    keepers = keepers_by_model()
    permissions = Permission.objects.select_related("content_type").order_by("content_type_id", "id")
    return [one for one in permissions if any(opens(one, keeper) for keeper in keepers.get(_model_of(one), ()))]


def keepers_by_model() -> dict[str, list[BaseModelAdmin]]:
    """The admins and inlines through which the rows of a model are reached."""
    keepers: dict[str, list[BaseModelAdmin]] = {}
    for model, model_admin in admin.site._registry.items():
        keepers.setdefault(model._meta.label_lower, []).append(model_admin)
        for inline in model_admin.inlines:
            keepers.setdefault(inline.model._meta.label_lower, []).append(inline(model, admin.site))
    return keepers


def _model_of(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.content_type.model}"


@dataclass
class Holder:
    """Somebody on the staff who holds one permission."""

    held: str
    is_active = is_staff = is_authenticated = True
    is_superuser = False
    pk = None

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        return permission == self.held


def opens(permission: Permission, keeper: BaseModelAdmin) -> bool:
    """Whether this permission by itself opens something there: some admins refuse an act to everybody."""
    act = act_of(permission)
    if not act:
        return True
    request = HttpRequest()
    request.user = Holder(f"{permission.content_type.app_label}.{permission.codename}")
    check = getattr(keeper, f"has_{act}_permission")
    if isinstance(keeper, InlineModelAdmin):
        return check(request, None)
    # Some acts are only for rows in a certain state; a new row is in the first.
    return check(request) or (act != "add" and check(request, keeper.model()))


def act_of(permission: Permission) -> str:
    """ "view", "add", "change", "delete", or "" for a permission of the model's own."""
    act, _underscore, model = permission.codename.partition("_")
    return act if act in ACTS and model == permission.content_type.model else ""


def words(permission: Permission) -> str:
    """What it allows, for reading: the act, or the model's own word for it."""
    act = act_of(permission)
    return str(ACTS[act]) if act else gettext(permission.name)


def table(permissions: list[Permission]) -> dict[str, list[Row]]:
    """Rows by the name of the room, in the order in which rooms are installed."""
    rooms: dict[str, dict[int, Row]] = {}
    order = {config.label: number for number, config in enumerate(apps.get_app_configs())}
    for permission in sorted(permissions, key=lambda one: order.get(one.content_type.app_label, 0)):
        kind = permission.content_type
        room = str(apps.get_app_config(kind.app_label).verbose_name)
        model = kind.model_class()
        row = rooms.setdefault(room, {}).setdefault(kind.pk, Row(str(model._meta.verbose_name if model else kind)))
        act = act_of(permission)
        if act:
            row.acts[act] = permission
        else:
            row.special.append(permission)
    return {room: list(rows.values()) for room, rows in rooms.items()}


class PermissionTable(forms.CheckboxSelectMultiple):
    """Check boxes in a table: a line a model, a column an act."""

    template_name = "accounts/admin/permission_table.html"

    def get_context(self, name: str, value: Any, attrs: dict | None) -> dict[str, Any]:
        chosen = {str(one) for one in value or []}
        rooms = [
            (
                room,
                [
                    {
                        "name": row.name,
                        "cells": [
                            (row.acts.get(act), str(getattr(row.acts.get(act), "pk", "")) in chosen) for act in ACTS
                        ],
                        "special": [(one, words(one), str(one.pk) in chosen) for one in row.special],
                    }
                    for row in rows
                ],
            )
            for room, rows in table(meaningful()).items()
        ]
        return {"widget": {"name": name, "acts": list(ACTS.values()), "rooms": rooms}}

    def render(self, name: str, value: Any, attrs: dict | None = None, renderer: Any = None) -> SafeString:
        # Django's form renderer does not know templates/.
        return render_to_string(self.template_name, self.get_context(name, value, attrs))


class GroupForm(forms.ModelForm):
    permissions = forms.ModelMultipleChoiceField(
        label=_("权限"), queryset=Permission.objects.all(), required=False, widget=PermissionTable()
    )

    class Meta:
        model = Group
        fields = ["name", "permissions"]


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    """Only superusers change groups: whoever could, could give himself everything."""

    form = GroupForm
    list_display = ["name", "member_count", "summary"]
    export_columns = list_display
    ordering = ["name"]
    deletable = True
    compressed_fields = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(members=Count("user")).prefetch_related("permissions")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.is_superuser

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        return ["name", "permissions"] if self.has_change_permission(request, obj) else ["name", "shown_permissions"]

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        return [] if self.has_change_permission(request, obj) else ["shown_permissions"]

    def save_related(self, request: HttpRequest, form: GroupForm, formsets: list, change: bool) -> None:
        """Saves, and tells the audit log which permissions came and went: the form's own note says only that some did."""
        group = form.instance
        before = set(group.permissions.values_list("content_type__app_label", "codename"))
        super().save_related(request, form, formsets, change)
        after = set(group.permissions.values_list("content_type__app_label", "codename"))
        if before != after:
            came, went = (sorted(".".join(one) for one in some) for some in (after - before, before - after))
            record(
                action="group.permissions",
                at=clock.now(),
                actor=request.user,
                target=group,
                detail={"name": group.name, "added": came, "removed": went},
                address=request.client_address,
            )

    @display(description=_("员工人数"))
    def member_count(self, group: Group) -> int:
        return group.members

    @display(description=_("权限"))
    def summary(self, group: Group) -> str:
        return gettext("%(count)s 项") % {"count": len(group.permissions.all())}

    @display(description=_("权限"))
    def shown_permissions(self, group: Group):
        held = {permission.pk for permission in group.permissions.all()}
        lines = []
        for room, rows in table([one for one in meaningful() if one.pk in held]).items():
            for row in rows:
                allowed = [words(one) for one in [*row.acts.values(), *row.special]]
                lines.append((room, led_by(row.name, listed(allowed))))
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{} · {}</li>", lines))
