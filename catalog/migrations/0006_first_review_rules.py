"""The one row of rules about reviews: half a year to write one, and the words that advertisers use most."""

from django.db import migrations

WORDS = """加微信
加我微信
加微
加v信
威信
加QQ
扣扣群
私聊
返现
刷单
代刷
代充群
低价渠道
博彩
彩票
外挂
辅助群
傻逼
妈的
骗子公司"""


def add_rules(apps, schema_editor):
    apps.get_model("catalog", "ReviewRules").objects.get_or_create(pk=1, defaults={"window_days": 180, "words": WORDS})


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_product_reviews")]

    operations = [migrations.RunPython(add_rules, migrations.RunPython.noop)]
