"""What each kind of benefit holds: which of value, text and code it needs, and in which range its value lies.

The database has the same ranges as a CHECK; here they come with a sentence for the operator.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _


class BenefitKind(TextChoices):
    PRICE_RATE = "price_rate", _("会员价")
    POINTS_BACK = "points_back", _("消费返积分")
    BIRTHDAY_GIFT = "birthday_gift", _("生日礼")
    SERVICE_QUEUE = "service_queue", _("优先客服")
    EARLY_ACCESS = "early_access", _("提前购买")
    QUANTITY_LIMIT = "quantity_limit", _("提高限购")
    UNPAID_LIMIT = "unpaid_limit", _("更多待付订单")
    BADGE = "badge", _("徽章")
    TITLE = "title", _("头衔")
    LIMITED_EVENT = "limited_event", _("限定活动")


@dataclass(frozen=True)
class Form:
    """What a kind is made of. `low` and `high` bound the value, both included; without them there is none."""

    says: str
    low: Decimal | None = None
    high: Decimal | None = None
    whole: bool = False
    text: bool = False
    code: bool = False
    # Either a value or a code, or both.
    either: bool = False

    def fits(self) -> Q:
        """The same as a condition on a row. A comparison with nothing would pass, so it is said that there is one."""
        if self.low is None:
            return Q(value=None)
        in_range = Q(value__isnull=False, value__gte=self.low, value__lte=self.high)
        return Q(value=None) & ~Q(code="") | in_range if self.either else in_range


FORMS: dict[str, Form] = {
    BenefitKind.PRICE_RATE: Form(_("折扣，例如 0.95"), Decimal("0.0001"), Decimal(1)),
    BenefitKind.POINTS_BACK: Form(_("每消费 1 元返多少积分，例如 0.5"), Decimal("0.0001"), Decimal(100)),
    BenefitKind.BIRTHDAY_GIFT: Form(
        _("送多少积分；也可以在“代码”里填优惠券的代码"),
        Decimal(1),
        Decimal(100_000),
        whole=True,
        code=True,
        either=True,
    ),
    BenefitKind.SERVICE_QUEUE: Form(
        _("优先级 1 到 9，数字大的先受理；只影响客服，不影响发货"), Decimal(1), Decimal(9), True
    ),
    BenefitKind.EARLY_ACCESS: Form(_("比公开开售早多少小时，1 到 720"), Decimal(1), Decimal(720), whole=True),
    BenefitKind.QUANTITY_LIMIT: Form(_("单次限购放宽到几倍，1 到 20，例如 2"), Decimal(1), Decimal(20)),
    BenefitKind.UNPAID_LIMIT: Form(_("最多同时有几个待付款订单，1 到 100"), Decimal(1), Decimal(100), whole=True),
    BenefitKind.BADGE: Form(_("文字"), text=True),
    BenefitKind.TITLE: Form(_("文字"), text=True),
    BenefitKind.LIMITED_EVENT: Form(_("文字写活动名称，代码与优惠券的活动代码一致"), text=True, code=True),
}
# A tier has at most one of these.
SINGLE = [kind for kind in BenefitKind.values if kind not in {BenefitKind.BADGE, BenefitKind.LIMITED_EVENT}]


def check_benefit(*, kind: str, value: Decimal | None, text: str, code: str) -> None:
    """Raises ValidationError by field for a benefit that its kind does not know."""
    form = FORMS.get(kind)
    if form is None:
        return
    wrong: dict[str, object] = {}
    needs_value = form.low is not None and not (form.either and code and value is None)
    if form.low is None and value is not None:
        wrong["value"] = _("这类权益不填数值")
    elif needs_value and (value is None or not form.low <= value <= form.high or (form.whole and value % 1)):
        wrong["value"] = form.says
    if form.text and not text:
        wrong["text"] = _("请填写文字")
    if form.code and not form.either and not code:
        wrong["code"] = _("请填写代码")
    if code and not form.code:
        wrong["code"] = _("这类权益不填代码")
    if wrong:
        raise ValidationError(wrong)


def fits_kind() -> Q:
    """A condition on Benefit: the value is what its kind takes, texts and codes are there where they are needed."""
    condition = Q()
    for kind, form in FORMS.items():
        part = Q(kind=kind) & form.fits()
        if form.text:
            part &= ~Q(text="")
        if form.code and not form.either:
            part &= ~Q(code="")
        condition |= part
    return condition
