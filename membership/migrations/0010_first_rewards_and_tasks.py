"""What a new shop begins with: check-in gifts, two passes, and tasks of a minute. Operators change them in the admin."""

from django.db import migrations

OFFERS = [
    {"kind": "boost", "name": "加速包", "name_en": "Booster", "price": 300, "days": 3, "limit": 2, "position": 1},
    {"kind": "upgrade", "name": "升级体验券", "name_en": "Upgrade pass", "price": 800, "days": 14, "position": 2},
]
REWARDS = [
    {"streak": 0, "points": 5, "activity": 2},
    {"streak": 3, "points": 10},
    {"streak": 7, "points": 30, "activity": 10},
    {"streak": 30, "points": 150, "activity": 30},
]
TASKS = [
    {
        "kind": "browse", "name": "逛逛 5 款商品", "name_en": "Look at 5 products", "target": 5, "window": "day",
        "points": 5, "activity": 2, "effort": 2,
    },
    {
        "kind": "first_order", "name": "完成第一单", "name_en": "Place your first order", "window": "once",
        "audience": "no_orders", "points": 100, "activity": 20, "effort": 4,
    },
    {
        "kind": "review", "name": "评价买过的商品", "name_en": "Review something you bought", "window": "week",
        "points": 20, "activity": 10, "effort": 3,
        "text": "通过审核后发放", "text_en": "Granted once it is published",
    },
    {
        "kind": "check_in", "name": "本周签到 5 天", "name_en": "Check in on 5 days this week", "target": 5,
        "window": "week", "points": 20, "activity": 5, "effort": 1,
    },
    {
        "kind": "share", "name": "把店铺分享给朋友", "name_en": "Share the shop with a friend", "window": "week",
        "points": 10, "activity": 2, "effort": 2,
        "text": "朋友打开你的链接后发放", "text_en": "Granted once a friend opens your link",
    },
    {
        "kind": "invite", "name": "邀请一位好友注册", "name_en": "Invite a friend to join", "window": "month",
        "points": 20, "activity": 5, "effort": 5, "cap": 6,
    },
    {
        "kind": "feedback", "name": "提一条建议", "name_en": "Send us an idea", "window": "month", "points": 20,
        "activity": 5, "effort": 4, "text": "采纳后发放", "text_en": "Granted once it is accepted",
    },
]


def add_first_rows(apps, schema_editor):
    Offer = apps.get_model("membership", "PassOffer")
    Reward = apps.get_model("membership", "CheckInReward")
    Task = apps.get_model("membership", "Task")
    if Task.objects.exists() or Reward.objects.exists() or Offer.objects.exists():
        return
    booster, _upgrade = [Offer.objects.create(**offer) for offer in OFFERS]
    Reward.objects.bulk_create(Reward(**reward) for reward in REWARDS)
    Reward.objects.create(streak=3, audience="quiet", offer=booster)
    Task.objects.bulk_create(Task(position=number, **task) for number, task in enumerate(TASKS, start=1))


class Migration(migrations.Migration):

    dependencies = [("membership", "0009_check_ins_tasks_invites_feedback_passes")]

    operations = [migrations.RunPython(add_first_rows, migrations.RunPython.noop)]
