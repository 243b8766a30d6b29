"""What staff type before an act on a case."""

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from common.forms import PlainDecimalField
from common.money import CENT
from orders.models import Dispute
from orders.models.dispute import MAX_REASON, MAX_WORDS
from orders.services.delivering import MAX_SECRET
from orders.services.disputes import refundable_of

_SEEN = _("买家会看到，并写入审计记录")


class VerdictForm(forms.Form):
    """Why it is decided so, in words for the buyer; `suggested` is what most cases need."""

    reason = forms.CharField(
        label=_("说明"), max_length=MAX_REASON, widget=UnfoldAdminTextareaWidget({"rows": 3}), help_text=_SEEN
    )

    def __init__(self, *args, suggested: str = "", **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].initial = suggested


class ReplaceForm(VerdictForm):
    wait = forms.BooleanField(
        label=_("缺货时先排队，到货自动换新"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=_("到时限还没有货，自动全额退款"),
    )


class DeliverAnewForm(VerdictForm):
    """For a line that did not come from key stock."""

    content = forms.CharField(
        label=_("补发内容"),
        max_length=MAX_SECRET,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text=_("新的卡密、账号或凭证；加密保存，买家在订单页看到"),
    )


class PartialForm(VerdictForm):
    amount = PlainDecimalField(
        label=_("退款金额"), max_digits=12, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget({"step": "0.01"})
    )
    field_order = ["amount", "reason"]

    def __init__(self, *args, dispute: Dispute, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        most = refundable_of(dispute)
        self.fields["amount"].validators += [MinValueValidator(CENT), MaxValueValidator(most)]
        self.fields["amount"].help_text = _("这些卡密最多可退 ¥%(most)s") % {"most": most}


class RejectForm(VerdictForm):
    abusive = forms.BooleanField(
        label=_("属于恶意售后"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=_("售后结束后计入会员的信誉（投诉成立），可能影响等级；申诉改判则不计"),
    )


class AnswerForm(forms.Form):
    text = forms.CharField(
        label=_("答复"), max_length=MAX_WORDS, widget=UnfoldAdminTextareaWidget({"rows": 4}), help_text=_SEEN
    )
    proposal = forms.ChoiceField(
        label=_("卖家愿意"),
        required=False,
        choices=[("", _("不表态")), *Dispute.Outcome.choices],
        widget=UnfoldAdminSelectWidget(),
        help_text=_("供裁定时参考"),
    )


class AskForm(forms.Form):
    text = forms.CharField(
        label=_("问买家什么"), max_length=MAX_WORDS, widget=UnfoldAdminTextareaWidget({"rows": 4}), help_text=_SEEN
    )
