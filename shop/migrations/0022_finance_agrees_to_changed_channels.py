"""Whoever sees and changes channels sees which changes of them wait for a second person."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.models import Q


def give_rights(apps, schema_editor):
    config = apps.get_app_config("payments")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    of_payments = Permission.objects.filter(content_type__app_label="payments")
    look = of_payments.get(codename="view_channelchange")
    held = of_payments.filter(codename__in=["view_channel", "change_channel"])
    for group in Group.objects.filter(Q(permissions__in=held)).distinct():
        group.permissions.add(look)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0021_staff_agree_to_money_by_hand"),
        ("payments", "0016_channels_change_by_two_persons"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
