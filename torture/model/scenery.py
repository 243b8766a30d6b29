"""What machines begin with, made for many of them with few statements: people with money, goods with keys, coupons, cards.

The ledger's part of it goes through the shop's own `post`, so that the books are right from the start.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from catalog.models import Category, Product, Sku
from catalog.services.sealing import new_data_key
from common import clock
from common.ids import public_id
from marketing.models import Coupon
from payments.models import BonusRule, PayoutAccount, WithdrawalRules
from payments.payouts import digest_of, hint_of, seal_account
from payments.selectors import withdrawal_rules
from tenancy.models import MAIN_ID
from torture import scene
from torture.model.facts import ZERO, Card, Goods
from wallet.models import Account, CardBatch, CreditLine, Transfer, WalletRules
from wallet.models import Card as CardRow
from wallet.sealing import open_codes
from wallet.services import Posting, make_batch, post, shop_account

# Scenes that are made at a time, and so few that the first one does not wait long.
MANY = 25
BALANCES = (Decimal("20.00"), Decimal("6.00"))
KEYS = (4, 2)
PRICES = (Decimal("1.00"), Decimal("2.50"), Decimal("3.00"))
COUPON_OFF = Decimal("0.50")
GIFT_FROM, GIFT = Decimal("3.00"), Decimal("0.60")
CARDS, FACE = 3, Decimal("1.50")
CREDIT, DUE_DAY = Decimal("5.00"), 28
# More than all machines make or give by hand in a day: second persons have tests of their own.
NO_LIMIT = Decimal("9999999999.00")
LEAST, MOST, A_DAY, A_MONTH = Decimal("1.00"), Decimal("9.00"), Decimal("10.00"), Decimal("20.00")
FRESH_DAYS = 1


@dataclass
class Scene:
    """Two members; the first has a credit line. Two goods with keys, and one that people deliver."""

    members: list[User]
    goods: list[Goods]
    coupons: list[Coupon]
    cards: list[Card]
    batch: int


class Scenery:
    def __init__(self) -> None:
        at = clock.now()
        self.staff = [scene.boss(), scene.boss()]
        self.channels = [scene.channel(mode="page", code=code) for code in ("epay", "epay-2")]
        self.template = scene.coupon_template(str(COUPON_OFF))
        self.category, _ = Category.objects.get_or_create(
            slug="torture", defaults={"code": "torture", "name": "测试", "name_en": "Torture"}
        )
        self.data_key = new_data_key(at=at)
        BonusRule.objects.create(name="torture", from_amount=GIFT_FROM, kind="amount", amount=GIFT, starts_at=at)
        WalletRules.objects.filter(pk=1).update(card_review_above=NO_LIMIT, by_hand_daily=NO_LIMIT)
        WithdrawalRules.objects.filter(pk=1).update(
            is_open=True,
            minimum=LEAST,
            maximum=MOST,
            daily=A_DAY,
            monthly=A_MONTH,
            fee_rate=Decimal("0.01"),
            fee_min=Decimal("0.10"),
            cooling_hours=0,
            top_up_days=FRESH_DAYS,
        )
        self.rules = withdrawal_rules()
        self.waiting: list[Scene] = []

    def take(self) -> Scene:
        if not self.waiting:
            self._make()
        return self.waiting.pop()

    def _make(self) -> None:
        with transaction.atomic():
            members, coupons = self._members()
            skus = self._skus()
            batch, cards = self._cards()
        for place in range(MANY):
            pair = slice(2 * place, 2 * place + 2)
            goods = [
                Goods(sku, price, place < len(KEYS), available=KEYS[place] if place < len(KEYS) else 0)
                for place, (sku, price) in enumerate(zip(skus[3 * place : 3 * place + 3], PRICES, strict=True))
            ]
            own = cards[CARDS * place : CARDS * (place + 1)]
            self.waiting.append(Scene(members[pair], goods, coupons[pair], own, batch.pk))

    def _members(self) -> tuple[list[User], list[Coupon]]:
        at = clock.now()
        # Nobody signs in as one of them: there is no password to be hashed.
        members = User.objects.bulk_create(
            User(username=scene.name_for("member"), password="!", date_joined=at, home_storefront_id=MAIN_ID)
            for _ in range(2 * MANY)
        )
        wallets = Account.objects.bulk_create(
            Account(code=f"user:{one.pk}:wallet", purpose=Account.Purpose.WALLET, user=one, balance=ZERO)
            for one in members
        )
        legs = [Posting(wallet, BALANCES[place % 2]) for place, wallet in enumerate(wallets)]
        legs.append(Posting(shop_account(Account.Purpose.ADJUSTMENT), -sum(BALANCES) * MANY))
        post(ref=scene.name_for("fund"), kind=Transfer.Kind.ADJUSTMENT, postings=legs, at=at)
        CreditLine.objects.bulk_create(
            CreditLine(user=one, limit=CREDIT, due_day=DUE_DAY, created_at=at) for one in members[::2]
        )
        PayoutAccount.objects.bulk_create(self._payout_account(one) for one in members)
        last = at.replace(year=at.year + 5)
        coupons = Coupon.objects.bulk_create(
            Coupon(
                template=self.template,
                owner=one,
                number=1,
                source_ref=f"torture:{one.pk}",
                issued_at=at,
                expires_at=last,
            )
            for one in members
        )
        return members, coupons

    def _payout_account(self, user: User) -> PayoutAccount:
        key, name, number, at = public_id(), "Torture", f"{user.username}@example.com", clock.now()
        return PayoutAccount(
            public_id=key,
            user=user,
            kind=PayoutAccount.Kind.ALIPAY,
            sealed=seal_account(key, name, number),
            hint=hint_of(name, number),
            digest=digest_of(PayoutAccount.Kind.ALIPAY, number),
            state=PayoutAccount.State.VERIFIED,
            created_at=at,
            decided_by=self.staff[0],
            decided_at=at,
        )

    def _skus(self) -> list[Sku]:
        at = clock.now()
        products = Product.objects.bulk_create(
            Product(
                slug=(name := scene.name_for("goods")),
                category=self.category,
                name=name,
                kind=Product.Kind.KEY if place % 3 < len(KEYS) else Product.Kind.MANUAL,
                status=Product.Status.ON_SALE,
                created_at=at,
                updated_at=at,
            )
            for place in range(3 * MANY)
        )
        skus = Sku.objects.bulk_create(
            Sku(product=one, code=one.slug.upper(), name="标准", list_price=PRICES[place % 3], max_quantity=1000)
            for place, one in enumerate(products)
        )
        for place, count in enumerate(KEYS):
            scene.fresh_keys(skus[place::3], count, data_key=self.data_key)
        return skus

    def _cards(self) -> tuple[CardBatch, list[Card]]:
        kind = CardBatch.Kind.RECHARGE
        batch = make_batch(
            name="torture", kind=kind, face_value=FACE, count=CARDS * MANY, expires_at=None, actor=self.staff[0]
        )
        codes = open_codes(batch)
        rows = CardRow.objects.filter(batch=batch).order_by("number").values_list("pk", "number")
        return batch, [Card(pk, number, codes[number - 1]) for pk, number in rows]
