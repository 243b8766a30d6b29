"""Whose statement looks how: the names that head its columns, the words of its states, how it begins and ends.

Sources: Alipay's 业务明细 and WeChat Pay's 交易账单 as their documentation describes them, the dashboards' exports of Stripe,
易支付 and BEpusdt. Columns go by their names, never by their place: exports add columns and move them.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from payments.reconciling.rows import Kind, State, StatementError

# What a state's word makes of a row.
Meaning = tuple[Kind, State]
PAID, UNPAID = (Kind.PAYMENT, State.PAID), (Kind.PAYMENT, State.UNPAID)
GIVEN_BACK, REFUND = (Kind.PAYMENT, State.REFUNDED), (Kind.REFUND, State.PAID)

# What a column can be for, and what it is called where a mapping is set up.
FIELDS: dict[str, Any] = {
    "number": _("商户订单号（我方支付单号）"),
    "txn": _("渠道流水号"),
    "amount": _("金额"),
    "fee": _("手续费"),
    "net": _("到账金额"),
    "state": _("状态"),
    "at": _("支付时间"),
    "refunded": _("已退金额"),
    "refund_number": _("退款单号"),
    "refund_amount": _("退款金额"),
    "currency": _("币种"),
}


@dataclass(frozen=True)
class Form:
    """One kind of statement. `columns` holds for each field the names that may head it, the best first.

    `tail` begins the summary under the rows; `counts` is the summary's own column of how many rows there are. `ending` is
    the comment that a whole file has. `fee_sign` −1: charges are written as negative amounts.
    """

    code: str
    name: Any
    columns: Mapping[str, Sequence[str]]
    words: Mapping[str, Meaning] = field(default_factory=dict)
    needs: Sequence[str] = ("number", "amount")
    tail: str = ""
    ending: str = ""
    fee_sign: int = 1


def head(name: str) -> str:
    """A column's name in the form of the lists: half-width, without blanks, small letters."""
    return re.sub(r"[\s*]", "", unicodedata.normalize("NFKC", name)).lower()


