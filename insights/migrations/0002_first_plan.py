"""The one plan, switched off until somebody has looked at it."""

from django.db import migrations


def make_plan(apps, schema_editor):
    apps.get_model("insights", "WinBackPlan").objects.create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("insights", "0001_win_back")]

    operations = [migrations.RunPython(make_plan, migrations.RunPython.noop)]
