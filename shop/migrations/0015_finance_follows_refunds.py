"""Who reads payments also reads refunds through gateways; whoever confirms payments by hand may settle and send back too."""

from django.contrib.auth.management import create_permissions
from django.db import migrations


def give_rights(apps, schema_editor):
    config = apps.get_app_config("payments")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    of_payments = Permission.objects.filter(content_type__app_label="payments")
    for group in Group.objects.filter(permissions__in=of_payments.filter(codename="view_paymentattempt")):
        group.permissions.add(of_payments.get(codename="view_refund"))
    for group in Group.objects.filter(permissions__in=of_payments.filter(codename="confirm_payment")):
        group.permissions.add(*of_payments.filter(codename__in=["send_back", "settle_refund"]))


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0014_staff_record_reputation"),
        ("payments", "0007_refunds_through_gateways"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
