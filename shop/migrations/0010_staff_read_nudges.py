"""Who looks at what nudges did: the groups that read earning, where they are still there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

READERS = ["会员运营", "只读"]


def give_rights(apps, schema_editor):
    config = apps.get_app_config("membership")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    found = Permission.objects.filter(content_type__app_label="membership", codename="view_nudge")
    for group in Group.objects.filter(name__in=READERS):
        group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0009_staff_run_rebates"),
        ("membership", "0017_nudges_their_effect_and_who_wants_them"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
