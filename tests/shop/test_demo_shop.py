"""The demo shop: made by the services, the same however often it is interrupted, refused in production."""

import dataclasses
import json
from collections import Counter

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from accounts.models import User
from audit.models import AuditEntry, IdempotencyRecord
from catalog.models import Category, Key, KeyBatch, Product, ProductRating, Review, Sku
from catalog.selectors import Filters, review_rules, search
from catalog.services.reviews import checked
from catalog.wording import flags_of
from events.models import Delivery
from membership.models import ActivityMark, MemberTier, Override, RuleSetVersion, WhatIf
from orders.models import Dispute, Order, OrderLine
from payments.models import Channel, PaymentAttempt, TopUp
from shop.demo import content, history, opinions, people
from tenancy.selectors import main_storefront
from tests.shelf import books

pytestmark = pytest.mark.django_db


@pytest.fixture
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def small(media, monkeypatch):
    """The same shop with fewer keys and fewer people."""

    def fewer(sku: content.DemoSku) -> content.DemoSku:
        return dataclasses.replace(sku, stock=min(sku.stock, 60))

    def slim(product: content.DemoProduct) -> content.DemoProduct:
        return dataclasses.replace(product, skus=tuple(map(fewer, product.skus)))

    slimmed = tuple(
        dataclasses.replace(category, products=tuple(map(slim, category.products))) for category in content.categories()
    )
    monkeypatch.setattr(content, "categories", lambda: slimmed)
    members = tuple(dataclasses.replace(person, orders=min(person.orders, 4)) for person in people.MEMBERS)
    monkeypatch.setattr(history, "MEMBERS", members)
    monkeypatch.setattr(history, "GUEST_ORDERS", 10)
    monkeypatch.setattr(history, "DELIVERIES", ())


def make(logins=None) -> None:
    call_command("demo_shop", logins=logins)


def made() -> dict:
    """What is there, apart from ids and times."""
    return {
        "orders": Order.objects.count(),
        "states": Counter(Order.objects.values_list("state", flat=True)),
        "lines": Counter(OrderLine.objects.values_list("sku__code", "quantity")),
        "top_ups": sorted(TopUp.objects.values_list("user__username", "amount", "state")),
        "keys": Counter(Key.objects.values_list("sku__code", "state")),
        "tiers": sorted(MemberTier.objects.values_list("user__username", "rank")),
        "reviews": Counter(Review.objects.values_list("state", "stars", "text", "published_at")),
        "batches": KeyBatch.objects.count(),
        "products": Product.objects.count(),
        "versions": RuleSetVersion.objects.count(),
        "what_ifs": WhatIf.objects.count(),
        "overrides": Override.objects.count(),
        "marks": ActivityMark.objects.count(),
        "disputes": Counter(Dispute.objects.values_list("state", "reason", "outcome")),
    }


class TestTheContent:
    def test_forty_products_in_eight_categories(self):
        assert len(content.categories()) == 8 and 38 <= len(content.products()) <= 45
        assert {category.code for category in content.categories()} >= {"game_card", "phone_credit", "gift_card"}

    def test_every_text_is_there_in_both_languages(self):
        for product in content.products():
            for field in ("name", "summary", "description", "guide"):
                assert getattr(product, field), (product.slug, field)
                assert getattr(product, f"{field}_en"), (product.slug, field)
            assert all(sku.name and sku.name_en for sku in product.skus)
            assert all(sku.cost < sku.price for sku in product.skus)

    def test_slugs_and_codes_are_used_once(self):
        slugs = [product.slug for product in content.products()]
        codes = [sku.code for product in content.products() for sku in product.skus]
        assert len(set(slugs)) == len(slugs) and len(set(codes)) == len(codes)

    def test_what_people_like_is_for_sale(self):
        codes = {sku.code for product in content.products() for sku in product.skus}
        liked = {code for person in people.MEMBERS for code in person.likes} | set(people.GUEST_LIKES)
        liked |= {code for _minutes, _who, basket in people.RECENT for code in basket}
        liked |= {row[0] for row in (*people.PRICES, *people.DELIVERIES)}
        assert liked <= codes

    def test_there_is_something_to_say_of_every_category_and_each_is_said_once(self):
        assert set(opinions.PRAISE) == {category.code for category in content.categories()}
        said = [text for texts in opinions.PRAISE.values() for text in texts]
        said += [*opinions.CONTENT, *opinions.FAIR, *opinions.POOR, *opinions.ADVERTS]
        assert len(said) == len(set(said))
        assert [checked(5, text) for text in said] == said, "a review as the shop would keep it"
        assert not [text for text in said if text not in opinions.ADVERTS and flags_of(text, [])]
        assert all(flags_of(text, review_rules().words.splitlines()) for text in opinions.ADVERTS)


