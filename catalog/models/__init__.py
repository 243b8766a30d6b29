from catalog.models.exports import KeyExport
from catalog.models.goods import BundleItem, Category, Label, PriceHistory, Product, QuantityBreak, Sku
from catalog.models.reviews import ProductRating, Review, ReviewRules, ReviewTicket
from catalog.models.stock import DataKey, Key, KeyBatch, KeyFilePart, ReusableSecret, StockFigure

__all__ = [
    "BundleItem",
    "Category",
    "DataKey",
    "Key",
    "KeyBatch",
    "KeyExport",
    "KeyFilePart",
    "Label",
    "PriceHistory",
    "Product",
    "ProductRating",
    "QuantityBreak",
    "ReusableSecret",
    "Review",
    "ReviewRules",
    "ReviewTicket",
    "Sku",
    "StockFigure",
]
