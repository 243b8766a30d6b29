from catalog.models.goods import BundleItem, Category, Label, PriceHistory, Product, QuantityBreak, Sku
from catalog.models.stock import DataKey, Key, KeyBatch, KeyFilePart, ReusableSecret, StockFigure

__all__ = [
    "BundleItem",
    "Category",
    "DataKey",
    "Key",
    "KeyBatch",
    "KeyFilePart",
    "Label",
    "PriceHistory",
    "Product",
    "QuantityBreak",
    "ReusableSecret",
    "Sku",
    "StockFigure",
]
