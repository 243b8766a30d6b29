from common.privacy import belongs, nobodys

nobodys(
    "goods and what they are sold by",
    "catalog.Category",
    "catalog.Label",
    "catalog.Product",
    "catalog.Sku",
    "catalog.QuantityBreak",
    "catalog.PriceHistory",
    "catalog.BundleItem",
    "catalog.ReviewRules",
    "catalog.ProductRating",
    "catalog.DataKey",
    "catalog.KeyBatch",
    "catalog.KeyFilePart",
    "catalog.Key",
    "catalog.ReusableSecret",
    "catalog.StockFigure",
    "catalog.KeyExport",
)
belongs("catalog.ReviewTicket", of="user", keep=["public_id"])
# The stars stay in the product's figures; the words were their author's.
belongs(
    "catalog.Review",
    of="user",
    keep=["public_id", "reply", "reason_note"],
    blank={"text": "（作者已注销账户）", "flags": {}, "is_anonymous": True},
)
