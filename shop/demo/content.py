"""The demo shop's goods, read from goods/*.toml and checked on the way."""

import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

GOODS = Path(__file__).parent / "goods"


@dataclass(frozen=True, kw_only=True)
class DemoSku:
    """Prices and cost in yuan; `stock` keys are imported; `items` are pieces by SKU code, for bundles."""

    code: str
    name: str
    name_en: str
    price: Decimal
    cost: Decimal
    stock: int = 0
    breaks: dict[int, Decimal] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DemoProduct:
    """`key` is the pattern of its keys (see shop.demo.keys), `file` the format in which they come."""

    slug: str
    name: str
    name_en: str
    summary: str
    summary_en: str
    description: str
    description_en: str
    guide: str
    guide_en: str
    cover: dict[str, str]
    skus: tuple[DemoSku, ...]
    kind: str = "key"
    labels: tuple[str, ...] = ()
    fields: tuple[dict, ...] = ()
    warranty_days: int = 3
    delivery_promise: str = ""
    delivery_promise_en: str = ""
    key: str = ""
    file: str = ""
    secret: str = ""


@dataclass(frozen=True, kw_only=True)
class DemoCategory:
    slug: str
    code: str
    name: str
    name_en: str
    icon: str
    motif: str
    products: tuple[DemoProduct, ...]


@cache
def categories() -> tuple[DemoCategory, ...]:
    """All categories in their order. Raises TypeError or KeyError for a file with a wrong or missing name in it."""
    return tuple(_category(tomllib.loads(path.read_text("utf-8"))) for path in sorted(GOODS.glob("*.toml")))


def products() -> list[DemoProduct]:
    return [product for category in categories() for product in category.products]


def _category(data: dict) -> DemoCategory:
    return DemoCategory(**data["category"], products=tuple(_product(one) for one in data["product"]))


def _product(data: dict) -> DemoProduct:
    texts: dict[str, Any] = {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}
    skus = tuple(_sku(one) for one in texts.pop("skus"))
    labels, fields = tuple(texts.pop("labels", ())), tuple(texts.pop("field", ()))
    return DemoProduct(**texts, skus=skus, labels=labels, fields=fields)


def _sku(data: dict) -> DemoSku:
    breaks = {int(count): Decimal(price) for count, price in data.get("breaks", {}).items()}
    return DemoSku(**{**data, "price": Decimal(data["price"]), "cost": Decimal(data["cost"]), "breaks": breaks})
