from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('membership', '0020_members_have_fewer_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='pointsentry',
            name='memo_en',
            field=models.CharField(blank=True, max_length=200, verbose_name='英文说明'),
        ),
    ]
