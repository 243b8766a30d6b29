"""Who works on win-back: the groups that an operator begins with get what is new, where they are still there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SEES = ["view_winbackplan", "view_spell"]
RIGHTS = {
    "会员运营": [*SEES, "change_winbackplan", "export_spell"],
    "只读": SEES,
}


def give_rights(apps, schema_editor):
    config = apps.get_app_config("insights")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, rights in RIGHTS.items():
        found = Permission.objects.filter(content_type__app_label="insights", codename__in=rights)
        for group in Group.objects.filter(name=name):
            group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0012_staff_adjust_members"),
        ("insights", "0002_first_plan"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
