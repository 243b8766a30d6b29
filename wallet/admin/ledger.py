"""The ledger, to read; and the one thing that staff may post to it: a reasoned correction of a member's balance."""

from collections.abc import Collection
from decimal import Decimal

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    allowed,
    chip,
    display,
    link_to,
    moment,
    money,
)
from common.admin.by_hand import AdjustsMembers
from common.admin.confirm import Answer
from common.admin.telling import names_of
from common.forms import PlainDecimalField
from common.money import MAX_AMOUNT, ZERO
from common.registries import Panel, act_names, panels
from wallet.models import Account, Entry, Transfer
from wallet.selectors import balance_of, statement
from wallet.services import adjust_by_staff

SHOWN = 8
act_names["wallet.adjust"] = _("人工调整余额")
act_names["wallet.guard"] = _("更改余额支付验证")
act_names["token.allowance"] = _("更改令牌付款限额")


class AdjustForm(forms.Form):
    amount = PlainDecimalField(
        label=_("金额"),
        max_digits=10,
        decimal_places=2,
        min_value=-MAX_AMOUNT,
        max_value=MAX_AMOUNT,
        widget=UnfoldAdminDecimalFieldWidget({"step": "0.01"}),
        help_text=_("正数增加余额，负数扣减"),
    )
    reason = forms.CharField(
        label=_("原因"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=_("会员在余额明细中可以看到，并写入审计记录"),
    )

    def clean_amount(self) -> Decimal:
        amount = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError(_("金额不能为零"))
        return amount


@admin.register(Account)
class AccountAdmin(AdjustsMembers, ReadOnlyAdmin):
    list_display = ["code", "shown_purpose", "owner", "shown_balance"]
    list_filter = ["purpose"]
    list_select_related = ["user"]
    search_fields = ["=code", "^user__username", "^user__email"]
    search_help_text = _("按账户代码精确查找，或按用户名、邮箱的开头查找")
    ordering = ["-id"]
    fields = ["code", "shown_purpose", "owner", "current"]
    actions_detail = ["adjust"]
    export_columns = ["code", "purpose", "user", "balance"]
    has_adjust_permission = allowed("wallet.adjust_wallet")
    adjust_title = _("人工调整余额")
    adjust_form = AdjustForm
    adjust_service = staticmethod(adjust_by_staff)
    adjusted = _("已调整 %(name)s 的余额。")

    def fitting_acts(self, account: Account, user: User) -> Collection[str]:
        return self.actions_detail if account.purpose == Account.Purpose.WALLET else []

    @display(description=_("用途"))
    def shown_purpose(self, account: Account):
        own = account.user_id is None and account.order_id is None
        return chip(account.get_purpose_display(), "info" if own else "neutral")

    @display(description=_("所有者"))
    def owner(self, account: Account) -> str:
        if account.user_id:
            return str(account.user)
        return gettext("订单 #%(id)s") % {"id": account.order_id} if account.order_id else gettext("店铺")

    @display(description=_("余额"))
    def shown_balance(self, account: Account):
        # The shop's own accounts keep no balance; summing a million entries is for their page, not for the list.
        return "–" if account.balance is None else money(account.balance)

    @display(description=_("余额"))
    def current(self, account: Account):
        if account.balance is not None:
            return money(account.balance)
        return money(account.entries.aggregate(sum=Sum("amount"))["sum"] or ZERO)

    @action(description=_("人工调整"), icon="tune", permissions=["adjust"])
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.one(request, object_id)
        if account.purpose != Account.Purpose.WALLET:
            raise Http404
        return self.ask_to_adjust(request, account.user, reverse("admin:wallet_account_change", args=[account.pk]))

    @staticmethod
    def preview_adjustment(user: User, answer: Answer) -> Preview:
        balance, amount = balance_of(user), answer.data["amount"]
        after = balance + amount
        return Preview(
            facts=[
                Fact(_("会员"), user.get_username()),
                Fact(_("调整金额"), money(amount, signed=True), strong=True),
                Fact(_("余额"), money(after), was=money(balance)),
                Fact(_("对方账户"), _("店铺 · 人工调整")),
                Fact(_("原因"), answer.data["reason"]),
            ],
            warnings=[_("余额不足以扣减这个金额。")] if after < 0 else [],
            possible=after >= 0,
            submit=_("确认调整"),
        )


class EntryInline(ReadOnlyInline):
    model = Entry
    fields = ["account", "shown_amount", "shown_after"]
    verbose_name_plural = pgettext_lazy("plural", "分录")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return super().get_queryset(request).select_related("account").order_by("id")

    @display(description=_("金额"))
    def shown_amount(self, entry: Entry):
        return money(entry.amount, signed=True)

    @display(description=_("变动后余额"))
    def shown_after(self, entry: Entry):
        return money(entry.balance_after) or "–"


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "shown_kind", "amount", "memo", "ref", "actor"]
    list_filter = ["kind", ("at", DayRangeFilter)]
    search_fields = ["=ref", "=memo"]
    search_help_text = _("按业务编号或订单号精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "shown_kind", "amount", "memo", "ref", "actor"]
    inlines = [EntryInline]
    export_columns = ["at", "kind", "amount", "memo", "ref", "actor_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transfer]:
        return super().get_queryset(request).prefetch_related("entries")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        # `=` would compare UPPER(…), which no index serves; references and order numbers are typed as they are.
        term = term.strip()
        return (queryset.filter(Q(ref=term) | Q(memo=term)) if term else queryset), False

    @display(description=_("时间"))
    def shown_at(self, transfer: Transfer):
        return moment(transfer.at)

    @display(description=_("类型"))
    def shown_kind(self, transfer: Transfer):
        return chip(transfer.get_kind_display())

    @display(description=_("金额"))
    def amount(self, transfer: Transfer):
        """What moved: the sum of the legs that received."""
        return money(sum((entry.amount for entry in transfer.entries.all() if entry.amount > 0), ZERO))

    @display(description=_("操作者"))
    def actor(self, transfer: Transfer) -> str:
        return f"#{transfer.actor_id}" if transfer.actor_id else "–"


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """All entries; usually reached from an account, as its statement."""

    list_display = ["shown_at", "account", "kind", "shown_amount", "shown_after", "memo"]
    list_filter = [("at", DayRangeFilter)]
    list_select_related = ["account", "transfer"]
    search_fields = ["=account__code"]
    search_help_text = _("按账户代码精确查找，例如 user:12:wallet")
    ordering = ["-id"]
    fields = ["shown_at", "account", "transfer", "shown_amount", "shown_after"]
    export_columns = ["at", "account", "amount", "balance_after", "memo"]
    linked_lookups = ["account__id__exact"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        return (queryset.filter(account__code=term.strip()) if term.strip() else queryset), False

    @display(description=_("时间"))
    def shown_at(self, entry: Entry):
        return moment(entry.at)

    @display(description=_("类型"))
    def kind(self, entry: Entry) -> str:
        return entry.transfer.get_kind_display()

    @display(description=_("金额"))
    def shown_amount(self, entry: Entry):
        return money(entry.amount, signed=True)

    @display(description=_("变动后余额"))
    def shown_after(self, entry: Entry):
        return money(entry.balance_after) or "–"

    @display(description=_("说明"))
    def memo(self, entry: Entry) -> str:
        return entry.transfer.memo


def entries_address(account: Account) -> str:
    return reverse("admin:wallet_entry_changelist") + f"?account__id__exact={account.pk}"


def wallet_panel(user: User, viewer: User) -> Panel | None:
    """A member's money, on the member's page."""
    if not viewer.has_perm("wallet.view_account"):
        return None
    account = Account.objects.filter(user=user, purpose=Account.Purpose.WALLET).first()
    links = []
    if account is not None and viewer.has_perm("wallet.view_entry"):
        links.append((_("全部流水"), entries_address(account)))
    if viewer.has_perm("wallet.adjust_wallet"):
        links.append((_("人工调整"), reverse("admin:wallet_account_adjust_member", args=[user.pk])))
    rows = [
        (moment(entry.at), entry.transfer.get_kind_display(), money(entry.amount, signed=True), entry.transfer.memo)
        for entry in statement(user)[:SHOWN]
    ]
    return Panel(
        title=_("钱包"),
        facts=[(_("余额"), money(balance_of(user)))],
        columns=[_("时间"), _("类型"), _("金额"), _("说明")],
        rows=rows,
        links=links,
    )


def statement_panel(account: Account, viewer: User) -> Panel | None:
    """The newest entries of an account, on its page."""
    if not viewer.has_perm("wallet.view_entry"):
        return None
    newest = list(account.entries.select_related("transfer").order_by("-id")[:SHOWN])
    names = names_of(entry.transfer.actor_id for entry in newest)
    rows = [
        (
            moment(entry.at),
            link_to(entry.transfer, viewer, entry.transfer.get_kind_display()),
            money(entry.amount, signed=True),
            money(entry.balance_after),
            entry.transfer.memo,
            names.get(entry.transfer.actor_id, ""),
        )
        for entry in newest
    ]
    return Panel(
        title=_("最近流水"),
        columns=[_("时间"), _("类型"), _("金额"), _("变动后余额"), _("说明"), _("操作者")],
        rows=rows,
        links=[(_("全部流水"), entries_address(account))],
    )


panels.add("accounts.User", wallet_panel)
panels.add("wallet.Account", statement_panel)
