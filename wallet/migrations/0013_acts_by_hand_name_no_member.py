"""What was written with a member's name is left with the number: who leaves is not named there any more."""

from django.db import migrations

KIND, MEMBER = "wallet.by_hand", "accounts.User"


def forget_names(apps, schema_editor):
    Approval, ByHand = apps.get_model("audit", "Approval"), apps.get_model("wallet", "ByHand")
    Entry = apps.get_model("wallet", "Entry")
    for approval in Approval.objects.filter(kind=KIND, target_type=MEMBER):
        approval.detail["name"] = f"#{approval.target_id}"
        approval.save(update_fields=["detail"])
    for row in ByHand.objects.filter(act__in=["adjust", "refund_top_up"]):
        # A correction bears the reference of its transfer; whose top-up was given back stands with the top-up.
        mine = Entry.objects.filter(transfer__ref=row.ref, account__user__isnull=False)
        row.owner_id = mine.values_list("account__user_id", flat=True).first()
        row.target = f"#{row.owner_id}" if row.owner_id else ""
        row.save(update_fields=["owner_id", "target"])


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0004_checks_bear_a_mark"),
        ("wallet", "0012_more_acts_are_money_by_hand"),
    ]

    operations = [migrations.RunPython(forget_names, migrations.RunPython.noop)]
