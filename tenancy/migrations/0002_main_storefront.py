from django.db import migrations

MAIN_ID = 1


def add_main_storefront(apps, schema_editor):
    Storefront = apps.get_model("tenancy", "Storefront")
    Storefront.objects.update_or_create(
        pk=MAIN_ID, defaults={"host": "main", "name": "卡盟", "name_en": "Kameng", "status": "active"}
    )
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('tenancy_storefront', 'id'), %s)", [MAIN_ID])


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0001_initial")]

    operations = [migrations.RunPython(add_main_storefront, migrations.RunPython.noop)]
