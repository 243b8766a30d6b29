"""Who records what is known of a member's reputation, where the first group is still there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations


def give_rights(apps, schema_editor):
    config = apps.get_app_config("membership")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    found = Permission.objects.filter(content_type__app_label="membership", codename="record_reputation")
    for group in Group.objects.filter(name="风控"):
        group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0013_staff_run_win_back"),
        ("membership", "0024_permission_to_record_reputation"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
