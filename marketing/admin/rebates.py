"""Rebates: the programs, what was paid and corrected, and paying a month after a look at who gets what."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from common import clock
from common.admin import (
    DayRangeFilter,
    Fact,
    ModelAdmin,
    Preview,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    allowed,
    ask,
    chip,
    display,
    moment,
    money,
)
from common.admin.confirm import Answer
from common.clock import day_of
from common.exceptions import DomainError
from common.money import ZERO, parse_money
from common.queue import send
from common.registries import Panel, act_names, panels
from common.texts import listed
from marketing.models import Rebate, RebateCorrection, RebateProgram
from marketing.rebates import load_steps, percent
from marketing.selectors import due_for
from marketing.selectors.rebates import Due
from marketing.services import save_rebate_program
from marketing.services.rebates import check_rebate_terms, check_steps, closed_months

SHOWN = 50
act_names.update(
    {
        "marketing.rebates.save": gettext_lazy("保存返利计划"),
        "marketing.rebates.pay": gettext_lazy("发放返利"),
    }
)
_STEP = re.compile(r"([0-9.,]+)\s*[:：]?\s+([0-9.]+)\s*%")


def read_steps(text: str) -> list[tuple[Decimal, Decimal]]:
    """Steps as staff write them, one a line: "10000 3%". Raises ValidationError with the line."""
    steps = []
    for line in filter(None, map(str.strip, text.replace("％", "%").splitlines())):
        found = _STEP.fullmatch(line)
        try:
            if found is None:
                raise InvalidOperation
            rate = Decimal(found[2]) / 100
            steps.append((parse_money(found[1].replace(",", "")), rate.quantize(Decimal("0.0001"))))
        except (InvalidOperation, DomainError) as error:
            raise forms.ValidationError(_("看不懂这一行：%(line)s") % {"line": line}) from error
        if steps[-1][1] != rate:
            raise forms.ValidationError(_("比例最多两位小数：%(line)s") % {"line": line})
    return steps


def steps_text(steps: Any) -> str:
    return "\n".join(f"{amount} {percent(rate)}" for amount, rate in steps)


class ProgramForm(forms.ModelForm):
    """Refuses on the page what the service would refuse."""

    steps = forms.CharField(
        label=gettext_lazy("档位"),
        widget=UnfoldAdminTextareaWidget({"rows": 5, "spellcheck": "false"}),
        help_text=gettext_lazy("每行一档：月有效消费和比例，例如 10000 3%。比例按整月消费计算，不是只算超出的部分"),
    )

    class Meta:
        model = RebateProgram
        exclude: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["steps"] = steps_text(self.instance.steps.values_list("amount", "rate"))

    def clean_steps(self) -> list[tuple[Decimal, Decimal]]:
        steps = read_steps(self.cleaned_data["steps"])
        try:
            check_steps(steps)
        except DomainError as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return steps

    def _post_clean(self) -> None:
        """After the model's own checks, which fill the instance in."""
        super()._post_clean()
        if self.instance.pk and not self.errors:
            try:
                before = RebateProgram.objects.get(pk=self.instance.pk)
                check_rebate_terms(before, self.instance, self.cleaned_data["steps"])
            except DomainError as refusal:
                self.add_error(None, str(refusal))


