"""The one row of rules about earning: points of a month end together a year later; 200 a day and 800 a week at most."""

from django.db import migrations


def add_rules(apps, schema_editor):
    apps.get_model("membership", "EarningRules").objects.get_or_create(pk=1)


class Migration(migrations.Migration):

    dependencies = [("membership", "0007_points_ledger")]

    operations = [migrations.RunPython(add_rules, migrations.RunPython.noop)]
