"""Holding back an order's goods got a permission of its own; releasing them, which needed that of delivering, belongs to it."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ["客服", "风控"]


def add_permission(apps, schema_editor):
    config = apps.get_app_config("orders")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    orders = Permission.objects.filter(content_type__app_label="orders")
    orders.filter(codename="deliver_order").update(name="补发、人工发货")
    for group in Group.objects.filter(name__in=GROUPS, permissions__codename="deliver_order"):
        group.permissions.add(orders.get(codename="hold_order"))


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_staff_groups"), ("orders", "0003_pieces_paid_back_and_hold_permission")]

    operations = [migrations.RunPython(add_permission, migrations.RunPython.noop)]
