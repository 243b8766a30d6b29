"""Words to members at the right moment: what was shown, and what came of it. And how long goods have been looked at."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.ids import public_id
from tenancy.models import Storefront


class Nudge(models.Model):
    """A nudge that a member was shown; each kind at most once a day.

    `subject` is what it was about (`order:12`, a mark of the goods, a day), `detail` the figures that it named.
    """

    class Kind(models.TextChoices):
        ORDER = "order", _("下单后的差距")
        CART = "cart", _("购物车里的差价")
        STREAK = "streak", _("即将中断的连签")

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("用户"))
    storefront = models.ForeignKey(
        Storefront, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("店铺")
    )
    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    subject = models.CharField(_("关于"), max_length=80)
    detail = models.JSONField(_("内容"), default=dict)
    # The Shanghai day on which it was shown.
    day = models.DateField(_("日期"))
    shown_at = models.DateTimeField(_("展示时间"))
    clicked_at = models.DateTimeField(_("点击时间"), null=True)
    converted_at = models.DateTimeField(_("见效时间"), null=True)

    class Meta:
        verbose_name = _("提醒")
        verbose_name_plural = pgettext_lazy("plural", "提醒")
        constraints = [models.UniqueConstraint(fields=["user", "kind", "day"], name="nudge_once_a_day")]
        indexes = [
            models.Index(fields=["user"], condition=Q(converted_at=None), name="nudge_open"),
            models.Index(fields=["day", "kind"], name="nudge_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.day}"


class Dwell(models.Model):
    """Since when a member has had the same goods before them without buying; one row a member and storefront.

    `mark` stands for the goods and their quantities.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("用户"))
    storefront = models.ForeignKey(
        Storefront, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("店铺")
    )
    mark = models.CharField(_("商品标记"), max_length=64)
    opened_at = models.DateTimeField(_("打开时间"))
    seen_at = models.DateTimeField(_("最近一次看到"))

    class Meta:
        verbose_name = _("停留")
        verbose_name_plural = pgettext_lazy("plural", "停留")
        constraints = [
            models.UniqueConstraint(fields=["user", "storefront"], name="dwell_once"),
            models.CheckConstraint(condition=Q(seen_at__gte=models.F("opened_at")), name="dwell_seen_after_opened"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.opened_at:%F %T}"
