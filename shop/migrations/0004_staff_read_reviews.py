"""Who works on reviews: the groups that an operator begins with get what is new, where they are still there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

MODERATES = ["view_review", "moderate_review", "reply_review"]
RIGHTS = {"商品运营": [*MODERATES, "set_review_rules"], "客服": MODERATES, "只读": ["view_review"]}


def give_rights(apps, schema_editor):
    config = apps.get_app_config("catalog")
    # Without this mark Django takes a historical app for one that has no models.
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, rights in RIGHTS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.add(*Permission.objects.filter(content_type__app_label="catalog", codename__in=rights))


class Migration(migrations.Migration):
    dependencies = [("shop", "0003_finance_may_settle_what_is_owed"), ("catalog", "0006_first_review_rules")]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
