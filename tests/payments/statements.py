"""Statements as gateways write them, made of plain entries; and a day of payments that they are about."""

import csv
import io
import itertools
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl

from common.clock import SHANGHAI
from payments.models import Channel, PaymentAttempt, TopUp
from tenancy.models import MAIN_ID

DAY = date(2026, 11, 27)
NOON = datetime(2026, 11, 27, 12, tzinfo=SHANGHAI)
RATE = Decimal("0.006")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Entry:
    """One thing that happened at the gateway, before it is written in anybody's form."""

    number: str
    txn: str
    amount: Decimal
    fee: Decimal = Decimal("0.00")
    state: str = "paid"
    at: datetime = NOON
    refund: str = ""


def local(at: datetime, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    return at.astimezone(SHANGHAI).strftime(pattern)


def table(rows, delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


ALIPAY_NAMES = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,"
    "商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,"
    "卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)


def alipay(entries: list[Entry]) -> bytes:
    """GBK, comment lines above and below, a tab behind every long number, charges as negative amounts."""
    rows = []
    for one in entries:
        sign = -1 if one.refund else 1
        rows.append(
            [f"{one.txn}\t", f"{one.number}\t", "退款" if one.refund else "交易", '月卡 "旗舰", 一张']
            + [local(one.at), local(one.at), "", "", "", "", "a***@b.test", sign * one.amount, sign * one.amount]
            + ["0.00"] * 5
            + ["", "0.00", "0.00", one.refund, sign * -one.fee, "0.00", ""]
        )
    back = sum(bool(one.refund) for one in entries)
    text = (
        "#支付宝业务明细查询\r\n#账号：[20880000000000000156]\r\n"
        f"#起始日期：[{DAY:%Y年%m月%d日} 00:00:00]   终止日期：[{DAY + timedelta(days=1):%Y年%m月%d日} 00:00:00]\r\n"
        "#-----------------------------------------业务明细列表----------------------------------------\r\n"
        f"{ALIPAY_NAMES}\r\n{table(rows)}"
        "#-----------------------------------------业务明细列表结束------------------------------------\r\n"
        f"#交易合计：{len(entries) - back}笔，退款合计：{back}笔，商家实收共：0.00元\r\n"
        f"#导出时间：[{DAY:%Y年%m月%d日} 09:00:00]\r\n"
    )
    return text.encode("gb18030")


WECHAT_NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)


def wechat(entries: list[Entry]) -> bytes:
    """A mark at the start of the file, a backtick before every value, fees with five places, two lines of summary."""
    lines = [WECHAT_NAMES]
    for one in entries:
        paid = Decimal("0.00") if one.refund else one.amount
        back = one.amount if one.refund else Decimal("0.00")
        values = [local(one.at), "wx0", "190", "", "", one.txn, one.number, "o-user", "NATIVE"]
        values += ["REFUND" if one.refund else "SUCCESS", "CMC", "CNY", paid, "0.00"]
        values += [f"50{one.refund}" if one.refund else "0", one.refund or "0", back, "0.00", "", "", "月卡", ""]
        values += [f"{-one.fee if one.refund else one.fee:.5f}", "0.60%", paid, back, ""]
        lines.append(",".join(f"`{value}" for value in values))
    lines.append("总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额")
    lines.append(f"`{len(entries)},`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00")
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


def epay(entries: list[Entry]) -> bytes:
    """The console's export: no refund rows, unpaid orders among the others, what the merchant gets instead of a fee."""
    words = {"paid": "已支付", "unpaid": "未支付", "refunded": "已退款"}
    names = [
        "系统订单号",
        "商户订单号",
        "商品名称",
        "支付方式",
        "订单金额",
        "分成金额",
        "创建时间",
        "完成时间",
        "支付状态",
    ]
    rows = [names]
    for one in entries:
        done = local(one.at) if one.state != "unpaid" else ""
        rows.append([one.txn, one.number, "月卡", "支付宝", one.amount, one.amount - one.fee, local(one.at), done])
        rows[-1].append(words[one.state])
    return table(rows).encode("gb18030")


def stripe(entries: list[Entry]) -> bytes:
    """The dashboard's export of payments: times in UTC, refunds as a sum on the payment's row."""
    words = {"paid": "Paid", "unpaid": "Failed", "refunded": "Refunded"}
    names = ["id", "Created date (UTC)", "Amount", "Amount Refunded", "Currency", "Captured", "Fee", "Status"]
    rows = [[*names, "PaymentIntent ID", "number (metadata)"]]
    for number, one in enumerate(entries):
        back = one.amount if one.state == "refunded" else Decimal("0.00")
        at = one.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        rows.append(
            [f"ch_{number}", at, one.amount, back, "cny", "true", one.fee, words[one.state], one.txn, one.number]
        )
    return table(rows).encode()


def bepusdt(entries: list[Entry]) -> bytes:
    words = {"paid": "2", "unpaid": "3"}
    rows = [["order_id", "trade_id", "trade_type", "money", "amount", "status", "confirmed_at"]]
    for one in entries:
        rows.append([one.number, one.txn, "usdt.trc20", one.amount, "1.41", words[one.state], local(one.at)])
    return table(rows).encode("utf-8-sig")


MAPPING = {
    "form": "generic",
    "columns": {
        "number": "商家单号",
        "txn": "流水",
        "amount": "实收（元）",
        "fee": "扣费",
        "state": "结果",
        "at": "入账时间",
    },
    "words": {"paid": ["OK"], "unpaid": ["NO"], "refund": ["BACK"]},
}


def generic(entries: list[Entry]) -> bytes:
    """A workbook with a title above the names, true numbers and true times."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("11月")
    sheet.append(["某支付 对账单"])
    sheet.append([])
    sheet.append(["入账时间", "商家单号", "流水", "实收（元）", "扣费", "结果"])
    for one in entries:
        word = "BACK" if one.refund else {"paid": "OK", "unpaid": "NO"}[one.state]
        at = one.at.astimezone(SHANGHAI).replace(tzinfo=None)
        sheet.append([at, one.number, one.txn, float(one.amount), float(one.fee), word])
    sheet.append(["合计", "", "", float(sum(one.amount for one in entries))])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


# What each form can tell: fees, rows of what was not paid, refunds as rows of their own or as a sum.
WRITERS = {
    "alipay": (alipay, {"fee", "refund row"}),
    "wechat": (wechat, {"fee", "refund row"}),
    "epay": (epay, {"fee", "unpaid", "refunded"}),
    "stripe": (stripe, {"fee", "unpaid", "refunded"}),
    "bepusdt": (bepusdt, {"unpaid"}),
    "generic": (generic, {"fee", "unpaid", "refund row"}),
}


def make_channel(code: str = "", **fields) -> Channel:
    code = code or f"books{next(_numbers)}"
    facts = {"name": "对账渠道", "methods": ["alipay"], "gateway_url": "https://pay.test/", "fee_rate": RATE, **fields}
    return Channel.objects.create(code=code, merchant_id="1000", **facts)


def fee_of(amount: Decimal) -> Decimal:
    return (amount * RATE).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")


def make_payments(channel: Channel, user, times: list[datetime], *, paid: bool = True) -> list[PaymentAttempt]:
    """Top-ups with an attempt each, paid at these times or not at all, without the ledger's transfers."""
    top_ups = TopUp.objects.bulk_create(
        TopUp(
            user=user,
            storefront_id=MAIN_ID,
            amount=amount,
            credited=amount if paid else 0,
            state="paid" if paid else "closed",
            placed_at=at,
            pay_deadline=at + timedelta(minutes=15),
            paid_at=at if paid else None,
        )
        for at in times
        for amount in [Decimal(next(_numbers) % 9000 + 100) / 100]
    )
    return PaymentAttempt.objects.bulk_create(
        PaymentAttempt(
            number=f"P{DAY:%Y%m%d}{number:012d}",
            channel=channel,
            method="alipay",
            purpose="top_up",
            top_up=top_up,
            amount=top_up.amount,
            state="paid" if paid else "closed",
            created_at=top_up.placed_at,
            expires_at=top_up.pay_deadline,
            paid_at=top_up.paid_at,
            provider_txn=f"20261127220014{number:014d}" if paid else None,
            paid_amount=top_up.amount if paid else None,
            outcome="topped_up" if paid else "",
        )
        for top_up in top_ups
        for number in [next(_numbers)]
    )


def entry_of(attempt: PaymentAttempt, **changes) -> Entry:
    """How a gateway in agreement tells of an attempt."""
    amount = attempt.paid_amount or attempt.amount
    told = Entry(
        number=attempt.number,
        txn=attempt.provider_txn or f"T{attempt.number}",
        amount=amount,
        fee=fee_of(amount),
        at=attempt.paid_at or attempt.created_at,
    )
    return replace(told, **changes)
