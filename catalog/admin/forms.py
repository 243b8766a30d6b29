"""Forms of the goods' admin: they read and check, services decide."""

import io
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.admin.buyer_fields import BuyerFieldsField
from catalog.keyfiles import MAX_FILE_BYTES
from catalog.models import Label, Product, Review, Sku
from catalog.models.reviews import MAX_TEXT
from catalog.services.covers import prepare
from catalog.services.goods import check_breaks
from common.exceptions import DomainError
from common.forms import PlainDecimalField


class PriceField(PlainDecimalField):
    """A unit price as people write it: 49.60, not 49.6000."""

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Decimal) or not value.is_finite():
            return value
        return f"{value:.{max(2, -int(value.normalize().as_tuple().exponent))}f}"


class SkuForm(forms.ModelForm):
    """A SKU on its own page or as a row of its product's."""

    list_price = PriceField(
        label=_("售价"), max_digits=12, decimal_places=4, widget=UnfoldAdminTextInputWidget({"class": "desk-number"})
    )
    cost = PriceField(
        label=_("成本"),
        max_digits=12,
        decimal_places=4,
        required=False,
        widget=UnfoldAdminTextInputWidget({"class": "desk-number"}),
    )


class BreakForm(forms.ModelForm):
    unit_price = PriceField(label=_("单价"), max_digits=12, decimal_places=4, widget=UnfoldAdminTextInputWidget())


