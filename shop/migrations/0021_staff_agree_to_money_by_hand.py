"""Who handles money sees what was done by one person's word, and can be the second person: the groups that an operator begins
with, where they are there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

LOOK = ["view_byhand", "view_byhandapproval"]
RIGHTS = {"财务": [*LOOK, "approve_by_hand"], "风控": [*LOOK, "approve_by_hand"], "只读": LOOK}


def give_rights(apps, schema_editor):
    config = apps.get_app_config("wallet")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, codenames in RIGHTS.items():
        found = Permission.objects.filter(content_type__app_label="wallet", codename__in=codenames)
        for group in Group.objects.filter(name=name):
            group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0020_staff_see_delivery_rules"),
        ("wallet", "0011_money_by_one_persons_word"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
