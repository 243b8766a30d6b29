"""What staff does with keys in stock: look at one, take some out, change the order of sale, set a reusable secret."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.models import AuditEntry
from audit.services import record
from catalog.exceptions import KeysMoved, NotKeyGoods, TooManyReveals
from catalog.keyfiles import clean, mask
from catalog.models import Key, Product, ReusableSecret, Sku
from catalog.services.sealing import new_data_key, open_key, seal_reusable
from common import clock
from common.exceptions import BadInput
from common.locks import lock, lock_one

REVEAL = "key.reveal"
# One counter for all ways of looking, the higher room's too: two doors must not let twice as much out.
REVEALS = [REVEAL, "order.reveal"]
_EMPTY_SECRET = _("请填写通用卡密，不超过 20000 字")
MAX_SECRET = 20_000

# Random positions need 62 bits, so that equal ones stay out of the question.
_REORDER = {
    Sku.SaleOrder.OLDEST: "id",
    Sku.SaleOrder.NEWEST: "-id",
    Sku.SaleOrder.RANDOM: "(random() * 4611686018427387904)::bigint",
}


def sale_position(sale_order: str, key_id: int) -> int:
    """Keys are sold by rising position: oldest first, newest first, or in no order."""
    if sale_order == Sku.SaleOrder.NEWEST:
        return -key_id
    if sale_order == Sku.SaleOrder.RANDOM:
        return secrets.randbits(62)
    return key_id


def put_in_order(sku: Sku) -> int:
    """Give the keys of a SKU that are still on sale their positions anew, in the caller's transaction; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE catalog_key SET position = {_REORDER[Sku.SaleOrder(sku.sale_order)]}"  # noqa: S608 - one of three of ours
            " WHERE sku_id = %s AND state = 'available'",
            [sku.pk],
        )
        return cursor.rowcount


def looks_left(*, actor: User, at: datetime) -> int:
    """How many more keys this member of staff may look at now, wherever; in the transaction of the look.

    The audit log is the counter: every look is there as `…reveal`, with a `count` where it was at several. Locks the actor's
    row, so that parallel looks count each other. Raises TooManyReveals when none is left.
    """
    lock_one(User.objects.filter(pk=actor.pk))
    looks = AuditEntry.objects.filter(action__in=REVEALS, actor_id=actor.pk, at__gt=at - timedelta(hours=1))
    seen = sum(detail.get("count", 1) for detail in looks.values_list("detail", flat=True))
    if seen >= settings.KEY_REVEALS_PER_HOUR:
        raise TooManyReveals(limit=settings.KEY_REVEALS_PER_HOUR)
    return settings.KEY_REVEALS_PER_HOUR - seen


def reveal_key(*, key_id: int, actor: User, address: str | None = None) -> str:
    """The key itself, for staff; each look is written to the audit log. Raises TooManyReveals, DecryptionFailed."""
    with transaction.atomic():
        at = clock.now()
        looks_left(actor=actor, at=at)
        key = Key.objects.select_related("data_key", "sku").get(pk=key_id)
        text = open_key(key)
        detail = {"sku": key.sku.code, "state": key.state, "batch": key.batch_id}
        record(action=REVEAL, at=at, actor=actor, target=key, detail=detail, address=address)
    return text


def void_keys(*, key_ids: Sequence[int], actor: User | None = None) -> int:
    """Take keys off sale for good; returns how many. Locks the keys.

    Raises KeysMoved when one of them is reserved or sold: nothing is changed then.
    """
    with transaction.atomic():
        keys = lock(Key.objects.filter(pk__in=key_ids))
        if any(key.state not in {Key.State.AVAILABLE, Key.State.VOID} for key in keys):
            raise KeysMoved
        voided = [key.pk for key in keys if key.state == Key.State.AVAILABLE]
        Key.objects.filter(pk__in=voided).update(state=Key.State.VOID)
        if voided:
            detail = {"keys": len(voided), "first": voided[0], "last": voided[-1]}
            record(action="keys.void", at=clock.now(), actor=actor, target_type=Key._meta.label, detail=detail)
    return len(voided)


def set_reusable(*, sku: Sku, text: str, actor: User | None = None) -> ReusableSecret:
    """Make `text` what every further buyer of this SKU gets; what was sold before stays as it was. Locks the SKU.

    Raises NotKeyGoods for a product of another kind, BadInput for an empty or far too long text.
    """
    text = clean(text)
    if sku.product.kind != Product.Kind.REUSABLE:
        raise NotKeyGoods
    if not text or len(text) > MAX_SECRET:
        raise BadInput("bad_secret", _EMPTY_SECRET)
    with transaction.atomic():
        at = clock.now()
        lock_one(Sku.objects.filter(pk=sku.pk))
        ReusableSecret.objects.filter(sku=sku, replaced_at=None).update(replaced_at=at)
        data_key = new_data_key(at=at)
        secret = ReusableSecret.objects.create(
            sku=sku, data_key=data_key, ciphertext=b"", preview=mask(text), created_at=at
        )
        secret.ciphertext = seal_reusable(text, secret_id=secret.pk, data_key=data_key)
        secret.save(update_fields=["ciphertext"])
        record(action="reusable.set", at=at, actor=actor, target=secret, detail={"sku": sku.code})
    return secret
