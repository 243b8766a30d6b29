"""What is for sale. A product is the page; a SKU is what is sold: price, stock, keys and limits hang on it."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from common.ids import public_id
from common.texts import in_language


class Category(models.Model):
    slug = models.SlugField(_("网址标识"), max_length=60, unique=True)
    code = models.SlugField(
        _("代码"), max_length=40, unique=True, help_text=_("会员规则按它加权，例如 game_card；上架后不要更改")
    )
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("上级分类")
    )
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)
    icon = models.CharField(_("图标"), max_length=40, blank=True)
    position = models.IntegerField(_("排序"), default=0)
    is_active = models.BooleanField(_("显示"), default=True)

    class Meta:
        verbose_name = _("分类")
        verbose_name_plural = pgettext_lazy("plural", "分类")
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class Label(models.Model):
    class Tone(models.TextChoices):
        PRIMARY = "primary", _("主色")
        DANGER = "danger", _("红色")
        WARN = "warn", _("橙色")
        SUCCESS = "success", _("绿色")

    code = models.SlugField(_("代码"), max_length=40, unique=True)
    name = models.CharField(_("名称"), max_length=12)
    name_en = models.CharField(_("英文名称"), max_length=20, blank=True)
    tone = models.CharField(_("颜色"), max_length=10, choices=Tone, default=Tone.PRIMARY)
    position = models.IntegerField(_("排序"), default=0)

    class Meta:
        verbose_name = _("标签")
        verbose_name_plural = pgettext_lazy("plural", "标签")
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class Product(models.Model):
    class Kind(models.TextChoices):
        KEY = "key", _("卡密（自动发货）")
        REUSABLE = "reusable", _("通用卡密（自动发货）")
        MANUAL = "manual", _("人工发货")
        TOP_UP = "top_up", _("直充")
        BUNDLE = "bundle", _("套餐")
        PRESALE = "presale", _("预售")

    class Status(models.TextChoices):
        DRAFT = "draft", _("草稿")
        ON_SALE = "on_sale", _("在售")
        OFF_SALE = "off_sale", _("下架")
        ARCHIVED = "archived", _("归档")

    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    slug = models.SlugField(_("网址标识"), max_length=80, unique=True)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products", verbose_name=_("分类"))
    # Null: the shop's own goods. Sellers live on a higher floor, so this is a plain number.
    seller_id = models.BigIntegerField(_("卖家编号"), null=True, blank=True, editable=False)
    kind = models.CharField(_("类型"), max_length=10, choices=Kind, default=Kind.KEY)
    status = models.CharField(_("状态"), max_length=10, choices=Status, default=Status.DRAFT)
    name = models.CharField(_("名称"), max_length=120)
    name_en = models.CharField(_("英文名称"), max_length=160, blank=True)
    name_pinyin = models.CharField(_("拼音"), max_length=400, blank=True, editable=False, db_index=True)
    summary = models.CharField(_("简介"), max_length=200, blank=True)
    summary_en = models.CharField(_("英文简介"), max_length=300, blank=True)
    description = models.TextField(_("商品说明"), blank=True, help_text=_("Markdown 格式"))
    description_en = models.TextField(_("英文商品说明"), blank=True)
    guide = models.TextField(_("使用教程"), blank=True, help_text=_("Markdown 格式；随订单保存快照"))
    guide_en = models.TextField(_("英文使用教程"), blank=True)
    cover = models.FileField(_("封面"), upload_to="covers/", blank=True)
    buyer_fields = models.JSONField(
        _("购买时填写"),
        default=list,
        blank=True,
        help_text=_("列表，每项含 name、label、label_en、help、help_en、regex、required、type"),
    )
    labels = models.ManyToManyField(Label, blank=True, related_name="products", verbose_name=_("标签"))
    warranty_days = models.PositiveSmallIntegerField(_("质保天数"), default=3)
    delivery_promise = models.CharField(
        _("发货承诺"), max_length=40, blank=True, help_text=_("例如：约3秒；留空按类型显示")
    )
    delivery_promise_en = models.CharField(_("英文发货承诺"), max_length=60, blank=True)
    on_sale_from = models.DateTimeField(
        _("公开开售时间"), null=True, blank=True, help_text=_("留空立即开售；有“提前购买”权益的会员可以早些看到并购买")
    )
    position = models.IntegerField(_("置顶排序"), default=0, help_text=_("数字越小越靠前"))
    search_weight = models.PositiveSmallIntegerField(_("搜索权重"), default=0)
    search_document = SearchVectorField(null=True, editable=False)
    search_text = models.TextField(_("搜索文本"), blank=True, editable=False)
    created_at = models.DateTimeField(_("创建时间"), editable=False)
    updated_at = models.DateTimeField(_("更新时间"), editable=False)

    class Meta:
        verbose_name = _("商品")
        verbose_name_plural = pgettext_lazy("plural", "商品")
        indexes = [
            models.Index(fields=["category", "position", "-id"], condition=Q(status="on_sale"), name="product_on_sale"),
            models.Index(fields=["on_sale_from"], condition=Q(on_sale_from__isnull=False), name="product_on_sale_from"),
            GinIndex(fields=["search_document"], name="product_search_document"),
            GinIndex(fields=["search_text"], opclasses=["gin_trgm_ops"], name="product_search_trigrams"),
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class Sku(models.Model):
    class SaleOrder(models.TextChoices):
        OLDEST = "oldest", _("先进先出")
        NEWEST = "newest", _("后进先出")
        RANDOM = "random", _("随机")

    class Status(models.TextChoices):
        ACTIVE = "active", _("在售")
        OFF = "off", _("停售")
        ARCHIVED = "archived", _("归档")

    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="skus", verbose_name=_("商品"))
    code = models.CharField(_("商品编码"), max_length=60, unique=True)
    name = models.CharField(_("规格"), max_length=60)
    name_en = models.CharField(_("英文规格"), max_length=80, blank=True)
    status = models.CharField(_("状态"), max_length=10, choices=Status, default=Status.ACTIVE)
    list_price = models.DecimalField(_("售价"), max_digits=12, decimal_places=4)
    cost = models.DecimalField(_("成本"), max_digits=12, decimal_places=4, null=True, blank=True)
    goods_key = models.CharField(
        _("同款代码"), max_length=80, blank=True, db_index=True, help_text=_("不同卖家的同款商品填同一个代码")
    )
    sale_order = models.CharField(_("出库顺序"), max_length=10, choices=SaleOrder, default=SaleOrder.OLDEST)
    min_quantity = models.PositiveIntegerField(_("起购数量"), default=1)
    max_quantity = models.PositiveIntegerField(_("单次限购"), default=5000)
    low_stock_at = models.PositiveIntegerField(_("低库存提醒"), default=10)
    cash_only = models.BooleanField(
        _("不能用余额支付"),
        default=False,
        help_text=_("充值卡这类能换回余额的商品要打开，否则折扣会被反复套取"),
    )
    low_stock_told = models.BooleanField(_("已提醒低库存"), default=False, editable=False)
    position = models.IntegerField(_("排序"), default=0)

    class Meta:
        verbose_name = _("规格")
        verbose_name_plural = pgettext_lazy("plural", "规格")
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(list_price__gt=0), name="sku_price_positive", violation_error_message=_("售价必须大于零")
            ),
            models.CheckConstraint(
                condition=Q(cost=None) | Q(cost__gte=0),
                name="sku_cost_not_negative",
                violation_error_message=_("成本不能为负"),
            ),
            models.CheckConstraint(
                condition=Q(min_quantity__gte=1)
                & Q(max_quantity__gte=models.F("min_quantity"))
                & Q(max_quantity__lte=100_000),
                name="sku_quantity_range",
                violation_error_message=_("限购数量不能小于起购数量"),
            ),
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class QuantityBreak(models.Model):
    sku = models.ForeignKey(Sku, on_delete=models.CASCADE, related_name="breaks", verbose_name=_("规格"))
    min_quantity = models.PositiveIntegerField(_("满多少件"))
    unit_price = models.DecimalField(_("单价"), max_digits=12, decimal_places=4)

    class Meta:
        verbose_name = _("批发价")
        verbose_name_plural = pgettext_lazy("plural", "批发价")
        ordering = ["min_quantity"]
        constraints = [
            models.UniqueConstraint(fields=["sku", "min_quantity"], name="break_once_per_quantity"),
            models.CheckConstraint(
                condition=Q(unit_price__gt=0, min_quantity__gte=2),
                name="break_in_range",
                violation_error_message=_("批发价须从 2 件起且大于零"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.min_quantity}+ ¥{self.unit_price.normalize():f}"


class PriceHistory(models.Model):
    """What a SKU's list price was from when on. Append-only."""

    id = models.BigAutoField(primary_key=True)
    sku = models.ForeignKey(
        Sku, on_delete=models.PROTECT, related_name="price_history", db_index=False, verbose_name=_("规格")
    )
    price = models.DecimalField(_("售价"), max_digits=12, decimal_places=4)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("价格历史")
        verbose_name_plural = pgettext_lazy("plural", "价格历史")
        indexes = [models.Index(fields=["sku", "-at"], name="price_history_sku")]

    def __str__(self) -> str:
        return f"{self.sku_id} {self.price} {self.at:%F}"


class BundleItem(models.Model):
    """One part of a bundle: each piece of `sku` sold delivers `quantity` keys of `component`."""

    sku = models.ForeignKey(Sku, on_delete=models.CASCADE, related_name="bundle_items", verbose_name=_("套餐"))
    component = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", verbose_name=_("包含规格"))
    quantity = models.PositiveSmallIntegerField(_("数量"), default=1)

    class Meta:
        verbose_name = _("套餐内容")
        verbose_name_plural = pgettext_lazy("plural", "套餐内容")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["sku", "component"], name="bundle_item_once"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1) & ~Q(sku=models.F("component")),
                name="bundle_item_valid",
                violation_error_message=_("套餐不能包含自己，数量至少为 1"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.component_id} × {self.quantity}"
