import pytest
from django.test import Client

from tests.desk import at_desk, staff

GOODS = (
    "catalog.view_product",
    "catalog.add_product",
    "catalog.change_product",
    "catalog.view_sku",
    "catalog.add_sku",
    "catalog.change_sku",
    "catalog.view_category",
    "catalog.view_keybatch",
    "catalog.import_keys",
    "catalog.view_key",
)


@pytest.fixture
def gina(db) -> Client:
    """Keeps the goods."""
    return at_desk(staff("gina", *GOODS))