class ProductForm(forms.ModelForm):
    labels = forms.ModelMultipleChoiceField(
        label=_("标签"),
        queryset=Label.objects.all(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    new_cover = forms.FileField(
        label=_("上传封面"),
        required=False,
        widget=UnfoldAdminFileFieldWidget(),
        help_text=_("PNG、JPEG、WebP 或只含图形和文字的 SVG；会裁成 4:3"),
    )
    buyer_fields = BuyerFieldsField(
        label=_("购买时填写"), required=False, initial=list, help_text=_("清空名称即删除该项；保存后可再添加两项")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = _("留空则按拼音生成")

    def clean_new_cover(self) -> Any:
        upload = self.cleaned_data["new_cover"]
        if upload:
            try:
                prepare(upload)
            except DomainError as error:
                raise ValidationError(str(error)) from error
        return upload

    def _get_validation_exclusions(self) -> set[str]:
        # An empty slug is filled by the service, after this form has checked the rest.
        excluded = super()._get_validation_exclusions()
        return excluded | {"slug"} if not self.cleaned_data.get("slug") else excluded


class BreakFormSet(BaseInlineFormSet):
    """Quantity breaks that fall as quantities rise."""

    def wanted(self) -> dict[int, Any]:
        rows = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        return {row["min_quantity"]: row["unit_price"] for row in rows if not row.get("DELETE") and "unit_price" in row}

    def clean(self) -> None:
        super().clean()
        if not any(self.errors) and self.instance.list_price:
            check_breaks(self.instance.list_price, list(self.wanted().items()))


class BundleFormSet(BaseInlineFormSet):
    """What a bundle holds: each component once, key SKUs only."""

    def wanted(self) -> dict[int, int]:
        rows = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        return {row["component"].pk: row["quantity"] for row in rows if not row.get("DELETE") and "component" in row}

    def clean(self) -> None:
        super().clean()
        rows = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        if any(row["component"].product.kind != Product.Kind.KEY for row in rows if row.get("component")):
            raise ValidationError(_("套餐只能由卡密规格组成，且至少一种"))
        if self.has_changed() and not self.wanted():
            raise ValidationError(_("套餐只能由卡密规格组成，且至少一种"))


class UploadForm(forms.Form):
    """A key file or pasted lines for one SKU. `source` is the file to read after a successful check."""

    sku = forms.ModelChoiceField(label=_("规格"), queryset=Sku.objects.none(), widget=UnfoldAdminSelect2Widget())
    file = forms.FileField(
        label=_("卡密文件"),
        required=False,
        widget=UnfoldAdminFileFieldWidget({"accept": ".txt,.csv,.tsv,.xlsx"}),
        help_text=_("文本、CSV 或 XLSX，不超过 64 MB；编码、换行和分隔符自动识别"),
    )
    text = forms.CharField(
        label=_("或粘贴卡密"),
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
        help_text=_("一行一条；账号和密码用 ---- 隔开"),
    )
    sheet = forms.CharField(
        label=_("工作表"),
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("XLSX 有多张工作表时填写名称"),
    )
    columns = forms.RegexField(
        label=_("卡密所在列"),
        required=False,
        regex=r"^\d{1,2}([,，]\d{1,2})*$",
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("一般不用填；表格没有表头时可填列号，例如 2,3"),
    )
    note = forms.CharField(label=_("备注"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        on_sale = Sku.objects.exclude(status=Sku.Status.ARCHIVED).filter(product__kind=Product.Kind.KEY)
        self.fields["sku"].queryset = on_sale.select_related("product")
        self.fields["sku"].label_from_instance = lambda sku: f"{sku.product} · {sku} · {sku.code}"

    def clean_file(self) -> Any:
        upload = self.cleaned_data["file"]
        if upload and upload.size > MAX_FILE_BYTES:
            raise ValidationError(_("文件超过 %(limit)s MB") % {"limit": MAX_FILE_BYTES // 1024 // 1024})
        return upload

    def clean_columns(self) -> tuple[int, ...] | None:
        text = self.cleaned_data["columns"]
        columns = tuple(int(part) - 1 for part in text.replace("，", ",").split(",")) if text else None
        if columns and min(columns) < 0:
            raise ValidationError(_("列号应像 2,3 这样填写"))
        return columns

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "file" in data and bool(data.get("file")) == bool(data.get("text", "").strip()):
            raise ValidationError(_("请上传一个文件，或粘贴卡密，二选一"))
        return data

    @property
    def source(self) -> tuple[Any, str]:
        """(file, its name)."""
        upload = self.cleaned_data["file"]
        if upload:
            return upload.file, upload.name
        return io.BytesIO(self.cleaned_data["text"].encode()), "pasted.txt"


class FindForm(forms.Form):
    text = forms.CharField(
        label=_("卡密原文"),
        max_length=8192,
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget({"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("只比对指纹，不会写入日志或网址"),
    )


class SecretForm(forms.Form):
    text = forms.CharField(
        label=_("通用卡密"),
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget({"rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        help_text=_("之后的买家都会收到这段内容；已售出的不变"),
    )


class ReasonForm(forms.Form):
    """Why a review is not shown; its author reads it."""

    reason = forms.ChoiceField(
        label=_("原因"), choices=Review.Reason.choices, widget=UnfoldAdminRadioSelectWidget(), help_text=_("作者会看到")
    )
    note = forms.CharField(
        label=_("补充说明"),
        max_length=200,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("作者会看到；选“其他原因”时必填"),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("reason") == Review.Reason.OTHER and not data.get("note", "").strip():
            self.add_error("note", _("请写明原因，作者会看到"))
        return data


class ReplyForm(forms.Form):
    text = forms.CharField(
        label=_("回复"),
        max_length=MAX_TEXT,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text=_("所有人都能看到；留空则撤回回复"),
    )


class ReviewRulesForm(forms.Form):
    window_days = forms.IntegerField(
        label=_("评价期限（天）"),
        min_value=1,
        max_value=3650,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=_("发货后多少天内可以评价和修改"),
    )
    words = forms.CharField(
        label=_("敏感词"),
        max_length=20_000,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 12}),
        help_text=_("每行一个；空格、标点、全角和大小写不影响。含有它们的评价会被标记，由人决定"),
    )

    def clean_words(self) -> list[str]:
        return self.cleaned_data["words"].splitlines()
