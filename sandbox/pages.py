"""The pages that people see: the cashier, a message, the list of orders. No script, everything escaped."""

from html import escape

from sandbox.till import CLOSED, PAID, REFUNDED, UNPAID, Till
from sandbox.tongue import clock_text

STATUS = {
    UNPAID: ("待支付", "wait"),
    PAID: ("已支付", "good"),
    REFUNDED: ("已退款", "wait"),
    CLOSED: ("已关闭", "wait"),
}
TYPES = {
    "alipay": "支付宝",
    "wxpay": "微信支付",
    "qqpay": "QQ 钱包",
    "bank": "银行卡",
    "jdpay": "京东支付",
    "tenpay": "财付通",
    "usdt": "USDT",
    "card": "银行卡",
}


def layout(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="zh-Hans">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{escape(title)} · 支付沙箱</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header class="stripes"><p><strong>沙箱 Sandbox</strong> 这里没有真钱，只用于测试支付流程。</p></header>
<main>
{body}
</main>
</body>
</html>
"""


def message(title: str, text: str) -> str:
    return layout(title, f'<section class="card"><h1>{escape(title)}</h1><p>{escape(text)}</p></section>')


def home(till: Till) -> str:
    orders = list(reversed(till.orders.all()))[:50]
    rows = "".join(
        f'<li><a href="/cashier/{escape(o["id"])}"><span>{escape(o["name"])}</span> '
        f"<b>{_sign(o)}{escape(o['money'])}</b> {_state(o)}<small>{escape(_tongue(till, o))} · {escape(o['out_trade_no'])} · "
        f"{clock_text(o['addtime'])}</small></a></li>"
        for o in orders
    )
    listed = f'<ul class="orders">{rows}</ul>' if rows else "<p>还没有订单。在商店里付款，订单会出现在这里。</p>"
    spoken = "".join(
        f"<div><dt>{escape(tongue.title)}</dt><dd>{' '.join(f'<code>{escape(a)}</code>' for a in tongue.addresses)}"
        f"<br>商户 {'、'.join(f'<code>{escape(pid)}</code>' for pid in tongue.merchants())}</dd></div>"
        for tongue in till.tongues.values()
    )
    return layout(
        "订单",
        f'<section class="card"><h1>支付沙箱</h1><dl>{spoken}</dl></section>'
        f'<section class="card"><h2>最近订单</h2>{listed}</section>',
    )


def _tongue(till: Till, order: dict) -> str:
    return till.tongue_of(order).title


def cashier(till: Till, order: dict, error: str = "") -> str:
    parts = [_summary(till, order, error)]
    if order["status"] == UNPAID:
        parts.append(_buttons(till, order))
    parts.append(_log(till, order))
    return layout("收银台", "\n".join(parts))


def _sign(order: dict) -> str:
    currency = order["extra"].get("currency", "cny")
    return "¥" if currency == "cny" else f"{escape(currency.upper())} "


def _state(order: dict) -> str:
    text, tone = STATUS[order["status"]]
    if order["status"] == UNPAID and order["failed"]:
        text, tone = "支付失败", "bad"
    return f'<span class="state {tone}">{text}</span>'


def _summary(till: Till, order: dict, error: str) -> str:
    notes = f'<p class="note bad" role="alert">{escape(error)}</p>' if error else ""
    if order["pay_at"] and order["status"] == UNPAID:
        notes += f'<p class="note">将于 {clock_text(order["pay_at"])} 自动支付。</p>'
    if order["status"] in (PAID, REFUNDED) and order["paid"] != order["money"]:
        notes += f'<p class="note">实付 {_sign(order)}{escape(order["paid"])}，与订单金额不同。</p>'
    back = ""
    if order["return_url"] and (order["status"] != UNPAID or order["failed"]):
        address = till.tongue_of(order).return_address(order)
        back = f'<p><a class="button" href="{escape(address)}">返回商家</a></p>'
    return f"""<section class="card pay">
<h1 class="method">{escape(TYPES.get(order["type"], order["type"]))} {_state(order)}</h1>
<p class="amount"><span>{_sign(order)}</span>{escape(order["money"])}</p>
<dl>
<div><dt>商品</dt><dd>{escape(order["name"])}</dd></div>
<div><dt>渠道</dt><dd>{escape(_tongue(till, order))}</dd></div>
<div><dt>商户</dt><dd class="code">{escape(order["pid"])}</dd></div>
<div><dt>商户订单号</dt><dd class="code">{escape(order["out_trade_no"])}</dd></div>
<div><dt>平台订单号</dt><dd class="code">{escape(order["id"])}</dd></div>
<div><dt>下单时间</dt><dd>{clock_text(order["addtime"])}</dd></div>
</dl>
{notes}{back}
</section>"""


def _form(order: dict, action: str, label: str, hint: str, fields: str = "", tone: str = "") -> str:
    wide = ' class="wide"' if fields else ""
    return f"""<form method="post" action="/cashier/{escape(order["id"])}"{wide}>
<input type="hidden" name="action" value="{action}">
{fields}<button class="button {tone}">{label}</button>
<small>{hint}</small>
</form>"""


def _buttons(till: Till, order: dict) -> str:
    minutes = f"{till.expires / 60:g}"
    money = (
        '<label>实付金额 <input name="money" value="0.01" inputmode="decimal" '
        'pattern="[0-9]+(\\.[0-9]{1,2})?" required></label>'
    )
    seconds = '<label>秒数 <input name="seconds" value="30" inputmode="numeric" pattern="[0-9]+"></label>'
    cases = [
        _form(order, "fail", "支付失败", "付款人放弃，商家收到未成功的结果"),
        _form(order, "notify_twice", "重复通知", "支付一次，同时通知两次"),
        _form(order, "pay_silently", "通知丢失", "支付成功，但不通知商家"),
        _form(order, "bad_signature", "错误签名", "未支付，伪造一条签名错误的通知"),
        _form(order, "signed_unpaid", "未支付的通知", "没有付款，签名却是对的"),
        _form(order, "stale", "过时的通知", "已支付，通知上的时间是一小时前"),
        _form(order, "pay_late", "过期后支付", f"下单 {minutes} 分钟之后，商家应已关闭订单"),
        _form(order, "pay_late", "延迟支付", "等这么多秒再支付并通知", seconds),
        _form(order, "wrong_amount", "金额不符", "付另一个金额，签名正确", money),
    ]
    return f"""<section class="card main-action">
{_form(order, "pay", "确认支付", "支付成功并通知商家", tone="primary")}
</section>
<section class="card"><h2>测试情形</h2><div class="cases">
{"".join(cases)}
</div></section>"""


def _log(till: Till, order: dict) -> str:
    lines = []
    most = len(till.tongue_of(order).schedule)
    for notify in till.notifies(order["id"]):
        for number, entry in enumerate(notify["log"], 1):
            answer = entry["error"] or f"{entry['status']} {entry['answer'].strip()[:60]}"
            good = notify["done"] and number == notify["tries"]
            lines.append(
                f'<li class="{"good" if good else "bad"}"><time>{clock_text(entry["at"])}</time> '
                f"<span>第 {number} 次：{escape(answer)}</span></li>"
            )
        if not notify["done"]:
            rest = "已停止重试" if notify["gave_up"] else f"下次 {clock_text(notify['due'])}"
            lines.append(f"<li>{rest}（共 {most} 次）</li>")
    if not lines:
        return ""
    return (
        f'<section class="card"><h2>通知记录</h2><ul class="log">{"".join(lines)}</ul>'
        f'<p><a href="/cashier/{escape(order["id"])}">刷新</a></p></section>'
    )
