from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0002_retry_permission'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='delivery',
            name='delivery_pending',
        ),
        migrations.AddField(
            model_name='delivery',
            name='rank',
            field=models.PositiveSmallIntegerField(choices=[(0, '优先'), (1, '普通')], db_default=1, default=1, verbose_name='次序'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['rank', 'not_before', 'id'], name='delivery_pending_by_rank'),
        ),
    ]
