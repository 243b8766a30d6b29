"""What visitors send. Forms read and check the shape; services decide."""

from decimal import Decimal

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.services.doors import AtDoor
from catalog.models import Product
from catalog.selectors import SORTS, Filters
from common.forms import PlainDecimalField
from common.texts import in_language
from orders.exceptions import BadField
from orders.models import Dispute
from orders.models.dispute import MAX_WORDS
from orders.services.placing import MAX_CONTACT
from orders.services.quoting import MAX_FIELD_LENGTH, clean_fields

MAX_PRICE = Decimal("999999.99")


class FilterForm(forms.Form):
    """Filters of a product list, held in the address so that a list can be shared and reloaded."""

    label = forms.SlugField(required=False, max_length=40)
    auto = forms.BooleanField(required=False)
    stock = forms.BooleanField(required=False)
    min = PlainDecimalField(required=False, min_value=0, max_value=MAX_PRICE, decimal_places=2)
    max = PlainDecimalField(required=False, min_value=0, max_value=MAX_PRICE, decimal_places=2)
    sort = forms.ChoiceField(required=False, choices=[(one, one) for one in SORTS])


def read_quantity(text: str) -> int:
    """A count as browsers send it; 0, which every service refuses or takes as "none", for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def read_filters(query: QueryDict) -> Filters:
    """The filters of an address; what makes no sense counts as not chosen."""
    form = FilterForm(query)
    form.is_valid()
    chosen = form.cleaned_data
    return Filters(
        label=chosen.get("label") or "",
        automatic=bool(chosen.get("auto")),
        in_stock=bool(chosen.get("stock")),
        price_min=chosen.get("min"),
        price_max=chosen.get("max"),
        sort=chosen.get("sort") or "",
    )


class ContactForm(forms.Form):
    """The one thing that a guest types."""

    contact = forms.CharField(
        label=_("联系方式"),
        max_length=MAX_CONTACT,
        help_text=_("邮箱、手机号或 QQ 号，日后凭它和订单密码查卡密"),
        error_messages={"required": _("请填写联系方式，以便日后查询订单")},
        widget=forms.TextInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )


class BuyerFieldsForm(forms.Form):
    """What one product asks its buyer, made from the product's own list; checked by the service's rules."""

    INPUTS = {"tel": "tel", "email": "email", "number": "text"}

    def __init__(self, product: Product, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.product = product
        for spec in product.buyer_fields:
            self.fields[spec["name"]] = self._field(spec)

    def _field(self, spec: dict) -> forms.Field:
        label = in_language(spec["label"], spec.get("label_en", ""))
        help_text = in_language(spec.get("help", ""), spec.get("help_en", ""))
        required = spec.get("required", True)
        if spec.get("type") == "select":
            choices = [(one["value"], in_language(one["label"], one.get("label_en", ""))) for one in spec["options"]]
            return forms.ChoiceField(label=label, help_text=help_text, required=required, choices=[("", "—"), *choices])
        attrs = {"autocomplete": "off"}
        if spec.get("regex"):
            attrs |= {"pattern": spec["regex"], "title": help_text or label}
        if spec.get("type") in {"tel", "number"}:
            attrs["inputmode"] = "numeric"
        widget = forms.TextInput(attrs=attrs)
        widget.input_type = self.INPUTS.get(spec.get("type", ""), "text")
        return forms.CharField(
            label=label, help_text=help_text, required=required, max_length=MAX_FIELD_LENGTH, widget=widget
        )

    def clean(self) -> dict:
        cleaned = super().clean()
        if not self.errors:
            try:
                clean_fields(self.product, cleaned)
            except BadField as refusal:
                self.add_error(refusal.params["field"], str(refusal))
        return cleaned


class LookupForm(AtDoor, forms.Form):
    """How a guest finds an order again."""

    contact = forms.CharField(
        label=_("联系方式"), max_length=MAX_CONTACT, widget=forms.TextInput(attrs={"autocomplete": "email"})
    )
    secret = forms.CharField(
        label=_("订单密码"),
        max_length=20,
        help_text=_("下单时显示的 10 位密码，不分大小写"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )


class ReportForm(forms.Form):
    """What is wrong with what was delivered. Which pieces are meant and what was added is read beside it."""

    reason = forms.ChoiceField(
        label=_("出了什么问题"), choices=Dispute.Reason.choices, error_messages={"required": _("请选择问题")}
    )
    text = forms.CharField(label=_("说明"), max_length=MAX_WORDS, error_messages={"required": _("请写下发生了什么")})
    wish = forms.ChoiceField(
        label=_("希望怎么处理"), choices=Dispute.Wish.choices, error_messages={"required": _("请选择希望的处理方式")}
    )
    route = forms.ChoiceField(
        label=_("如果退款，退到"), choices=Dispute.Route.choices, required=False, initial=Dispute.Route.BALANCE
    )


class ReviewForm(forms.Form):
    """Stars and words about something that was bought. How long a text must be is the service's to say."""

    # What each number of stars is called.
    STARS = [(1, _("很差")), (2, _("较差")), (3, _("一般")), (4, _("满意")), (5, _("很好"))]

    stars = forms.TypedChoiceField(
        label=_("评分"), choices=STARS, coerce=int, error_messages={"required": _("请选择 1 到 5 星")}
    )
    text = forms.CharField(label=_("评价内容"), error_messages={"required": _("请写下你的评价")})
    anonymous = forms.BooleanField(label=_("匿名评价"), required=False)


class PayCodeForm(forms.Form):
    """A yes to a payment, typed: by whoever has a second factor."""

    code = forms.CharField(
        label=_("验证码"),
        max_length=20,
        help_text=_("验证器里的 6 位数字，或一个恢复码"),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PayPasswordForm(forms.Form):
    password = forms.CharField(
        label=_("登录密码"), max_length=200, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class PayGuardForm(forms.Form):
    wanted = forms.BooleanField(label=_("余额支付时验证"), required=False)
    above = PlainDecimalField(
        label=_("超过多少元才验证"),
        required=False,
        min_value=0,
        max_value=MAX_PRICE,
        decimal_places=2,
        help_text=_("不填表示每次都验证"),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def _limit_field(label, **more) -> PlainDecimalField:
    typed = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return PlainDecimalField(
        label=label, required=False, min_value=0, max_value=MAX_PRICE, decimal_places=2, widget=typed, **more
    )


class AllowanceForm(forms.Form):
    """What one token may pay; both empty: it has no allowance."""

    once = _limit_field(_("每笔最多（元）"))
    daily = _limit_field(_("每天最多（元）"), help_text=_("两项都不填表示不设限额；填 0 表示这个令牌不能付款"))

    def clean(self) -> dict:
        data = super().clean()
        once, daily = data.get("once"), data.get("daily")
        if not self.errors and ((once is None) != (daily is None) or (once is not None and once > daily)):
            raise forms.ValidationError(_("每笔和每天的限额要一起填，每天不能少于每笔"))
        return data