def test_the_shop_is_made_and_its_books_are_clean(small, tmp_path):
    logins = tmp_path / "logins.json"
    make(logins)
    assert books() == {}
    assert WhatIf.objects.get().status == "done", "a draft that was tried out waits for a second person"
    assert Override.objects.filter(status="proposed").exists() and ActivityMark.objects.exists()
    assert Category.objects.count() == 8
    assert Product.objects.exclude(cover="").count() == Product.objects.count()
    assert Order.objects.filter(state="delivered").exists() and Order.objects.filter(state="expired").exists()
    assert OrderLine.objects.filter(state="queued").exists(), "there is something to do for staff"
    assert {"pending", "published"} <= set(Review.objects.values_list("state", flat=True))
    assert not Review.objects.filter(state="published", published_at__lt=F("written_at")).exists()
    assert {"buyer", "operator"} <= {one["role"] for one in json.loads(logins.read_text())}
    for login in json.loads(logins.read_text()):
        assert User.objects.get(username=login["username"]).check_password(login["password"])
        assert login["url"].startswith("http")
    assert logins.stat().st_mode & 0o077 == 0
    assert Channel.objects.get(code="epay").settings == {"mode": "api"}
    assert not PaymentAttempt.objects.exclude(state="paid").exists()
    assert [one.slug for one in search(storefront=main_storefront(), text="wyykt", filters=Filters()).products][0] == (
        "netease-one-card"
    )
    before, known = made(), logins.read_text()
    make(logins)
    assert made() == before and logins.read_text() == known, "a second run changes nothing"


@pytest.mark.full
def test_an_interrupted_run_is_finished_by_the_next(small, monkeypatch, tmp_path):
    relay, calls = history.relay, []

    def breaking() -> int:
        calls.append(1)
        if len(calls) in {9, 40}:
            raise KeyboardInterrupt
        return relay()

    monkeypatch.setattr(history, "relay", breaking)
    for _attempt in range(2):
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "logins.json")
    make(tmp_path / "logins.json")
    assert books() == {}
    placed = IdempotencyRecord.objects.filter(key__startswith="order:demo")
    assert Order.objects.count() == placed.count() == len(set(placed.values_list("caller", "key")))
    for person in history.MEMBERS:
        user = User.objects.get(username=person.username)
        wanted = {f"order:demo-{number}" for number in range(1, person.orders + 1)}
        assert wanted <= set(placed.filter(caller=f"user:{user.pk}").values_list("key", flat=True))
    assert AuditEntry.objects.filter(action="demo.begun").count() == 1
    assert not Delivery.objects.exclude(state="done").exists()
    make(tmp_path / "logins.json")
    assert Order.objects.count() == placed.count()


def test_production_refuses(settings, media):
    settings.PRODUCTION = True
    with pytest.raises(CommandError):
        make()
    assert not Sku.objects.exists()


@pytest.mark.full
def test_the_whole_shop(media, tmp_path):
    make(tmp_path / "logins.json")
    assert books() == {}
    assert len(set(MemberTier.objects.values_list("rank", flat=True))) >= 4
    assert Order.objects.count() > 250
    assert 60 < Review.objects.count() < 200
    assert Review.objects.filter(state="pending").count() >= 3
    assert Review.objects.filter(state="rejected").exists() and Review.objects.exclude(reply="").count() > 5
    assert ProductRating.objects.filter(stars_5__gte=3).count() >= 5, "cards have stars"
    for product in Product.objects.filter(kind="key"):
        assert Key.objects.filter(product=product).count() >= 200, product
