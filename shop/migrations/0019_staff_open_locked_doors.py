"""Who reads the log of sign-ins, opens doors that are locked, lifts lost second factors and sees who leaves, where the first groups are still there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

LOOK = ["view_signintry", "view_lockout", "view_erasure"]
RIGHTS = {"客服": [*LOOK, "unlock_sign_in", "reset_factors"], "风控": [*LOOK, "unlock_sign_in"]}


def give_rights(apps, schema_editor):
    config = apps.get_app_config("accounts")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, codenames in RIGHTS.items():
        found = Permission.objects.filter(content_type__app_label="accounts", codename__in=codenames)
        for group in Group.objects.filter(name=name):
            group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0018_staff_work_on_after_sale"),
        ("accounts", "0006_sign_in_log_locks_and_leaving"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
