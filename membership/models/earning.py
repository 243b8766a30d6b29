"""Checking in: days, streaks, and what is given for them. Days are Shanghai days."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from membership.models.passes import PassOffer
from tenancy.models import Storefront


class ActiveDay(models.Model):
    """A day on which a person did anything: checked in, looked at a product signed in, bought."""

    pk = models.CompositePrimaryKey("user_id", "day")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("用户"))
    day = models.DateField(_("日期"))

    class Meta:
        verbose_name = _("活跃日")
        verbose_name_plural = pgettext_lazy("plural", "活跃日")


class CheckIn(models.Model):
    """Once a day for a person, whatever storefront. `streak` is the number of days running up to this one."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="check_ins", db_index=False, verbose_name=_("用户")
    )
    storefront = models.ForeignKey(
        Storefront, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("店铺")
    )
    day = models.DateField(_("日期"))
    streak = models.PositiveIntegerField(_("连续天数"))
    points = models.PositiveIntegerField(_("获得积分"), default=0)
    activity = models.PositiveIntegerField(_("获得活跃值"), default=0)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("签到")
        verbose_name_plural = pgettext_lazy("plural", "签到")
        constraints = [
            models.UniqueConstraint(fields=["user", "day"], name="check_in_once_a_day"),
            models.CheckConstraint(condition=Q(streak__gte=1), name="check_in_streak_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.day} · {self.streak}"


class CheckInReward(models.Model):
    """What a check-in brings: every day (`streak` 0), or on reaching so many days running.

    Streaks begin anew after the longest one that has a gift, so that somebody who comes every day gets gifts again.
    """

    class Audience(models.TextChoices):
        EVERYONE = "everyone", _("所有会员")
        QUIET = "quiet", _("低频会员")

    streak = models.PositiveSmallIntegerField(_("连续天数"), default=0, help_text=_("0 表示每次签到都给"))
    audience = models.CharField(
        _("适用会员"),
        max_length=10,
        choices=Audience,
        default=Audience.EVERYONE,
        help_text=_("低频会员：开始连续签到前 30 天里很少活跃的老会员"),
    )
    points = models.PositiveIntegerField(_("积分"), default=0)
    activity = models.PositiveIntegerField(_("活跃值"), default=0, help_text=_("计入等级规则里的活跃值"))
    offer = models.ForeignKey(
        PassOffer, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("赠送的升级券")
    )
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("签到奖励")
        verbose_name_plural = pgettext_lazy("plural", "签到奖励")
        ordering = ["streak", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["streak", "audience"],
                name="check_in_reward_once",
                violation_error_message=_("这个天数和适用会员已经有奖励"),
            ),
            models.CheckConstraint(
                condition=Q(points__gt=0) | Q(activity__gt=0) | Q(offer__isnull=False),
                name="check_in_reward_gives_something",
                violation_error_message=_("积分、活跃值、升级券至少填一项"),
            ),
            models.CheckConstraint(
                condition=Q(streak__lte=365, points__lte=1000, activity__lte=1000),
                name="check_in_reward_range",
                violation_error_message=_("天数不超过 365，积分和活跃值不超过 1000"),
            ),
            models.CheckConstraint(
                condition=Q(offer=None) | Q(streak__gte=2),
                name="check_in_pass_needs_a_streak",
                violation_error_message=_("升级券只送给连续签到 2 天以上的会员"),
            ),
        ]

    def __str__(self) -> str:
        return _("连续 %(days)s 天") % {"days": self.streak} if self.streak else str(_("每次签到"))


class EarningPreference(models.Model):
    """What a person chose about tasks and nudges. No row: the defaults."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="+", verbose_name=_("用户")
    )
    personal_tasks = models.BooleanField(_("个性化任务排序"), default=True)
    nudge_order = models.BooleanField(_("下单后提醒差距"), default=True)
    nudge_cart = models.BooleanField(_("购物车提醒差价"), default=True)
    nudge_streak = models.BooleanField(_("连签中断前提醒"), default=True)

    class Meta:
        verbose_name = _("任务偏好")
        verbose_name_plural = pgettext_lazy("plural", "任务偏好")
