"""Upgrade coupons and acceleration packs: for some days a higher tier, as a floor under the rules and never as points."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.ids import public_id
from common.texts import in_language


class PassOffer(models.Model):
    """What can be had. `up` tiers above the member's own at the time of use, no higher than `most`, for `days` days."""

    class Kind(models.TextChoices):
        UPGRADE = "upgrade", _("升级券")
        BOOST = "boost", _("加速包")

    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)
    price = models.PositiveIntegerField(
        _("所需积分"), null=True, blank=True, help_text=_("留空表示不能兑换，只能作为奖励发放")
    )
    up = models.PositiveSmallIntegerField(_("提升几级"), default=1)
    most = models.PositiveSmallIntegerField(
        _("最高到等级序号"), null=True, blank=True, help_text=_("留空表示不限，最高等级除外")
    )
    days = models.PositiveSmallIntegerField(_("使用后有效天数"))
    use_within = models.PositiveSmallIntegerField(_("获得后多少天内使用"), default=90)
    limit = models.PositiveSmallIntegerField(_("每人 30 天内限兑"), default=1)
    is_active = models.BooleanField(_("启用"), default=True)
    position = models.IntegerField(_("排序"), default=0)

    class Meta:
        verbose_name = _("升级券种类")
        verbose_name_plural = pgettext_lazy("plural", "升级券种类")
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(days__gte=1, days__lte=90, use_within__gte=1, use_within__lte=730),
                name="pass_offer_days",
                violation_error_message=_("有效天数须为 1 到 90，使用期限须为 1 到 730 天"),
            ),
            models.CheckConstraint(
                condition=Q(up__gte=1, up__lte=3, limit__gte=1),
                name="pass_offer_up",
                violation_error_message=_("提升 1 到 3 级，限兑至少 1 张"),
            ),
            models.CheckConstraint(
                condition=Q(price=None) | Q(price__gte=1, price__lte=1_000_000),
                name="pass_offer_price",
                violation_error_message=_("所需积分须为 1 到 1000000"),
            ),
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class Pass(models.Model):
    """One in a person's hand. What it does was promised when it was got, so the offer's terms are copied."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    # What gave it, once: buy:<key>, streak:….
    ref = models.CharField(_("来源"), max_length=80, unique=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="passes", verbose_name=_("用户"))
    offer = models.ForeignKey(PassOffer, on_delete=models.PROTECT, related_name="+", verbose_name=_("种类"))
    price = models.PositiveIntegerField(_("花费积分"), default=0)
    up = models.PositiveSmallIntegerField(_("提升几级"))
    most = models.PositiveSmallIntegerField(_("最高到等级序号"), null=True)
    days = models.PositiveSmallIntegerField(_("使用后有效天数"))
    got_at = models.DateTimeField(_("获得时间"))
    use_by = models.DateTimeField(_("使用期限"))
    redeemed_at = models.DateTimeField(_("使用时间"), null=True)
    rank = models.PositiveSmallIntegerField(_("提升到"), null=True)
    until = models.DateTimeField(_("有效至"), null=True)

    class Meta:
        verbose_name = _("升级券")
        verbose_name_plural = pgettext_lazy("plural", "升级券")
        constraints = [
            models.CheckConstraint(
                condition=Q(redeemed_at=None, rank=None, until=None)
                | Q(redeemed_at__isnull=False, rank__isnull=False, until__isnull=False),
                name="pass_redeemed_whole",
            )
        ]
        indexes = [models.Index(fields=["user", "-id"], name="pass_by_user")]

    def __str__(self) -> str:
        return str(self.offer)
