"""Who looks at tiers that are stored otherwise than recomputed: the groups that run and read tiers, where they are there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

RIGHTS = {
    "会员运营": ["view_difference", "close_difference"],
    "只读": ["view_difference"],
}


def give_rights(apps, schema_editor):
    config = apps.get_app_config("membership")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, rights in RIGHTS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.add(*Permission.objects.filter(content_type__app_label="membership", codename__in=rights))


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0010_staff_read_nudges"),
        ("membership", "0018_differences_are_closed_and_passes_have_a_total"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
