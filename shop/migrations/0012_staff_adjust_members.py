"""Who sets ranks beside the rules and who finds that activity does not count, where the first groups are still there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

RIGHTS = {
    "客服": ["view_override", "propose_override"],
    "会员运营": ["view_override", "propose_override", "approve_override"],
    "风控": ["view_override", "propose_override", "flag_activity"],
    "只读": ["view_override"],
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
        ("shop", "0011_staff_close_tier_differences"),
        ("membership", "0019_permissions_to_propose_and_to_flag"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