def word(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().lower()


ALIPAY = Form(
    code="alipay",
    name=_("支付宝业务明细"),
    columns={
        "number": ["商户订单号"],
        "txn": ["支付宝交易号"],
        "amount": ["订单金额(元)", "订单金额"],
        "fee": ["服务费(元)", "服务费"],
        "state": ["业务类型"],
        "at": ["完成时间", "创建时间"],
        "refund_number": ["退款批次号/请求号", "退款批次号", "退款请求号"],
    },
    words={"交易": PAID, "退款": REFUND},
    needs=("number", "txn", "amount", "state"),
    ending="业务明细列表结束",
    fee_sign=-1,
)
WECHAT = Form(
    code="wechat",
    name=_("微信支付交易账单"),
    columns={
        "number": ["商户订单号"],
        "txn": ["微信订单号", "微信支付订单号"],
        "amount": ["订单金额", "应结订单金额", "总金额"],
        "fee": ["手续费"],
        "state": ["交易状态"],
        "at": ["交易时间"],
        "refund_number": ["商户退款单号"],
        "refund_amount": ["申请退款金额", "退款金额"],
        "currency": ["货币种类"],
    },
    words={"success": PAID, "refund": REFUND, "revoked": REFUND},
    needs=("number", "txn", "amount", "state"),
    tail="总交易单数",
)
STRIPE = Form(
    code="stripe",
    name=_("Stripe 付款导出"),
    columns={
        "number": ["number(metadata)", "clientreferenceid", "paymentintentnumber(metadata)"],
        "txn": ["paymentintentid", "id"],
        "amount": ["amount"],
        "fee": ["fee"],
        "state": ["status"],
        "at": ["createddate(utc)", "created(utc)"],
        "refunded": ["amountrefunded"],
        "currency": ["currency"],
    },
    words={
        **dict.fromkeys(["paid", "succeeded", "partially refunded", "partial_refund", "disputed"], PAID),
        **dict.fromkeys(["refunded", "refund"], GIVEN_BACK),
        **dict.fromkeys(
            ["failed", "canceled", "cancelled", "incomplete", "expired", "blocked", "uncaptured", "pending", "unpaid"],
            UNPAID,
        ),
        **dict.fromkeys(["requires_payment_method", "requires_action", "requires_confirmation", "processing"], UNPAID),
    },
    needs=("txn", "amount", "state", "at"),
)
BEPUSDT = Form(
    code="bepusdt",
    name=_("BEpusdt 订单导出"),
    columns={
        "number": ["order_id", "商户订单号", "商户订单"],
        "txn": ["trade_id", "交易id", "系统订单号"],
        "amount": ["money", "交易金额(cny)", "订单金额(cny)", "amount"],
        "state": ["status", "交易状态", "状态"],
        "at": ["confirmed_at", "确认时间", "交易时间", "updated_at", "created_at", "创建时间"],
    },
    words={
        **dict.fromkeys(["2", "success", "paid", "支付成功", "交易成功"], PAID),
        **dict.fromkeys(["1", "waiting", "等待支付", "3", "expired", "支付超时", "交易过期", "已过期"], UNPAID),
        **dict.fromkeys(["4", "canceled", "cancelled", "已取消", "交易取消", "5", "confirming", "等待确认"], UNPAID),
        **dict.fromkeys(["6", "failed", "交易失败", "确认失败"], UNPAID),
    },
    needs=("number", "txn", "amount", "state"),
)
EPAY = Form(
    code="epay",
    name=_("易支付订单导出"),
    columns={
        "number": ["商户订单号", "商户单号", "out_trade_no"],
        "txn": ["系统订单号", "平台订单号", "系统单号", "平台单号", "订单号", "trade_no"],
        "amount": ["订单金额", "金额", "商品金额", "交易金额", "money"],
        "fee": ["手续费", "fee"],
        "net": ["分成金额", "商户分成", "到账金额", "入账金额", "getmoney"],
        "state": ["支付状态", "订单状态", "状态", "status", "trade_status"],
        "at": ["完成时间", "支付时间", "付款时间", "endtime", "创建时间", "下单时间", "addtime"],
        "refunded": ["退款金额", "已退款金额", "refundmoney"],
    },
    words={
        **dict.fromkeys(["已支付", "已付款", "支付成功", "已完成", "成功", "1", "success", "trade_success"], PAID),
        **dict.fromkeys(["部分退款", "已冻结", "3"], PAID),
        **dict.fromkeys(["未支付", "未付款", "待支付", "等待付款", "未完成", "已关闭", "0", "4"], UNPAID),
        **dict.fromkeys(["已退款", "全额退款", "2", "trade_refund"], GIVEN_BACK),
    },
    needs=("number", "amount", "state"),
    tail="合计",
)
GENERIC_WORDS: dict[str, Meaning] = {
    **STRIPE.words,
    **EPAY.words,
    **dict.fromkeys(["交易成功", "paid", "收款"], PAID),
    **dict.fromkeys(["退款", "refund", "退款成功"], REFUND),
}
GENERIC = "generic"
FORMS = {form.code: form for form in (ALIPAY, WECHAT, EPAY, STRIPE, BEPUSDT)}
NAMES = {**{code: form.name for code, form in FORMS.items()}, GENERIC: _("通用（按渠道设置的列）")}
# The statement that a protocol's gateway hands out, by the protocol's name.
OF_PROTOCOL = {
    "epay": EPAY,
    "epay_v2": EPAY,
    "alipay": ALIPAY,
    "wechat": WECHAT,
    "bepusdt": BEPUSDT,
    "stripe": STRIPE,
}


def form_for(*, chosen: str, protocol: str, settings: Mapping[str, Any]) -> Form:
    """The form of a channel's statements: the one that was chosen now, else its setting, else its protocol's.

    `settings` is the channel's own; its `statement` holds {"form", "columns", "words"}. Raises StatementError.
    """
    stored = settings.get("statement") or {}
    code = chosen or stored.get("form") or ""
    if code == GENERIC:
        return generic(stored)
    if code and code not in FORMS:
        raise StatementError("form", form=code[:40])
    if not code and stored.get("columns"):
        return generic(stored)
    return FORMS[code] if code else OF_PROTOCOL.get(protocol, EPAY)


def generic(stored: Mapping[str, Any]) -> Form:
    """A form out of a channel's mapping: field → the column's name, and further words for its states."""
    columns = {name: [head(column)] for name, column in (stored.get("columns") or {}).items() if name in FIELDS}
    if "amount" not in columns or not {"number", "txn"} & set(columns):
        raise StatementError("no_mapping")
    meanings = {"paid": PAID, "unpaid": UNPAID, "refunded": GIVEN_BACK, "refund": REFUND}
    own = {
        word(text): meaning for name, meaning in meanings.items() for text in (stored.get("words") or {}).get(name, [])
    }
    return Form(
        code=GENERIC,
        name=NAMES[GENERIC],
        columns=columns,
        words={**GENERIC_WORDS, **own},
        needs=[name for name in columns if name not in {"fee", "net", "refunded", "refund_number", "currency"}],
        tail="合计",
    )
