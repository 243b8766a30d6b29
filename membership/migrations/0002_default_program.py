"""The platform's program with its first rule set, in force from before the first sale."""

import hashlib
import json
from datetime import datetime, timedelta, timezone

from django.db import migrations

SINCE = datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=8)))


def at_least(metric, window, value):
    return {"m": metric, "win": window, "op": ">=", "v": value}


def tier(rank, name, name_en, enter=None):
    document = {"rank": rank, "name": name, "name_en": name_en, "min_stay_days": 14, "grace_days": 14, "down": "one"}
    return document | ({"enter": enter} if enter else {})


DOCUMENT = {
    "schema": 1,
    "timezone": "Asia/Shanghai",
    "counts": "delivered",
    "exclude": [{"reason": "points_paid", "part": "points_paid"}],
    "tiers": [
        tier(0, "普通会员", "Member"),
        tier(
            1,
            "白银会员",
            "Silver",
            {"any": [at_least("spend", "life", "200.00"), at_least("orders", "life", 5)]},
        ),
        tier(
            2,
            "黄金会员",
            "Gold",
            {"any": [at_least("spend", "30d", "1000.00"), at_least("spend", "life", "3000.00")]},
        ),
        tier(
            3,
            "铂金会员",
            "Platinum",
            {
                "any": [
                    {"all": [at_least("spend", "90d", "5000.00"), at_least("buy_days", "90d", 6)]},
                    at_least("spend", "life", "15000.00"),
                ]
            },
        ),
        tier(
            4,
            "钻石会员",
            "Diamond",
            {
                "any": [
                    {"all": [at_least("spend", "90d", "20000.00"), at_least("orders", "90d", 30)]},
                    at_least("spend", "life", "80000.00"),
                ]
            },
        ),
    ],
}
RATES = {1: "0.9900", 2: "0.9700", 3: "0.9500", 4: "0.9200"}
BADGES = {1: ("银徽章", "Silver badge"), 2: ("金徽章", "Gold badge"), 3: ("铂金徽章", "Platinum badge"), 4: ("钻石徽章", "Diamond badge")}


def add_program(apps, schema_editor):
    Program = apps.get_model("membership", "Program")
    Version = apps.get_model("membership", "RuleSetVersion")
    TierRule = apps.get_model("membership", "TierRule")
    Benefit = apps.get_model("membership", "Benefit")
    program = Program.objects.create(name="卡盟会员", name_en="Kameng membership")
    canonical = json.dumps(DOCUMENT, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    version = Version.objects.create(
        program=program,
        number=1,
        document=DOCUMENT,
        sha256=hashlib.sha256(canonical).hexdigest(),
        note="首个版本",
        created_at=SINCE,
    )
    for item in DOCUMENT["tiers"]:
        rule = TierRule.objects.create(
            version=version,
            rank=item["rank"],
            name=item["name"],
            name_en=item["name_en"],
            enter=item.get("enter"),
            min_stay_days=item["min_stay_days"],
            grace_days=item["grace_days"],
            down=item["down"],
        )
        if item["rank"] in RATES:
            text, text_en = BADGES[item["rank"]]
            Benefit.objects.create(tier=rule, kind="price_rate", layer="everyday", value=RATES[item["rank"]])
            Benefit.objects.create(tier=rule, kind="badge", layer="status", text=text, text_en=text_en, stacking="add")
    version.status = "published"
    version.published_at = version.effective_from = SINCE
    version.save()


class Migration(migrations.Migration):
    dependencies = [("membership", "0001_initial")]

    operations = [migrations.RunPython(add_program, migrations.RunPython.noop)]
