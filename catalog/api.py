"""Products for programs. Open to everybody; what a member pays is asked from orders' quotes."""

from django.db.models import Q, QuerySet
from django.http import Http404
from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Product, Sku
from catalog.selectors import PLENTY, SORTS, Filters, filtered, on_sale, search, shown_stock, with_skus
from common.api.paging import BadCursor, Page, Paged, next_field, page_of
from common.api.reading import MoneyField, PatternField, StrictBooleanField, StrictCharField, read_query
from common.texts import in_language
from tenancy.models import Storefront

TAG = _("商品")
MAX_QUERY = 64
SLUG = r"^[A-Za-z0-9_-]{1,60}$"


class ProductsQuery(Paged):
    q = StrictCharField(
        max_length=MAX_QUERY,
        required=False,
        help_text=_("搜索词：中文、拼音或首字母。返回最匹配的 limit 条，不分页"),
    )
    category = PatternField(SLUG, required=False, help_text=_("分类的 slug，含下级分类"))
    label = PatternField(SLUG, required=False, help_text=_("标签的 code"))
    automatic = StrictBooleanField(required=False, help_text=_("只看自动发货"))
    in_stock = StrictBooleanField(required=False, help_text=_("只看有货"))
    price_min = MoneyField(required=False, help_text=_("最低价（元）"))
    price_max = MoneyField(required=False, help_text=_("最高价（元）"))
    sort = serializers.ChoiceField([one for one in SORTS if one], required=False)


class Named(serializers.Serializer):
    name = serializers.SerializerMethodField()

    def get_name(self, named) -> str:
        return str(named)


class CategoryShown(Named):
    slug = serializers.CharField()


class LabelShown(Named):
    code = serializers.CharField()


class BreakShown(serializers.Serializer):
    min_quantity = serializers.IntegerField()
    unit_price = serializers.DecimalField(12, 4)


class SkuShown(Named):
    id = serializers.CharField(source="public_id")
    list_price = serializers.DecimalField(12, 4, help_text=_("单价（元）"))
    min_quantity = serializers.IntegerField()
    max_quantity = serializers.IntegerField()
    stock = serializers.SerializerMethodField(help_text=_("可售件数，最多数到 21"))
    breaks = BreakShown(many=True, help_text=_("批发价"))

    def get_stock(self, sku: Sku) -> serializers.IntegerField(min_value=0, max_value=PLENTY):
        return self.context["stock"][sku.pk]


class ProductShown(Named):
    id = serializers.CharField(source="public_id")
    slug = serializers.CharField()
    summary = serializers.SerializerMethodField()
    category = CategoryShown()
    kind = serializers.ChoiceField(Product.Kind.choices)
    labels = LabelShown(many=True)
    cover = serializers.SerializerMethodField()
    skus = SkuShown(many=True, source="active_skus")

    def get_summary(self, product: Product) -> str:
        return in_language(product.summary, product.summary_en)

    def get_cover(self, product: Product) -> str | None:
        return self.context["request"].build_absolute_uri(product.cover.url) if product.cover else None


class ProductPage(serializers.Serializer):
    items = ProductShown(many=True)
    next = next_field()


class BuyerField(serializers.Serializer):
    """What the buyer fills in for this product; goes into `fields` of an order's item under its name."""

    name = serializers.CharField()
    label = serializers.CharField()
    help = serializers.CharField()
    type = serializers.CharField()
    required = serializers.BooleanField()
    regex = serializers.CharField()
    options = serializers.ListField(child=serializers.CharField())


class ProductDetail(ProductShown):
    description = serializers.SerializerMethodField(help_text="Markdown")
    warranty_days = serializers.IntegerField()
    buyer_fields = serializers.SerializerMethodField()

    def get_description(self, product: Product) -> str:
        return in_language(product.description, product.description_en)

    def get_buyer_fields(self, product: Product) -> BuyerField(many=True):
        return [buyer_field(spec) for spec in product.buyer_fields]


def buyer_field(spec: dict) -> dict:
    """One of Product.buyer_fields (catalog.buyer_fields has its form) in the reader's language."""
    return {
        "name": spec["name"],
        "label": in_language(spec["label"], spec.get("label_en", "")),
        "help": in_language(spec.get("help", ""), spec.get("help_en", "")),
        "type": spec.get("type", "text"),
        "required": spec.get("required", True),
        "regex": spec.get("regex", ""),
        "options": [option["value"] for option in spec.get("options", [])],
    }


class Products(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="list_products",
        tags=[TAG],
        summary=_("商品列表"),
        parameters=[ProductsQuery],
        responses=ProductPage,
    )
    def get(self, request: Request) -> Response:
        query = read_query(ProductsQuery, request)
        page = found(query, storefront=request.storefront)
        products = with_skus(page.items)
        shown = ProductPage({"items": products, "next": page.next}, context=looking(request, products))
        return Response(shown.data)


class OneProduct(APIView):
    permission_classes = [AllowAny]

    @extend_schema(operation_id="get_product", tags=[TAG], summary=_("商品详情"), responses=ProductDetail)
    def get(self, request: Request, public_id: str) -> Response:
        found = on_sale(storefront=request.storefront).select_related("category").filter(public_id=public_id)
        if not (products := with_skus(found)):
            raise Http404
        return Response(ProductDetail(products[0], context=looking(request, products)).data)


def found(query: dict, *, storefront: Storefront) -> Page:
    """The products that a checked query asks for. Raises BadCursor."""
    chosen = Filters(**{name: query[name] for name in Filters.__dataclass_fields__ if name in query})
    if "q" in query:
        if "cursor" in query:
            raise BadCursor
        products = search(storefront=storefront, text=query["q"], filters=chosen).products
        return Page(list(within(products, query)[: query["limit"]]), None)
    products = filtered(on_sale(storefront=storefront), chosen)
    return page_of(
        within(products, query),
        order=products.query.order_by,
        limit=query["limit"],
        cursor=query.get("cursor"),
        scope=f"products by {chosen.sort}",
    )


def within(products: QuerySet[Product], query: dict) -> QuerySet[Product]:
    """Those of the category that was asked for, its children included."""
    if slug := query.get("category"):
        products = products.filter(Q(category__slug=slug) | Q(category__parent__slug=slug))
    return products.select_related("category")


def looking(request: Request, products: list[Product]) -> dict:
    """What the serializers need to know besides the products."""
    return {"request": request, "stock": shown_stock(sku for product in products for sku in product.active_skus)}


urlpatterns = [
    path("products/", Products.as_view(), name="products"),
    path("products/<public_id:public_id>/", OneProduct.as_view(), name="product"),
]
