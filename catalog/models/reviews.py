"""What buyers say of products: the right to say it, what they said and what became of it, and the rating that follows."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from catalog.models.goods import Product, Sku
from common.ids import public_id
from tenancy.models import Storefront

MIN_TEXT, MAX_TEXT = 5, 500


class ReviewRules(models.Model):
    """What the operator sets about reviews. One row, which a migration makes."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    window_days = models.PositiveSmallIntegerField(_("评价期限（天）"), default=180)
    words = models.TextField(_("敏感词"), blank=True, help_text=_("每行一个；含有它们的评价会被标记，由人决定"))

    class Meta:
        verbose_name = _("评价规则")
        verbose_name_plural = pgettext_lazy("plural", "评价规则")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="review_rules_one_row"),
            models.CheckConstraint(
                condition=Q(window_days__gte=1) & Q(window_days__lte=3650), name="review_window_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.window_days}"


class ReviewTicket(models.Model):
    """A member's right to review one order line, opened by its delivery and closed by a full refund.

    The news of both may come in any order, so a ticket can be closed before its delivery is known.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    # Order lines live on a higher floor, so this is a plain number.
    line_id = models.BigIntegerField(_("订单行编号"), unique=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("用户"))
    storefront = models.ForeignKey(
        Storefront, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("店铺")
    )
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("商品")
    )
    sku = models.ForeignKey(
        Sku, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("规格")
    )
    delivered_at = models.DateTimeField(_("发货时间"), null=True)
    closed_at = models.DateTimeField(_("关闭时间"), null=True)

    class Meta:
        verbose_name = _("评价资格")
        verbose_name_plural = pgettext_lazy("plural", "评价资格")
        indexes = [models.Index(fields=["user", "-delivered_at", "-id"], name="review_ticket_user")]

    def __str__(self) -> str:
        return f"{self.line_id}"


class Review(models.Model):
    class State(models.TextChoices):
        PENDING = "pending", _("待审核")
        PUBLISHED = "published", _("已发布")
        REJECTED = "rejected", _("未通过")
        WITHDRAWN = "withdrawn", _("已撤回")
        REMOVED = "removed", _("已撤下")

    class Reason(models.TextChoices):
        OFF_TOPIC = "off_topic", _("与商品无关")
        ADVERT = "advert", _("含有广告或联系方式")
        PRIVATE = "private", _("含有卡密、账号等隐私内容")
        ABUSE = "abuse", _("含有辱骂或违法内容")
        EMPTY = "empty", _("没有实际内容")
        OTHER = "other", _("其他原因")

    # Legal moves. An edit sends a review back to the queue; withdrawn by the author or removed by staff is final.
    MOVES = {
        State.PENDING: {State.PENDING, State.PUBLISHED, State.REJECTED, State.WITHDRAWN},
        State.PUBLISHED: {State.PENDING, State.WITHDRAWN, State.REMOVED},
        State.REJECTED: {State.PENDING, State.WITHDRAWN},
        State.WITHDRAWN: set(),
        State.REMOVED: set(),
    }

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    ticket = models.OneToOneField(
        ReviewTicket, on_delete=models.PROTECT, related_name="review", verbose_name=_("评价资格")
    )
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="reviews", db_index=False, verbose_name=_("商品")
    )
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="reviews", db_index=False, verbose_name=_("用户")
    )
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.PENDING)
    stars = models.PositiveSmallIntegerField(_("星级"))
    text = models.CharField(_("内容"), max_length=MAX_TEXT)
    is_anonymous = models.BooleanField(_("匿名"), default=False)
    # Grows with every edit: staff decide on the text that they have read and on no later one.
    version = models.PositiveIntegerField(_("版本"), default=1)
    # What catalog.wording found in the text, for staff: {"words": [...], "kinds": [...]}.
    flags = models.JSONField(_("提示"), default=dict, blank=True)
    is_flagged = models.BooleanField(_("有提示"), default=False)
    # Other rooms were told that it is published, and not since that it is withdrawn.
    is_counted = models.BooleanField(_("已计入"), default=False)
    reason = models.CharField(_("原因"), max_length=10, choices=Reason, blank=True)
    reason_note = models.CharField(_("补充说明"), max_length=200, blank=True)
    reply = models.CharField(_("商家回复"), max_length=MAX_TEXT, blank=True)
    replied_at = models.DateTimeField(_("回复时间"), null=True)
    written_at = models.DateTimeField(_("提交时间"))
    edited_at = models.DateTimeField(_("修改时间"), null=True)
    # Since when it has waited in the queue of staff.
    waiting_since = models.DateTimeField(_("等待审核自"))
    decided_at = models.DateTimeField(_("审核时间"), null=True)
    decided_by_id = models.BigIntegerField(_("审核人编号"), null=True)
    # Of the first publication.
    published_at = models.DateTimeField(_("发布时间"), null=True)

    class Meta:
        verbose_name = _("评价")
        verbose_name_plural = pgettext_lazy("plural", "评价")
        permissions = [
            ("moderate_review", _("发布、拒绝、撤下评价")),
            ("reply_review", _("回复评价")),
            ("set_review_rules", _("设置评价规则")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(stars__gte=1) & Q(stars__lte=5), name="review_stars_range"),
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Length(F("text")), MIN_TEXT)
                & LessThanOrEqual(Length(F("text")), MAX_TEXT),
                name="review_text_length",
            ),
            models.CheckConstraint(
                condition=~Q(state="published") | Q(published_at__isnull=False, is_counted=True),
                name="review_published_is_counted",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["withdrawn", "removed", "rejected"]) | Q(is_counted=False),
                name="review_gone_is_not_counted",
            ),
        ]
        indexes = [
            models.Index(
                fields=["product", "-published_at", "-id"], condition=Q(state="published"), name="review_of_product"
            ),
            models.Index(
                fields=["product", "stars", "-published_at", "-id"],
                condition=Q(state="published"),
                name="review_of_product_by_stars",
            ),
            models.Index(fields=["waiting_since", "id"], condition=Q(state="pending"), name="review_pending"),
            models.Index(fields=["user", "-id"], name="review_user"),
        ]

    def __str__(self) -> str:
        return f"{'★' * self.stars} {self.text[:20]}"


class ProductRating(models.Model):
    """What the published reviews of a product come to. Written when one is published or taken off; no sale writes here."""

    product = models.OneToOneField(
        Product, on_delete=models.CASCADE, primary_key=True, related_name="rating", verbose_name=_("商品")
    )
    stars_1 = models.PositiveIntegerField(_("一星"), default=0)
    stars_2 = models.PositiveIntegerField(_("二星"), default=0)
    stars_3 = models.PositiveIntegerField(_("三星"), default=0)
    stars_4 = models.PositiveIntegerField(_("四星"), default=0)
    stars_5 = models.PositiveIntegerField(_("五星"), default=0)
    refreshed_at = models.DateTimeField(_("更新时间"))

    class Meta:
        verbose_name = _("商品评分")
        verbose_name_plural = pgettext_lazy("plural", "商品评分")

    def __str__(self) -> str:
        return f"{self.count}"

    @property
    def by_stars(self) -> dict[int, int]:
        """How many reviews gave so many stars, five first."""
        return {stars: getattr(self, f"stars_{stars}") for stars in range(5, 0, -1)}

    @property
    def count(self) -> int:
        return sum(self.by_stars.values())

    @property
    def mean(self) -> float:
        """Stars on average, 0 without reviews."""
        return sum(stars * count for stars, count in self.by_stars.items()) / self.count if self.count else 0.0
