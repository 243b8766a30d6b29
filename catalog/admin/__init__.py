from catalog.admin.batches import KeyBatchAdmin
from catalog.admin.exports import KeyExportAdmin
from catalog.admin.groups import CategoryAdmin, LabelAdmin
from catalog.admin.keys import KeyAdmin
from catalog.admin.products import ProductAdmin
from catalog.admin.reviews import ReviewAdmin
from catalog.admin.skus import SkuAdmin

__all__ = [
    "CategoryAdmin",
    "KeyAdmin",
    "KeyBatchAdmin",
    "KeyExportAdmin",
    "LabelAdmin",
    "ProductAdmin",
    "ReviewAdmin",
    "SkuAdmin",
]
