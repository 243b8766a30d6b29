"""What a member does at the pages of a running shop, told again and again until it is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orders.models import Order
from payments.models import PaymentAttempt
from torture import settling
from torture.buyers import Browser
from torture.gateway import METHOD, Gateway
from torture.servers import wait_until
from torture.stage import Stage

PAY = f"epay:{METHOD}"


@dataclass
class Scenery:
    stage: Stage
    browser: Browser
    gateway: Gateway
    sku: str
    places: Path
    paid: list[str] = field(default_factory=list)


def by_wallet(made: Scenery) -> None:
    made.paid.append(public_id_in(made.browser.buy(made.sku)))


def by_gateway(made: Scenery) -> None:
    made.paid.append(_pay_at_gateway(made, made.browser.buy(made.sku, PAY)))


def first_by_gateway_then_by_wallet(made: Scenery) -> None:
    order = order_behind(made.browser.buy(made.sku, PAY))
    page = f"/orders/{order.public_id}/"
    made.browser.press(f"{page}pay/", page, pay="wallet")
    made.paid.append(order.public_id)


def cancelled(made: Scenery) -> None:
    order = order_behind(made.browser.buy(made.sku, PAY))
    page = f"/orders/{order.public_id}/"
    made.browser.press(f"{page}cancel/", page)


def topped_up(made: Scenery) -> None:
    _pay_attempt(made, made.browser.top_up("3.00", METHOD), lambda: None)


def told_late(made: Scenery) -> None:
    """The gateway's notify is lost; the buyer presses "I have paid"."""
    location = made.browser.buy(made.sku, PAY)
    order = order_behind(location)
    _put_up(made, lambda: attempt_of(order), lambda: _press_pay(made, order))
    made.gateway.act(attempt_of(order).number, "pay_silently")
    page = f"/pay/{attempt_of(order).public_id}/"
    answer = made.browser.until("GET", page, {200, 302})
    if answer.status_code == 200:
        made.browser.press(f"{page}recheck/", page)
    wait_until(lambda: not _is_unpaid(order), settling.SECONDS, "a payment whose notify was lost")
    made.paid.append(order.public_id)


STORIES: tuple[Callable[[Scenery], None], ...] = (
    by_wallet,
    by_gateway,
    first_by_gateway_then_by_wallet,
    cancelled,
    topped_up,
    told_late,
)


def _pay_at_gateway(made: Scenery, location: str) -> str:
    order = order_behind(location)
    _pay_attempt(made, location, lambda: _press_pay(made, order), order)
    return order.public_id


def _pay_attempt(made: Scenery, location: str, again: Callable[[], object], order: Order | None = None) -> None:
    def attempt() -> PaymentAttempt | None:
        return attempt_of(order) if order is not None else _attempt_at(location)

    _put_up(made, attempt, again)
    number = attempt().number
    made.gateway.act(number, "pay")
    paid = PaymentAttempt.objects.filter(number=number, state=PaymentAttempt.State.PAID)
    wait_until(paid.exists, settling.SECONDS, f"payment {number}")


def _put_up(made: Scenery, attempt: Callable[[], PaymentAttempt | None], again: Callable[[], object]) -> None:
    """Wait until the gateway knows the payment; a call that was killed is made again by the buyer, or by nobody."""
    deadline = time.monotonic() + 40
    while (tried := attempt()) is None or made.gateway.order(tried.number) is None:
        if time.monotonic() > deadline:
            raise TimeoutError("the gateway was never asked to take the payment")
        time.sleep(0.2)
        again()


def _press_pay(made: Scenery, order: Order) -> None:
    page = f"/orders/{order.public_id}/"
    made.browser.press(f"{page}pay/", page, pay=PAY)


def public_id_in(location: str) -> str:
    return location.strip("/").split("/")[-1]


def _attempt_at(location: str) -> PaymentAttempt | None:
    return PaymentAttempt.objects.filter(public_id=public_id_in(location)).first()


def attempt_of(order: Order) -> PaymentAttempt | None:
    return PaymentAttempt.objects.filter(order=order).order_by("-pk").first()


def order_behind(location: str) -> Order:
    """The order of an order's page or of a payment's."""
    if location.startswith("/pay/"):
        return _attempt_at(location).order
    return Order.objects.get(public_id=public_id_in(location))


def _is_unpaid(order: Order) -> bool:
    return Order.objects.filter(pk=order.pk, paid_at=None).exists()
