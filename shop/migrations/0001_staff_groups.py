"""The groups that an operator begins with. Superusers change them afterwards; a group that is there is left as it is.

It stands here because no lower room knows all the others. Permissions are made by Django after all migrations, so they
are made here first.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SEES_ORDERS = ["orders.view_order"]
SEES_GOODS = ["catalog.view_product", "catalog.view_sku", "catalog.view_category", "catalog.view_label"]
SEES_STOCK = ["catalog.view_keybatch", "catalog.view_key"]
SEES_MEMBERS = ["accounts.view_user", "membership.view_membertier", "membership.view_tierdecision", "membership.view_activity"]
SEES_RULES = [
    "membership.view_program",
    "membership.view_rulesetversion",
    "membership.view_tierrule",
    "membership.view_benefit",
    "membership.view_skutierprice",
    "membership.view_producttierrate",
    "membership.view_recalculation",
]
SEES_PAYMENTS = ["payments.view_paymentattempt", "payments.view_topup", "payments.view_notifylog"]
SEES_LEDGER = ["wallet.view_account", "wallet.view_transfer", "wallet.view_entry"]


def every(model, *acts):
    app, name = model.split(".")
    return [f"{app}.{act}_{name}" for act in acts]


GROUPS = {
    "商品运营": [
        *SEES_GOODS,
        *SEES_STOCK,
        *every("catalog.product", "add", "change"),
        "catalog.change_sku",
        *every("catalog.category", "add", "change"),
        *every("catalog.label", "add", "change"),
        "catalog.import_keys",
        "catalog.void_key",
        *every("membership.skutierprice", "view", "add", "change", "delete"),
        *every("membership.producttierrate", "view", "add", "change", "delete"),
    ],
    "客服": [
        *SEES_ORDERS,
        *SEES_GOODS,
        *SEES_MEMBERS,
        *SEES_PAYMENTS,
        "orders.refund_order",
        "orders.deliver_order",
        "orders.cancel_order",
        "orders.note_order",
        "orders.reveal_keys",
        "accounts.reset_password",
        "payments.ask_gateway",
        "notifications.view_mail",
        "notifications.retry_mail",
    ],
    "财务": [
        *SEES_ORDERS,
        *SEES_PAYMENTS,
        *SEES_LEDGER,
        "accounts.view_user",
        "orders.refund_order",
        "orders.note_order",
        "orders.export_order",
        "wallet.adjust_wallet",
        "payments.ask_gateway",
        "payments.confirm_payment",
        *every("payments.channel", "view", "add", "change"),
    ],
    "会员运营": [
        *SEES_MEMBERS,
        *SEES_RULES,
        *every("membership.rulesetversion", "add", "change", "delete"),
        "membership.change_tierrule",
        *every("membership.benefit", "add", "change", "delete"),
        *every("membership.skutierprice", "add", "change", "delete"),
        *every("membership.producttierrate", "add", "change", "delete"),
        "membership.publish_rulesetversion",
        "membership.evaluate_member",
    ],
    "风控": [
        *SEES_ORDERS,
        *SEES_MEMBERS,
        *SEES_PAYMENTS,
        *SEES_LEDGER,
        "orders.deliver_order",
        "orders.note_order",
        "accounts.block_user",
        "audit.view_auditentry",
    ],
    "运维": [
        "events.view_event",
        "events.view_delivery",
        "events.retry_delivery",
        "notifications.view_mail",
        "notifications.retry_mail",
        "payments.view_notifylog",
        "audit.view_auditentry",
        *every("tenancy.storefront", "view", "change"),
    ],
    "只读": [*SEES_ORDERS, *SEES_GOODS, *SEES_STOCK, *SEES_MEMBERS, *SEES_RULES, *SEES_PAYMENTS, *SEES_LEDGER],
}


def add_groups(apps, schema_editor):
    for config in apps.get_app_configs():
        # Without this mark Django takes a historical app for one that has no models.
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    known = {f"{one.content_type.app_label}.{one.codename}": one for one in Permission.objects.select_related("content_type")}
    for name, permissions in GROUPS.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set([known[permission] for permission in permissions])


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0002_staff_permissions_and_search"),
        ("audit", "0001_initial"),
        ("catalog", "0004_staff_rights_over_keys"),
        ("events", "0002_retry_permission"),
        ("membership", "0004_evaluate_permission"),
        ("notifications", "0002_retry_permission"),
        ("orders", "0002_staff_permissions"),
        ("payments", "0003_staff_may_ask_and_confirm"),
        ("tenancy", "0002_main_storefront"),
        ("wallet", "0002_adjust_permission_and_memo"),
    ]

    operations = [migrations.RunPython(add_groups, migrations.RunPython.noop)]