class MonthForm(forms.Form):
    month = forms.ChoiceField(label=gettext_lazy("月份"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        months = closed_months(day_of(clock.now()))
        self.fields["month"].choices = [(f"{month}", f"{month:%Y-%m}") for month in months]

    def clean_month(self) -> date:
        return date.fromisoformat(self.cleaned_data["month"])


@admin.register(RebateProgram)
class RebateProgramAdmin(ModelAdmin):
    form = ProgramForm
    list_display = ["name", "shown_steps", "group", "storefront", "months", "pay_day", "shown_state"]
    export_columns = ["name", "shown_steps", "group", "storefront", "months", "pay_day", "is_active"]
    list_filter = ["is_active", "group"]
    list_select_related = ["group", "storefront"]
    search_fields = ["name"]
    fields = [
        ("name", "name_en"),
        "is_active",
        "group",
        "storefront",
        "steps",
        ("first_month", "last_month"),
        "pay_day",
    ]

    def get_queryset(self, request: HttpRequest):
        return super().get_queryset(request).prefetch_related("steps")

    def save_model(self, request: HttpRequest, obj: RebateProgram, form: forms.ModelForm, change: bool) -> None:
        save_rebate_program(program=obj, steps=form.cleaned_data["steps"], actor=request.user)

    @display(description=gettext_lazy("档位"))
    def shown_steps(self, program: RebateProgram) -> str:
        return listed(
            _("满 ¥%(amount)s 返 %(rate)s") % {"amount": f"{step.amount:,}", "rate": percent(step.rate)}
            for step in program.steps.all()
        )

    @display(description=gettext_lazy("月份"))
    def months(self, program: RebateProgram) -> str:
        end = f"{program.last_month:%Y-%m}" if program.last_month else ""
        return f"{program.first_month:%Y-%m} – {end}"

    @display(description=gettext_lazy("状态"))
    def shown_state(self, program: RebateProgram):
        return chip(_("启用"), "success") if program.is_active else chip(_("停用"), "neutral")


class CorrectionInline(ReadOnlyInline):
    model = RebateCorrection
    fields = ["number", "base", "amount", "at"]


@admin.register(Rebate)
class RebateAdmin(ReadOnlyAdmin):
    list_display = ["user", "shown_month", "base", "shown_rate", "amount", "carried", "shown_paid", "shown_at"]
    list_filter = ["program", ("at", DayRangeFilter)]
    list_select_related = ["user", "program"]
    search_fields = ["^user__username"]
    search_help_text = gettext_lazy("按用户名的开头查找")
    ordering = ["-month", "-amount"]
    fields = ["user", "shown_month", "program", "shown_steps", "base", "shown_rate", "amount", "carried", "paid", "at"]
    inlines = [CorrectionInline]
    actions_list = ["pay"]
    export_columns = ["user", "month", "program", "base", "rate", "amount", "carried", "paid", "at"]
    has_pay_permission = allowed("marketing.pay_rebates")
    has_export_permission = allowed("marketing.export_rebate")

    @display(description=gettext_lazy("月份"), ordering="month")
    def shown_month(self, rebate: Rebate) -> str:
        return f"{rebate.month:%Y-%m}"

    @display(description=gettext_lazy("返利比例"), ordering="rate")
    def shown_rate(self, rebate: Rebate) -> str:
        return percent(rebate.rate)

    @display(description=gettext_lazy("档位"))
    def shown_steps(self, rebate: Rebate) -> str:
        return steps_text(load_steps(rebate.steps))

    @display(description=gettext_lazy("已发放"), ordering="paid")
    def shown_paid(self, rebate: Rebate):
        return money(rebate.paid)

    @display(description=gettext_lazy("结算时间"), ordering="at")
    def shown_at(self, rebate: Rebate):
        return moment(rebate.at)

    @action(description=gettext_lazy("预览并发放"), icon="savings", permissions=["pay"])
    def pay(self, request: HttpRequest) -> HttpResponse:
        return ask(
            self,
            request,
            title=_("发放月返利"),
            form=MonthForm,
            preview=self._preview,
            run=partial(self._pay, request),
            danger=False,
        )

    @staticmethod
    def _preview(answer: Answer) -> Preview:
        dues = due_for(month=answer.data["month"])
        names = User.objects.in_bulk([due.entitled.user_id for due in dues[:SHOWN]])
        return Preview(
            facts=[
                Fact(_("月份"), f"{answer.data['month']:%Y-%m}"),
                Fact(_("人数"), f"{len(dues):,}", strong=True),
                Fact(_("合计"), money(sum((due.paid for due in dues), ZERO)), strong=True),
            ],
            columns=[_("会员"), _("有效消费"), _("返利比例"), _("当月返利"), _("上期结转"), _("发放")],
            rows=[_row(due, names) for due in dues[:SHOWN]],
            more=max(len(dues) - SHOWN, 0),
            warnings=[] if dues else [_("这个月没有待发放的返利：已经发完，或没有会员达到最低档位")],
            submit=_("发放"),
            possible=bool(dues),
        )

    @staticmethod
    def _pay(request: HttpRequest, answer: Answer) -> str:
        send("marketing.tasks.pay_rebates", answer.data["month"].isoformat(), request.user.pk)
        return _("正在发放，每人到账后出现在列表里；发放前会先计入以前月份的退款")


def _row(due: Due, names: dict[int, User]) -> tuple:
    one = due.entitled
    return (
        names[one.user_id],
        money(one.base),
        percent(one.rate),
        money(one.amount),
        money(due.carried),
        money(due.paid),
    )


def rebates_panel(user: User, viewer: User) -> Panel | None:
    """A member's latest rebates, on their page."""
    if not viewer.has_perm("marketing.view_rebate"):
        return None
    latest = Rebate.objects.filter(user=user).order_by("-month")[:8]
    rows = [(f"{one.month:%Y-%m}", money(one.base), percent(one.rate), money(one.paid)) for one in latest]
    if not rows:
        return None
    return Panel(title=_("返利"), columns=[_("月份"), _("有效消费"), _("返利比例"), _("已发放")], rows=rows)


panels.add("accounts.User", rebates_panel)
