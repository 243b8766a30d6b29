"""Whoever may refund as finance may also pay out what orders owe guests, and assign money that nobody expected."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUP = "财务"
PERMISSIONS = {"orders": "settle_credit", "payments": "assign_unclaimed"}


def add_permissions(apps, schema_editor):
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for label, codename in PERMISSIONS.items():
        config = apps.get_app_config(label)
        # Without this mark Django takes a historical app for one that has no models.
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
        permission = Permission.objects.get(content_type__app_label=label, codename=codename)
        for group in Group.objects.filter(name=GROUP, permissions__codename="refund_order"):
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0002_groups_may_hold_orders"),
        ("orders", "0006_staff_may_settle_credit"),
        ("payments", "0004_staff_may_assign_unclaimed"),
    ]

    operations = [migrations.RunPython(add_permissions, migrations.RunPython.noop)]
