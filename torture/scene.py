"""What a family needs to begin with: goods with keys, members with money, a channel to the sandbox. Made by the shop's own
services where they are fast enough, straight into the tables where thousands are needed."""

import itertools
import os
import secrets
from collections.abc import Sequence
from decimal import Decimal

from django.db import connection, transaction

from accounts.models import User
from accounts.services import create_member
from catalog.models import Category, DataKey, Key, KeyBatch, Product, ReusableSecret, Sku
from catalog.services.keys import set_reusable
from catalog.services.sealing import new_data_key, seal_key
from common import clock, crypto
from marketing.models import Coupon, CouponTemplate
from marketing.services import issue_coupon, save_template
from orders.models import Order
from orders.services import Buyer, Item, place
from payments.models import Channel
from payments.services import save_channel
from shop.demo.channels import make_epay, make_others
from tenancy.models import MAIN_ID
from tenancy.selectors import main_storefront
from torture.stage import MERCHANT, MERCHANT_KEY
from wallet.models import Account, Transfer
from wallet.services import Posting, post, shop_account, user_wallet

PASSWORD = "tea-and-keys-9"  # noqa: S105 - of people who live for minutes
_numbers = itertools.count(1)


def name_for(what: str) -> str:
    """Also two processes on one database never choose the same."""
    return f"{what}-{next(_numbers)}-{secrets.token_hex(3)}"


def sku(price: str = "1.00", *, keys: int = 0, kind: str = Product.Kind.KEY, secret: str = "") -> Sku:
    """Goods on sale with so many keys in stock, or with a secret that every buyer gets."""
    at = clock.now()
    category, _ = Category.objects.get_or_create(
        slug="torture", defaults={"code": "torture", "name": "测试", "name_en": "Torture"}
    )
    name = name_for("goods")
    product = Product.objects.create(
        slug=name, category=category, name=name, kind=kind, status=Product.Status.ON_SALE, created_at=at, updated_at=at
    )
    made = Sku.objects.create(
        product=product, code=name.upper(), name="标准", list_price=Decimal(price), max_quantity=1000
    )
    if keys:
        stock(made, keys)
    if secret:
        set_reusable(sku=made, text=secret)
    return made


def stock(goods: Sku, count: int, *, data_key: DataKey | None = None) -> list[int]:
    """So many fresh keys; returns their ids."""
    return [pk for pk, _ in fresh_keys([goods], count, data_key=data_key)]


def fresh_keys(
    skus: Sequence[Sku], count: int, *, data_key: DataKey | None = None, mark: str = "TORTURE"
) -> list[tuple[int, str]]:
    """So many fresh keys for each, sealed as the shop seals them; returns their ids and texts in the order of sale."""
    at = clock.now()
    data_key = data_key or new_data_key(at=at)
    batches = KeyBatch.objects.bulk_create(
        KeyBatch(sku=one, data_key=data_key, state=KeyBatch.State.DONE, created_at=at) for one in skus
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('catalog_key_id_seq') FROM generate_series(1, %s)", [count * len(skus)])
        ids = [row[0] for row in cursor.fetchall()]
    made = [(pk, f"{mark}-{secrets.token_hex(8).upper()}") for pk in ids]
    wanted = [batch for batch in batches for _ in range(count)]
    Key.objects.bulk_create(_key(batch, data_key, *one) for batch, one in zip(wanted, made, strict=True))
    return made


def _key(batch: KeyBatch, data_key: DataKey, pk: int, text: str) -> Key:
    goods = batch.sku
    return Key(
        pk=pk,
        sku=goods,
        product_id=goods.product_id,
        batch=batch,
        data_key=data_key,
        position=pk,
        ciphertext=seal_key(text, key_id=pk, seller_id=None, data_key=data_key),
        fingerprint=crypto.fingerprint(text, f"product:{goods.product_id}"),
        preview=f"{text[:6]}****",
    )


def member(money: str = "0", *, name: str = "") -> User:
    user = create_member(username=name or name_for("member"), password=PASSWORD, storefront_id=MAIN_ID)
    fund(user, money)
    return user


def fund(user: User, money: str) -> None:
    amount = Decimal(money)
    if amount:
        legs = [Posting(user_wallet(user.pk), amount), Posting(shop_account(Account.Purpose.ADJUSTMENT), -amount)]
        with transaction.atomic():
            post(ref=name_for("fund"), kind=Transfer.Kind.ADJUSTMENT, postings=legs, at=clock.now())


def boss() -> User:
    """Staff who may do everything."""
    return User.objects.create_superuser(name_for("staff"), PASSWORD, date_joined=clock.now())


def order(user: User | None, goods: Sku, quantity: int = 1, *, wallet: bool = False, **more) -> Order:
    guest = {} if user is not None else {"contact": "guest@example.com", "device": secrets.token_hex(11)}
    return place(
        storefront=main_storefront(),
        buyer=Buyer(user=user, **guest),
        items=[Item(goods.public_id, quantity, {})],
        idempotency_key=more.pop("key", "") or secrets.token_hex(8),
        from_wallet=wallet,
        **more,
    )


def coupon_template(off: str = "0.50", **fields) -> CouponTemplate:
    name = name_for("coupon")
    made = CouponTemplate(
        **{
            "code": name,
            "name": name,
            "kind": CouponTemplate.Kind.AMOUNT,
            "amount_off": Decimal(off),
            "starts_at": clock.now(),
            "valid_days": 3650,
            **fields,
        }
    )
    made.full_clean(exclude=["created_at"])
    return save_template(template=made, categories=(), products=(), actor=None)


def coupon(user: User, template: CouponTemplate) -> Coupon:
    return issue_coupon(template_id=template.pk, user_id=user.pk, ref=name_for("issue"), at=clock.now())


def channel(gateway: str = "https://gateway.invalid", *, mode: str = "page", code: str = "epay") -> Channel:
    """The channel to a gateway; `page` mode signs a form and calls nobody."""
    made = Channel.objects.filter(code=code).first() or Channel(code=code, name=code, sandbox=True)
    made.methods, made.gateway_url, made.merchant_id = [Channel.Method.ALIPAY], gateway, MERCHANT
    made.settings = {"mode": mode}
    return save_channel(channel=made, secrets={"key": MERCHANT_KEY})


def channels(gateway: str) -> dict[str, Channel]:
    """A channel of each protocol that the sandbox speaks, by the protocol's name."""
    os.environ["SANDBOX_URL"] = gateway
    made = [make_epay(mode="api"), *make_others()]
    return {one.provider: one for one in made}


def secrets_of(goods: Sku) -> Sequence[ReusableSecret]:
    return list(ReusableSecret.objects.filter(sku=goods, replaced_at=None))
