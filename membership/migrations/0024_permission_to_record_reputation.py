from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('membership', '0023_two_persons_and_published_rules_are_held_by_the_database'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='activity',
            options={'permissions': [('flag_activity', '判定活动不计入'), ('record_reputation', '登记会员信誉')], 'verbose_name': '活动记录', 'verbose_name_plural': '活动记录'},
        ),
    ]
