"""Cards of the wallet room on the shelf: a batch's codes become keys of a SKU."""

from django.db import transaction

from accounts.models import User
from catalog.models import KeyBatch, Sku
from catalog.services.importing import add_keys
from common import clock
from common.locks import lock_one
from wallet.services import take_codes_for_stock


def stock_cards(*, batch_id: int, sku_id: int, actor: User, address: str | None = None) -> KeyBatch:
    """Put the codes of a batch of cards into the stock of a SKU, once; the SKU is not sold for balance any more.

    Locks the SKU, then the batch. Raises Moved, CodesGone, NotKeyGoods. Audited.
    """
    with transaction.atomic():
        at = clock.now()
        sku = lock_one(Sku.objects.select_related("product").filter(pk=sku_id))
        texts = take_codes_for_stock(batch_id=batch_id, sku=sku.code, actor=actor, at=at, address=address)
        if not sku.cash_only:
            sku.cash_only = True
            sku.save(update_fields=["cash_only"])
        return add_keys(sku=sku, texts=texts, note=f"cards:{batch_id}", actor=actor, at=at)
