"""Programs and the versions of their rules. What was published is never edited: another version takes its place."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.texts import in_language
from membership.benefits import SINGLE, BenefitKind, check_benefit, fits_kind
from tenancy.models import Storefront

# Nothing of it changes, nothing is added, nothing moves in or out: `old` and `new` are the versions of the row.
PUBLISHED_STAYS = """
IF TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
IF TG_OP <> 'INSERT' AND EXISTS (
    SELECT 1 FROM membership_rulesetversion WHERE id = {old} AND status <> 'draft'
) OR TG_OP <> 'DELETE' AND EXISTS (
    SELECT 1 FROM membership_rulesetversion WHERE id = {new} AND status <> 'draft'
) THEN
    RAISE EXCEPTION 'a published rule set is never edited' USING ERRCODE = 'check_violation';
END IF;
IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
RETURN NEW;
"""


class Program(models.Model):
    storefront = models.ForeignKey(
        Storefront,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("店铺"),
        help_text=_("留空表示全平台通用"),
    )
    name = models.CharField(_("名称"), max_length=60)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("会员计划")
        verbose_name_plural = pgettext_lazy("plural", "会员计划")
        constraints = [
            models.UniqueConstraint(
                fields=["storefront"],
                nulls_distinct=False,
                name="program_once_per_storefront",
                violation_error_message=_("这个店铺已经有会员计划"),
            )
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class RuleSetVersion(models.Model):
    class Status(models.TextChoices):
        DRAFT = "draft", _("草稿")
        PUBLISHED = "published", _("已发布")
        RETIRED = "retired", _("已停用")

    class Policy(models.TextChoices):
        """What becomes of members whose tier the new rules would take away. Nobody waits for what they would gain."""

        IMMEDIATE = "immediate", _("立即按新规则评定")
        AT_NEXT_REVIEW = "at_next_review", _("到下次评审时按新规则评定")
        GRANDFATHER_UNTIL = "grandfather_until", _("已有等级保留到指定日期")
        KEEP_IF_HELD = "keep_if_held", _("已有等级按原规则保留")

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="versions", verbose_name=_("会员计划"))
    number = models.PositiveIntegerField(_("版本号"))
    status = models.CharField(_("状态"), max_length=10, choices=Status, default=Status.DRAFT)
    document = models.JSONField(_("规则"))
    sha256 = models.CharField(_("摘要"), max_length=64)
    note = models.CharField(_("说明"), max_length=200, blank=True)
    note_en = models.CharField(_("英文说明"), max_length=300, blank=True, default="", db_default="")
    author = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("作者")
    )
    approver = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("批准人")
    )
    # Whoever changed the draft after its author: none of them may approve it.
    editors = models.ManyToManyField(User, related_name="+", blank=True, verbose_name=_("修改人"))
    created_at = models.DateTimeField(_("创建时间"))
    published_at = models.DateTimeField(_("发布时间"), null=True)
    effective_from = models.DateTimeField(_("生效时间"), null=True)
    retired_at = models.DateTimeField(_("停用时间"), null=True)
    policy = models.CharField(_("过渡方式"), max_length=20, choices=Policy, default=Policy.IMMEDIATE)
    # The first Shanghai day on which grandfathered members are judged by these rules.
    policy_until = models.DateField(_("保留至"), null=True, blank=True)

    class Meta:
        verbose_name = _("规则版本")
        verbose_name_plural = pgettext_lazy("plural", "规则版本")
        permissions = [("publish_rulesetversion", _("发布规则版本"))]
        constraints = [
            models.UniqueConstraint(fields=["program", "number"], name="rule_set_number"),
            models.UniqueConstraint(
                fields=["program", "effective_from"],
                condition=~Q(status="draft"),
                name="rule_set_one_from_a_moment",
                violation_error_message=_("同一时间已有另一个版本生效"),
            ),
            models.CheckConstraint(
                condition=Q(status="draft", published_at=None, effective_from=None)
                | Q(~Q(status="draft"), published_at__isnull=False, effective_from__isnull=False),
                name="rule_set_published_has_times",
            ),
            models.CheckConstraint(
                condition=Q(status="retired", retired_at__isnull=False) | Q(~Q(status="retired"), retired_at=None),
                name="rule_set_retired_has_time",
            ),
            models.CheckConstraint(
                condition=Q(policy="grandfather_until", policy_until__isnull=False)
                | Q(~Q(policy="grandfather_until"), policy_until=None),
                name="rule_set_grandfather_has_date",
                violation_error_message=_("请填写保留到哪一天"),
            ),
            models.CheckConstraint(condition=~Q(author=F("approver")), name="rule_set_second_person"),
        ]
        triggers = [
            pgtrigger.FSM(
                name="legal_moves", field="status", transitions=[("draft", "published"), ("published", "retired")]
            ),
            pgtrigger.Protect(
                name="published_stays",
                operation=pgtrigger.Update,
                condition=~pgtrigger.Q(old__status="draft")
                & (
                    pgtrigger.Q(old__document__df=pgtrigger.F("new__document"))
                    | pgtrigger.Q(old__sha256__df=pgtrigger.F("new__sha256"))
                    | pgtrigger.Q(old__number__df=pgtrigger.F("new__number"))
                    | pgtrigger.Q(old__program__df=pgtrigger.F("new__program"))
                    | pgtrigger.Q(old__effective_from__df=pgtrigger.F("new__effective_from"))
                    | pgtrigger.Q(old__policy__df=pgtrigger.F("new__policy"))
                    | pgtrigger.Q(old__policy_until__df=pgtrigger.F("new__policy_until"))
                ),
            ),
            pgtrigger.Protect(
                name="published_remains", operation=pgtrigger.Delete, condition=~pgtrigger.Q(old__status="draft")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program} v{self.number}"


class TierRule(models.Model):
    """One tier of a version, as a row that others can point at. A copy of the version's document, written with it."""

    version = models.ForeignKey(
        RuleSetVersion, on_delete=models.CASCADE, related_name="tiers", verbose_name=_("规则版本")
    )
    rank = models.PositiveSmallIntegerField(_("等级序号"))
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=40, blank=True)
    enter = models.JSONField(_("升级条件"), null=True)
    keep = models.JSONField(_("保级条件"), null=True)
    gates = models.JSONField(_("门槛"), default=list)
    min_stay_days = models.PositiveSmallIntegerField(_("最短停留天数"))
    grace_days = models.PositiveSmallIntegerField(_("宽限天数"))
    down = models.CharField(_("降级方式"), max_length=10)

    class Meta:
        verbose_name = _("等级")
        verbose_name_plural = pgettext_lazy("plural", "等级")
        ordering = ["version", "rank"]
        constraints = [models.UniqueConstraint(fields=["version", "rank"], name="tier_rule_rank")]
        triggers = [
            pgtrigger.Trigger(
                name="published_stays",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=PUBLISHED_STAYS.format(old="OLD.version_id", new="NEW.version_id"),
            )
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class Benefit(models.Model):
    """What a tier gives. Delivery order is never one: keys go out first come, first served."""

    Kind = BenefitKind

    class Layer(models.TextChoices):
        EVERYDAY = "everyday", _("日常权益")
        EXCLUSIVE = "exclusive", _("专属权益")
        STATUS = "status", _("身份权益")

    class Stacking(models.TextChoices):
        BEST = "best", _("与其他优惠取最优")
        ADD = "add", _("可与其他优惠叠加")

    tier = models.ForeignKey(TierRule, on_delete=models.CASCADE, related_name="benefits", verbose_name=_("等级"))
    kind = models.CharField(_("类型"), max_length=20, choices=Kind)
    layer = models.CharField(_("层次"), max_length=10, choices=Layer)
    value = models.DecimalField(
        _("数值"), max_digits=10, decimal_places=4, null=True, blank=True, help_text=_("会员价填折扣，例如 0.95")
    )
    code = models.SlugField(_("代码"), max_length=40, blank=True, help_text=_("生日礼填优惠券代码，限定活动填活动代码"))
    text = models.CharField(_("文字"), max_length=60, blank=True)
    text_en = models.CharField(_("英文文字"), max_length=80, blank=True)
    stacking = models.CharField(_("叠加规则"), max_length=10, choices=Stacking, default=Stacking.BEST)

    class Meta:
        verbose_name = _("权益")
        verbose_name_plural = pgettext_lazy("plural", "权益")
        ordering = ["tier", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tier", "kind"],
                condition=Q(kind__in=SINGLE),
                name="benefit_one_of_a_kind",
                violation_error_message=_("这个等级已经有这类权益"),
            ),
            models.CheckConstraint(
                condition=fits_kind(),
                name="benefit_fits_its_kind",
                violation_error_message=_("数值、文字或代码不符合这类权益"),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="published_stays",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=PUBLISHED_STAYS.format(
                    old="(SELECT version_id FROM membership_tierrule WHERE id = OLD.tier_id)",
                    new="(SELECT version_id FROM membership_tierrule WHERE id = NEW.tier_id)",
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value if self.value is not None else self.text or self.code}"

    def clean(self) -> None:
        check_benefit(kind=self.kind, value=self.value, text=self.text, code=self.code)
