"""Who works on earning: the groups that an operator begins with get what is new, where they are still there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SEES_POINTS = ["view_pointsaccount", "view_pointsentry"]
SEES_EARNING = [*SEES_POINTS, "view_task", "view_checkinreward", "view_checkin", "view_referral", "view_feedback"]
SEES_EARNING += ["view_passoffer", "view_pass", "view_earningrules"]
WRITES = [f"{act}_{model}" for act in ("add", "change") for model in ("task", "checkinreward", "passoffer")]
RIGHTS = {
    "客服": [*SEES_POINTS, "view_feedback", "decide_feedback"],
    "会员运营": [*SEES_EARNING, *WRITES, "change_earningrules", "adjust_points", "decide_feedback"],
    "风控": [*SEES_POINTS, "view_referral", "view_feedback", "decide_feedback"],
    "只读": SEES_EARNING,
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
        ("shop", "0006_staff_run_coupons"),
        ("membership", "0010_first_rewards_and_tasks"),
    ]

    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
