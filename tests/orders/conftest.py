"""What cases of after-sale are about, and who decides them."""

import pytest

from catalog.models import Product
from common import clock
from orders.models import Order


@pytest.fixture
def warranted(shelf):
    """warranted("10.00", keys=5) → a SKU under thirty days of warranty."""

    def make(price: str = "10.00", keys: int = 6, days: int = 30, **fields):
        sku = shelf.sku(price, keys=keys, **fields)
        Product.objects.filter(pk=sku.product_id).update(warranty_days=days)
        sku.product.refresh_from_db()
        return sku

    return make


@pytest.fixture
def bought(shelf, warranted, alice) -> Order:
    """Alice's three keys for 30 yuan; three more are in stock."""
    return shelf.buy(alice, (warranted(), 3), from_wallet=True)


@pytest.fixture
def peter(django_user_model):
    """Another member of staff."""
    return django_user_model.objects.create_user(
        "peter", "tea-and-keys-9", is_staff=True, is_superuser=True, date_joined=clock.now()
    )
