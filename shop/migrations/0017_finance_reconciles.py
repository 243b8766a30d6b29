"""Finance compares statements and works on differences; whoever reads payments reads those too."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

WORKS = ["reconcile_channel", "work_case"]
SEES = ["view_reconciliation", "view_reconciliationcase"]


def add_permissions(apps, schema_editor):
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    config = apps.get_app_config("payments")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    for codenames, known_by, name in ((WORKS, "confirm_payment", "财务"), (SEES, "view_topup", "财务"), (SEES, "view_topup", "只读")):
        found = Permission.objects.filter(content_type__app_label="payments", codename__in=codenames)
        for group in Group.objects.filter(name=name, permissions__codename=known_by).distinct():
            group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0016_staff_handle_members_money"),
        ("payments", "0010_statements_are_compared_with_our_books"),
    ]

    operations = [migrations.RunPython(add_permissions, migrations.RunPython.noop)]
