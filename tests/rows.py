"""One row of any model, as its columns allow; for tests that need something to be there and do not care what."""

import itertools
import secrets
from decimal import Decimal
from typing import Any

from django.db import connection, models
from django.db.models import Model

from common import clock
from tenancy.models import MAIN_ID, Storefront
from wallet.models import ByHandApproval
from wallet.services.hands import KIND as BY_HAND

_numbers = itertools.count(1)


def row_of(model: type[Model], **values: Any) -> Model:
    """An existing row where there is one and nothing is asked of it, else a new one, written past services and rules.

    Takes the rules off its table until the test's transaction is rolled back.
    """
    if model is ByHandApproval and not values:
        # One table holds what all rooms ask a second person for.
        values = {"kind": BY_HAND, "detail": {"act": "adjust", "amount": "1.00", "name": "–"}}
    if not values:
        found = model._base_manager.order_by("pk").first()
        if found is not None:
            return found
    if model is Storefront:
        return Storefront.objects.get(pk=MAIN_ID)
    made = model(**{**_filled(model), **values})
    _lift_rules(model._meta.db_table)
    made.save_base(raw=True, force_insert=True)
    return made


def _lift_rules(table: str) -> None:
    with connection.cursor() as cursor:
        # What waits for the end of the transaction stands in the way of changing a table.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [f'"{table}"']
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _filled(model: type[Model]) -> dict[str, Any]:
    return {
        one.attname: _value(one)
        for one in model._meta.concrete_fields
        if not one.has_default() and not one.null and not isinstance(one, models.AutoField)
    }


def _value(one: models.Field) -> Any:
    if one.is_relation:
        return row_of(one.related_model).pk
    if one.blank and one.empty_strings_allowed:
        return ""
    if one.choices:
        return one.flatchoices[0][0]
    number = next(_numbers)
    kinds = {
        models.BooleanField: False,
        models.DateTimeField: clock.now(),
        models.DateField: clock.now().date(),
        models.DecimalField: Decimal(1),
        models.JSONField: {},
        models.BinaryField: secrets.token_bytes(32),
        models.GenericIPAddressField: "192.0.2.1",
        models.EmailField: f"row{number}@example.com",
        models.SlugField: f"row-{number}",
        models.CharField: f"row {number}"[: one.max_length],
        models.TextField: f"row {number}",
        models.IntegerField: 1,
        models.FloatField: 1.0,
    }
    return next(value for kind, value in kinds.items() if isinstance(one, kind))
