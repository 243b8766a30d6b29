"""Tasks that operators write, how far members are with them, and what is known of which task whom it suits."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from catalog.models import Category
from common.texts import in_language
from membership.models.passes import PassOffer


class Task(models.Model):
    class Kind(models.TextChoices):
        CHECK_IN = "check_in", _("签到")
        REVIEW = "review", _("发表评价")
        BROWSE = "browse", _("浏览商品")
        FIRST_ORDER = "first_order", _("首次下单")
        CATEGORY_ORDER = "category_order", _("购买指定分类")
        SHARE = "share", _("分享被好友打开")
        INVITE = "invite", _("邀请好友注册")
        FEEDBACK = "feedback", _("反馈被采纳")

    class Window(models.TextChoices):
        DAY = "day", _("每天")
        WEEK = "week", _("每周")
        MONTH = "month", _("每月")
        ONCE = "once", _("一次性")

    class Audience(models.TextChoices):
        EVERYONE = "everyone", _("所有会员")
        NEW = "new", _("注册 14 天内")
        QUIET = "quiet", _("低频会员")
        NO_ORDERS = "no_orders", _("还没有买过")

    kind = models.CharField(_("类型"), max_length=20, choices=Kind)
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=80, blank=True)
    text = models.CharField(_("说明"), max_length=120, blank=True)
    text_en = models.CharField(_("英文说明"), max_length=200, blank=True)
    target = models.PositiveSmallIntegerField(_("需完成次数"), default=1)
    category = models.ForeignKey(
        Category,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("分类"),
        help_text=_("只用于“购买指定分类”，包含下级分类"),
    )
    window = models.CharField(_("周期"), max_length=10, choices=Window, default=Window.DAY)
    audience = models.CharField(_("适用会员"), max_length=10, choices=Audience, default=Audience.EVERYONE)
    min_rank = models.PositiveSmallIntegerField(_("最低等级序号"), null=True, blank=True)
    max_rank = models.PositiveSmallIntegerField(_("最高等级序号"), null=True, blank=True)
    points = models.PositiveIntegerField(_("奖励积分"), default=0)
    activity = models.PositiveIntegerField(_("奖励活跃值"), default=0, help_text=_("计入等级规则里的活跃值"))
    offer = models.ForeignKey(
        PassOffer, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("赠送的升级券")
    )
    cap = models.PositiveIntegerField(_("每人最多奖励次数"), default=0, help_text=_("0 表示不限"))
    effort = models.PositiveSmallIntegerField(
        _("所需精力"), default=1, help_text=_("1 到 10；1 表示点一下就完成，排序时用它做除数")
    )
    position = models.IntegerField(_("排序"), default=0, help_text=_("关闭个性化排序的会员看到的顺序"))
    starts_at = models.DateTimeField(_("开始时间"), null=True, blank=True)
    ends_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("任务")
        verbose_name_plural = pgettext_lazy("plural", "任务")
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(target__gte=1, target__lte=100, effort__gte=1, effort__lte=10),
                name="task_target_and_effort",
                violation_error_message=_("次数须为 1 到 100，精力须为 1 到 10"),
            ),
            models.CheckConstraint(
                condition=Q(points__gt=0) | Q(activity__gt=0) | Q(offer__isnull=False),
                name="task_rewards_something",
                violation_error_message=_("积分、活跃值、升级券至少填一项"),
            ),
            models.CheckConstraint(
                condition=Q(points__lte=1000, activity__lte=1000),
                name="task_reward_range",
                violation_error_message=_("积分和活跃值不超过 1000"),
            ),
            models.CheckConstraint(
                condition=Q(kind="category_order", category__isnull=False)
                | Q(~Q(kind="category_order"), category=None),
                name="task_category_where_it_counts",
                violation_error_message=_("“购买指定分类”要选分类，其他类型不选"),
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="task_ends_after_it_starts",
                violation_error_message=_("结束时间要晚于开始时间"),
            ),
            models.CheckConstraint(
                condition=~Q(kind="first_order") | Q(window="once", target=1),
                name="task_first_order_once",
                violation_error_message=_("首次下单只能是一次性、一次完成"),
            ),
            models.CheckConstraint(
                condition=~Q(kind="check_in", window="day") | Q(target=1),
                name="task_one_check_in_a_day",
                violation_error_message=_("每天只能签到一次"),
            ),
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class TaskProgress(models.Model):
    """How far a person is with a task in a window, named by its first day (1970-01-01 for those that come once).

    `rounds` is how often it was completed: what is withdrawn and done again is rewarded under another reference.
    """

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(
        Task, on_delete=models.PROTECT, related_name="progress", db_index=False, verbose_name=_("任务")
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("用户"))
    window = models.DateField(_("周期首日"))
    count = models.PositiveSmallIntegerField(_("完成次数"), default=0)
    completed_at = models.DateTimeField(_("完成时间"), null=True)
    rounds = models.PositiveSmallIntegerField(_("第几次完成"), default=0)
    points = models.PositiveIntegerField(_("获得积分"), default=0)
    activity = models.PositiveIntegerField(_("获得活跃值"), default=0)

    class Meta:
        verbose_name = _("任务进度")
        verbose_name_plural = pgettext_lazy("plural", "任务进度")
        constraints = [
            models.UniqueConstraint(fields=["user", "task", "window"], name="task_progress_once"),
            models.CheckConstraint(
                condition=Q(completed_at__isnull=False) | Q(points=0, activity=0), name="task_rewarded_when_completed"
            ),
        ]
        indexes = [models.Index(fields=["task", "-completed_at"], name="task_progress_by_task")]

    def __str__(self) -> str:
        return f"{self.task} {self.count}"


class TaskStep(models.Model):
    """One thing that counts toward a task, by what it is about: product:7:2026-03-01, review:5.

    The latest news of a subject holds (`told_at`), in whatever order news come.
    """

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("任务"))
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("用户"))
    subject = models.CharField(_("所属"), max_length=80)
    window = models.DateField(_("周期首日"))
    counts = models.BooleanField(_("计入"))
    told_at = models.DateTimeField(_("消息时间"))

    class Meta:
        verbose_name = _("任务步骤")
        verbose_name_plural = pgettext_lazy("plural", "任务步骤")
        constraints = [models.UniqueConstraint(fields=["user", "task", "subject"], name="task_step_once")]

    def __str__(self) -> str:
        return self.subject


class TaskShown(models.Model):
    """A task was before a member's eyes on a day, and whether it was done that day. Kept for 90 days."""

    pk = models.CompositePrimaryKey("user_id", "day", "task_id")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("用户"))
    day = models.DateField(_("日期"), db_index=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("任务"))
    segment = models.CharField(_("人群"), max_length=10)
    done = models.BooleanField(_("当天完成"), default=False)

    class Meta:
        verbose_name = _("任务展示")
        verbose_name_plural = pgettext_lazy("plural", "任务展示")


class TaskArm(models.Model):
    """How often a task was shown to a kind of member, and done. Counted anew every night; no page view writes here."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="arms", verbose_name=_("任务"))
    segment = models.CharField(_("人群"), max_length=10)
    shown = models.PositiveIntegerField(_("展示"), default=0)
    done = models.PositiveIntegerField(_("完成"), default=0)

    class Meta:
        verbose_name = _("任务完成率")
        verbose_name_plural = pgettext_lazy("plural", "任务完成率")
        constraints = [
            models.UniqueConstraint(fields=["task", "segment"], name="task_arm_once"),
            models.CheckConstraint(condition=Q(done__lte=F("shown")), name="task_arm_done_within_shown"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.segment}"
