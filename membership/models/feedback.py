"""What members write to the shop: ideas, and reports of fraud. Staff accept with a reward or decline with a reason."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.ids import public_id
from tenancy.models import Storefront

MIN_TEXT, MAX_TEXT = 10, 1000


class Feedback(models.Model):
    class Kind(models.TextChoices):
        IDEA = "idea", _("建议")
        PROBLEM = "problem", _("问题")
        FRAUD = "fraud", _("举报欺诈")

    class State(models.TextChoices):
        PENDING = "pending", _("待处理")
        ACCEPTED = "accepted", _("已采纳")
        DECLINED = "declined", _("未采纳")

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="feedback", db_index=False, verbose_name=_("用户")
    )
    storefront = models.ForeignKey(
        Storefront, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("店铺")
    )
    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    text = models.CharField(_("内容"), max_length=MAX_TEXT)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.PENDING)
    # What the member reads about the decision.
    answer = models.CharField(_("回复"), max_length=300, blank=True)
    points = models.PositiveIntegerField(_("奖励积分"), default=0)
    contrib = models.PositiveIntegerField(_("奖励贡献值"), default=0)
    written_at = models.DateTimeField(_("提交时间"))
    decided_at = models.DateTimeField(_("处理时间"), null=True)
    decided_by_id = models.BigIntegerField(_("处理人编号"), null=True)

    class Meta:
        verbose_name = _("反馈与举报")
        verbose_name_plural = pgettext_lazy("plural", "反馈与举报")
        permissions = [("decide_feedback", _("处理反馈与举报"))]
        constraints = [
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Length(F("text")), MIN_TEXT)
                & LessThanOrEqual(Length(F("text")), MAX_TEXT),
                name="feedback_text_length",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at=None) | Q(~Q(state="pending"), decided_at__isnull=False),
                name="feedback_decided_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="accepted") | Q(points=0, contrib=0), name="feedback_only_accepted_is_rewarded"
            ),
            models.CheckConstraint(condition=~Q(state="declined") | ~Q(answer=""), name="feedback_declined_has_reason"),
            models.CheckConstraint(condition=Q(points__lte=500, contrib__lte=500), name="feedback_reward_range"),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="feedback_by_user"),
            models.Index(fields=["written_at", "id"], condition=Q(state="pending"), name="feedback_pending"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.text[:20]}"
