"""What WeChat Pay tells of payments and refunds, and how it writes money and time."""

from datetime import UTC, datetime
from decimal import Decimal

from sandbox.till import CLOSED, PAID, REFUNDED
from sandbox.tongue import BEIJING, Refused, money_text

STATES = {PAID: "SUCCESS", REFUNDED: "REFUND", CLOSED: "CLOSED"}


def transaction(order: dict, *, app_id: str, mchid: str) -> dict:
    """A payment as queries and callbacks tell it."""
    paid = order["status"] in (PAID, REFUNDED)
    state = "PAYERROR" if order["failed"] and not paid else STATES.get(order["status"], "NOTPAY")
    if paid and Decimal(order["refunded"]):
        state = "REFUND"
    found = {
        "appid": app_id,
        "mchid": mchid,
        "out_trade_no": order["out_trade_no"],
        "trade_state": state,
        "trade_state_desc": state,
        "amount": {"total": fen(order["paid"] if paid else order["money"]), "currency": "CNY"},
        "payer": {"openid": order["extra"].get("openid", "oSandboxPayer0001")} if paid else {},
    }
    if paid:
        found |= {
            "transaction_id": order["id"],
            "trade_type": order["type"],
            "bank_type": "OTHERS",
            "success_time": iso(order["endtime"]),
            "attach": "",
        }
        found["amount"] |= {"payer_total": found["amount"]["total"], "payer_currency": "CNY"}
    return found


def refund_record(order: dict, one: dict, *, done: bool) -> dict:
    """A refund as answers and callbacks tell it."""
    found = {
        "refund_id": f"5030{int(one['id'], 16) % 10**20:020}",
        "out_refund_no": one["number"],
        "transaction_id": order["id"],
        "out_trade_no": order["out_trade_no"],
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": iso(one["at"]),
        "status": "SUCCESS" if done else "PROCESSING",
        "funds_account": "AVAILABLE",
        "amount": {
            "total": fen(order["paid"]),
            "refund": fen(one["money"]),
            "payer_total": fen(order["paid"]),
            "payer_refund": fen(one["money"]),
            "settlement_refund": fen(one["money"]),
            "settlement_total": fen(order["paid"]),
            "discount_refund": 0,
            "currency": "CNY",
        },
    }
    return found | ({"success_time": iso(one["at"])} if done else {})


def scene(asked: dict) -> bool:
    scene = asked.get("scene_info")
    if not isinstance(scene, dict) or not isinstance(scene.get("payer_client_ip"), str):
        return False
    return isinstance(scene.get("h5_info"), dict) and bool(scene["h5_info"].get("type"))


def yuan(amount: object, name: str) -> str:
    """Of an amount in whole fen. Raises Refused."""
    found = amount.get(name) if isinstance(amount, dict) else None
    if type(found) is not int or not 0 < found < 10**10 or amount.get("currency", "CNY") != "CNY":
        raise Refused(f"amount.{name} 不合法")
    return money_text(Decimal(found) / 100)


def fen(yuan: str) -> int:
    return int(Decimal(yuan) * 100)


def moment(text: object) -> float | None:
    """Unix seconds of an RFC 3339 time. Raises Refused."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        raise Refused("time_expire 不合法") from None


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).astimezone(BEIJING).isoformat()
