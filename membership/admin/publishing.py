"""From a draft to rules in force: what it would do, a second person's approval, a date, and what becomes of who would lose."""

from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget

from accounts.models import User
from common import clock
from common.admin import Fact, Preview, action, allowed, ask, when
from common.admin.confirm import Answer
from common.texts import listed, with_remark
from membership.models import MemberTier, RuleSetVersion, WhatIf
from membership.rules.describe import describe_tiers
from membership.rules.parse import parse_rules
from membership.selectors import what_if_result
from membership.selectors.published import next_midnight
from membership.selectors.rules import published_versions, version_at
from membership.services import ask_what_if, publish_rule_set
from membership.services.rules import KEPT_WITHIN, approval_problems, policy_problems, publication_problems, writers_of
from membership.services.what_if import missing_what_if

Policy = RuleSetVersion.Policy


class PolicyForm(forms.Form):
    """What becomes of members whose tier the new rules would take away."""

    policy = forms.ChoiceField(
        label=gettext_lazy("过渡方式"),
        choices=Policy.choices,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("只影响会因新规则失去等级的会员；因新规则升级的会员总是立即升级。"),
    )
    policy_until = forms.DateField(
        label=gettext_lazy("保留至"),
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text=gettext_lazy("仅“已有等级保留到指定日期”需要：从这一天起按新规则评定。"),
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean()
        until, needs_day = found.get("policy_until"), found.get("policy") == Policy.GRANDFATHER_UNTIL
        if needs_day and until is None and "policy_until" not in self.errors:
            self.add_error("policy_until", _("请填写保留到哪一天"))
        if needs_day and until is not None and until <= clock.day_of(clock.now()):
            self.add_error("policy_until", _("请选一个以后的日期"))
        if needs_day and until is not None and until > clock.day_of(clock.now() + KEPT_WITHIN):
            self.add_error("policy_until", _("请选十年以内的日期"))
        if not needs_day:
            found["policy_until"] = None
        return found


class PublishForm(PolicyForm):
    effective_from = forms.SplitDateTimeField(
        label=gettext_lazy("生效时间"),
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=gettext_lazy("留空立即生效。收紧规则请提前公告，选一个以后的时间。"),
    )
    field_order = ["effective_from", "policy", "policy_until"]


class Publishing:
    """The acts of a draft's page."""

    has_publish_permission = allowed("membership.publish_rulesetversion")
    has_try_permission = allowed("membership.run_whatif")

    @action(description=gettext_lazy("推演"), icon="science", permissions=["try"])
    def try_out(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("推演规则变更"),
            form=partial(PolicyForm, initial=_initial(version)),
            preview=partial(_preview_what_if, version),
            run=partial(_ask_what_if, version, request.user),
            target=version,
            danger=False,
        )

    @action(description=gettext_lazy("批准并发布"), icon="publish", permissions=["publish"])
    def publish(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("批准并发布规则"),
            form=partial(PublishForm, initial=_initial(version)),
            preview=partial(_preview_publication, version, request.user),
            run=partial(_publish, version, request.user),
            target=version,
        )


def _initial(version: RuleSetVersion) -> dict[str, Any]:
    """The policy that was last tried out."""
    last = version.what_ifs.order_by("-id").first()
    return {"policy": last.policy, "policy_until": last.policy_until} if last is not None else {}


def _preview_what_if(version: RuleSetVersion, answer: Answer) -> Preview:
    is_draft = version.status == RuleSetVersion.Status.DRAFT
    return Preview(
        facts=[
            Fact(_("版本"), version),
            Fact(_("过渡方式"), _policy_text(answer)),
            Fact(
                pgettext("plural", "会员"),
                f"{MemberTier.objects.filter(program=version.program_id).count():,}",
                strong=True,
            ),
        ],
        warnings=[
            _("用真实会员推演：今天、30 天前和 90 天前。不改动任何会员，结果 24 小时内可用于发布。")
            if is_draft
            else _("只有草稿可以推演。")
        ],
        submit=_("开始推演"),
        possible=is_draft,
    )


def _ask_what_if(version: RuleSetVersion, user: User, answer: Answer) -> HttpResponse:
    policy, until = answer.data["policy"], answer.data["policy_until"]
    asked = ask_what_if(version_id=version.pk, asked_by=user, policy=policy, policy_until=until)
    return HttpResponseRedirect(reverse("admin:membership_whatif_change", args=[asked.pk]))


def _preview_publication(version: RuleSetVersion, user: User, answer: Answer) -> Preview:
    starts, policy, until = (answer.data[name] for name in ("effective_from", "policy", "policy_until"))
    problems = _problems(version, user, answer)
    tiers = describe_tiers(parse_rules(version.document))
    shown = (
        version.what_ifs.filter(status=WhatIf.Status.DONE, policy=policy, policy_until=until).order_by("-id").first()
    )
    return Preview(
        facts=[
            Fact(_("版本"), version),
            Fact(_("作者"), listed(writers_of(version)) or "–"),
            Fact(_("批准人"), user),
            Fact(_("生效时间"), when(starts) or _("立即"), strong=True),
            Fact(_("过渡方式"), _policy_text(answer), strong=True),
            Fact(_("推演结果"), _link(shown) if shown is not None else "–"),
            *(_foreseen(shown) if shown is not None else []),
        ],
        columns=[_("等级"), _("升级条件"), _("保级")],
        rows=[(tier.name, tier.enter or "–", tier.keep or "–") for tier in tiers],
        warnings=[
            *(f"{path}: {message}" if path else message for path, message in problems),
            *_waits(version, starts or clock.now()),
        ],
        submit=_("批准并发布"),
        possible=not problems,
    )


def _waits(version: RuleSetVersion, starts: datetime) -> list[str]:
    """That what counts by days begins later than the rest, where it does."""
    versions = published_versions(version.program_id)
    before = version_at(versions, starts).rules if versions else None
    midnight = next_midnight(before, parse_rules(version.document), starts) if before is not None else None
    if midnight is None:
        return []
    return [
        _("倍数、上限与任务包按整天计算：这些改动从 %(at)s 起生效，当天仍按上一版")
        % {"at": clock.minute_text(midnight)}
    ]


def _problems(version: RuleSetVersion, user: User, answer: Answer) -> list[tuple[str, Any]]:
    if version.status != RuleSetVersion.Status.DRAFT:
        return [("", _("这个版本已经发布过了"))]
    starts, policy, until = (answer.data[name] for name in ("effective_from", "policy", "policy_until"))
    return [
        *publication_problems(version=version, effective_from=starts),
        *policy_problems(policy, until, starts or clock.now()),
        *approval_problems(version=version, approver=user, policy=policy, policy_until=until),
    ]


def _publish(version: RuleSetVersion, approver: User, answer: Answer) -> str:
    data = answer.data
    published = publish_rule_set(
        version_id=version.pk,
        approver=approver,
        effective_from=data["effective_from"],
        policy=data["policy"],
        policy_until=data["policy_until"],
    )
    if data["effective_from"] is None:
        return _("已发布，会员会按新规则重新评定")
    return _("已发布，%(starts)s 起生效") % {"starts": clock.minute_text(published.effective_from)}


def _policy_text(answer: Answer) -> str:
    label = str(Policy(answer.data["policy"]).label)
    return with_remark(label, answer.data["policy_until"])


def _foreseen(asked: WhatIf) -> list[Fact]:
    """What becomes of members, as the result tells it of the day on which it was computed."""
    picture = what_if_result(asked.pk).now
    if picture is None:
        return []
    return [
        Fact(_("升级"), _("%(count)s 人") % {"count": f"{picture.up:,}"}),
        Fact(_("降级"), _("%(count)s 人") % {"count": f"{picture.down:,}"}, strong=bool(picture.down)),
    ]


def _link(asked: WhatIf) -> SafeString:
    address = reverse("admin:membership_whatif_change", args=[asked.pk])
    return format_html('<a class="desk-link" href="{}">{}</a>', address, when(asked.finished_at) or f"#{asked.pk}")


def steps_of(version: RuleSetVersion) -> SafeString:
    """How far a draft is on its way: written, tried out, approved by somebody else."""
    last = version.what_ifs.order_by("-id").first()
    missing = missing_what_if(
        version=version,
        policy=last.policy if last else Policy.IMMEDIATE,
        policy_until=last.policy_until if last else None,
        at=clock.now(),
    )
    context = {
        "writers": listed(writers_of(version)),
        "last": last,
        "is_open": last is not None and last.status in (WhatIf.Status.WAITING, WhatIf.Status.RUNNING),
        "missing": missing,
        "address": reverse("admin:membership_whatif_change", args=[last.pk]) if last is not None else "",
    }
    return SafeString(render_to_string("membership/admin/steps.html", context))
