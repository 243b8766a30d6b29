"""The pages that people see: the cashier, a message, the list of orders. No script, everything escaped."""

from html import escape

from sandbox.epay.gateway import PAID, REFUNDED, TYPES, UNPAID, Gateway, clock_text
from sandbox.notifier import SCHEDULE

STATUS = {UNPAID: ("待支付", "wait"), PAID: ("已支付", "good"), REFUNDED: ("已退款", "wait")}


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


def home(gateway: Gateway) -> str:
    orders = list(reversed(gateway.orders.all()))[:50]
    rows = "".join(
        f'<li><a href="/cashier/{escape(o["id"])}"><span>{escape(o["name"])}</span> '
        f"<b>¥{escape(o['money'])}</b> {_state(o)}<small>{escape(o['out_trade_no'])} · {clock_text(o['addtime'])}"
        "</small></a></li>"
        for o in orders
    )
    listed = (
        f'<ul class="orders">{rows}</ul>' if rows else "<p>还没有订单。在商店里选择易支付付款，订单会出现在这里。</p>"
    )
    merchants = "、".join(escape(pid) for pid in gateway.merchants)
    return layout(
        "订单",
        f'<section class="card"><h1>支付沙箱</h1><p>易支付 V1 接口：<code>/submit.php</code> <code>/mapi.php</code> '
        f"<code>/api.php</code>，商户 <code>{merchants}</code></p></section>"
        f'<section class="card"><h2>最近订单</h2>{listed}</section>',
    )


def cashier(gateway: Gateway, order: dict, error: str = "") -> str:
    parts = [_summary(gateway, order, error)]
    if order["status"] == UNPAID:
        parts.append(_buttons(gateway, order))
    parts.append(_log(gateway, order))
    return layout("收银台", "\n".join(parts))


def _state(order: dict) -> str:
    text, tone = STATUS[order["status"]]
    if order["status"] == UNPAID and order["failed"]:
        text, tone = "支付失败", "bad"
    return f'<span class="state {tone}">{text}</span>'


def _summary(gateway: Gateway, order: dict, error: str) -> str:
    notes = f'<p class="note bad" role="alert">{escape(error)}</p>' if error else ""
    if order["pay_at"] and order["status"] == UNPAID:
        notes += f'<p class="note">将于 {clock_text(order["pay_at"])} 自动支付。</p>'
    if order["status"] != UNPAID and order["paid"] != order["money"]:
        notes += f'<p class="note">实付 ¥{escape(order["paid"])}，与订单金额不同。</p>'
    back = ""
    if order["status"] != UNPAID or order["failed"]:
        back = f'<p><a class="button" href="{escape(gateway.return_address(order))}">返回商家</a></p>'
    return f"""<section class="card pay">
<h1 class="method">{escape(TYPES[order["type"]])} {_state(order)}</h1>
<p class="amount"><span>¥</span>{escape(order["money"])}</p>
<dl>
<div><dt>商品</dt><dd>{escape(order["name"])}</dd></div>
<div><dt>商家</dt><dd>{escape(gateway.merchant(order["pid"]).name)} ({escape(order["pid"])})</dd></div>
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


def _buttons(gateway: Gateway, order: dict) -> str:
    minutes = f"{gateway.expires / 60:g}"
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


def _log(gateway: Gateway, order: dict) -> str:
    lines = []
    for notify in gateway.notifies(order["id"]):
        for number, entry in enumerate(notify["log"], 1):
            answer = entry["error"] or f"{entry['status']} {entry['answer'].strip()[:60]}"
            good = notify["done"] and number == notify["tries"]
            lines.append(
                f'<li class="{"good" if good else "bad"}"><time>{clock_text(entry["at"])}</time> '
                f"<span>第 {number} 次：{escape(answer)}</span></li>"
            )
        if not notify["done"]:
            rest = "已停止重试" if notify["gave_up"] else f"下次 {clock_text(notify['due'])}"
            lines.append(f"<li>{rest}（共 {len(SCHEDULE)} 次）</li>")
    if not lines:
        return ""
    return (
        f'<section class="card"><h2>通知记录</h2><ul class="log">{"".join(lines)}</ul>'
        f'<p><a href="/cashier/{escape(order["id"])}">刷新</a></p></section>'
    )
