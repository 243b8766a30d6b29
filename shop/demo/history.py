"""Months of business at the demo shop: what happens when, and each thing done by the service that does it in earnest.

The plan is made from fixed random numbers, so that it is the same at every run, and every act looks first whether it was
done before: an interrupted run is taken up by running it again.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal

from accounts.models import User
from accounts.services import create_member
from audit.models import IdempotencyRecord
from catalog.exceptions import OutOfStock
from catalog.models import PriceHistory, Product, Review, ReviewTicket, Sku
from catalog.selectors import review_of
from catalog.services import goods, moderation
from catalog.services.reviews import write_review
from common import clock
from events.services import relay
from membership.models import CheckIn, Feedback
from membership.services import accept_feedback, check_in, invite_code_for, recalculate, send_feedback
from orders import services as orders
from orders.models import Order, OrderLine, OrderRefund
from orders.services import Buyer, Item
from payments import services as payments
from payments.models import Channel, PaymentAttempt, TopUp
from shop.demo import content, perks
from shop.demo.opinions import Critics, Opinion
from shop.demo.people import DELIVERIES, FEEDBACK, GUEST_LIKES, GUEST_ORDERS, MEMBERS, PRICES, RECENT, REFUNDS, Person
from shop.demo.stocking import fill
from tenancy.selectors import main_storefront
from wallet.selectors import balance_of

# Guests who never pay: every so many.
FORGETFUL = 9
# What staff leaves for the morning, so that somebody who looks around finds work.
LEFT_OPEN = timedelta(hours=3)
# Reviews are read the next day; those of the last hours wait.
READ_AFTER = timedelta(hours=7)
# How many of a member's orders are reviewed; who buys in quantity writes less.
LIKELY, LIKELY_IN_QUANTITY = 0.62, 0.34
# For how long members have been checking in.
SIXTY = 60
POCKET_MONEY = Decimal("300.00")
METHODS = (Channel.Method.ALIPAY, Channel.Method.ALIPAY, Channel.Method.WECHAT)
BROWSER = "Mozilla/5.0 (Linux; Android 14) Mobile"
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Act:
    """Something that happens at a time. `run` may be called again and then changes nothing."""

    at: datetime
    run: Callable[[], object]


class History:
    """The plan for a shop whose present is `now`; `password` gives a member's password."""

    def __init__(self, *, now: datetime, staff: User, channel: Channel, password: Callable[[str], str]) -> None:
        self.now, self.staff, self.channel, self.password = now, staff, channel, password
        self.storefront = main_storefront()
        self.skus = {sku.code: sku for sku in Sku.objects.select_related("product")}
        self.demo_goods = {sku.code: product for product in content.products() for sku in product.skus}
        self.categories = {
            sku.code: category.code
            for category in content.categories()
            for product in category.products
            for sku in product.skus
        }
        self.critics = Critics()
        # Not for secrets: the plan has to come out the same at every run.
        self.rng = random.Random(20261122)

    def acts(self) -> list[Act]:
        """Everything in the order in which it happened."""
        planned: list[Act] = []
        for code, days, price in PRICES:
            planned.append(self._act(self._days_ago(days, 9), self._change_price, code, Decimal(price)))
        for number, (code, days, count) in enumerate(DELIVERIES, start=2):
            planned.append(self._act(self._days_ago(days, 10), self._deliver_stock, code, count, number))
        # First, because what was said long ago is not said again, and staff should find something to read.
        people = {person.username: person for person in MEMBERS}
        for number, (minutes, username, basket) in enumerate(RECENT, start=1000):
            at = self.now - timedelta(minutes=minutes)
            planned.append(self._act(at, self._member_buys, people[username], number, basket))
            soon = at + timedelta(minutes=min(45, minutes / 2))
            planned += self._review(soon, people[username], number, basket, likely=1)
        for person in MEMBERS:
            planned += self._life_of(person)
        for number in range(GUEST_ORDERS):
            planned += self._guest(number)
        for days, username, kind, text, answer, points in FEEDBACK:
            written = self._days_ago(days, 15)
            planned.append(self._act(written, self._member_writes, username, kind, text))
            if answer:
                read = written + timedelta(hours=20)
                planned.append(self._act(read, self._answer_feedback, username, text, answer, points))
        planned.append(self._act(self._days_ago(60, 9), perks.set_up, self.staff))
        for username, code, days in perks.CLAIMED:
            planned.append(self._act(self._days_ago(days, 12), perks.take, username, code))
        for username, code, days in perks.GIVEN:
            planned.append(self._act(self._days_ago(days, 14), perks.give, username, code))
        for username in perks.BORN_ON:
            planned.append(self._act(self._days_ago(1, 12), perks.say_birthday, username, self.now))
        planned += [self._act(at, perks.pay_rebates) for at in perks.pay_days(self.now) if at < self.now]
        planned.append(self._act(self.now, self._pocket_money))
        planned.append(self._act(self.now, _recalculate_due))
        return sorted(planned, key=lambda act: act.at)

    def perform(self, acts: Sequence[Act], told: Callable[[], None]) -> None:
        """Do everything at its time, and let the news reach the other rooms at that time too."""
        for act in acts:
            with clock.travel(act.at):
                act.run()
                relay()
            told()

    def _act(self, at: datetime, service: Callable, *arguments: object) -> Act:
        def run() -> object:
            return service(*arguments)

        return Act(min(at, self.now), run)

    def _days_ago(self, days: float, hour: float | None = None) -> datetime:
        at = self.now - timedelta(days=days)
        if hour is None:
            return at
        return clock.start_of_day(clock.day_of(at)) + timedelta(hours=hour)

    def _life_of(self, person: Person) -> list[Act]:
        joined = self._days_ago(person.joined, 11)
        acts = [self._act(joined, self._register, person), *self._check_ins(person)]
        times = sorted(joined + (self.now - joined) * self.rng.uniform(0.01, 0.98) for _ in range(person.orders))
        for number, at in enumerate(times, start=1):
            wanted = [self.rng.choice(person.likes)]
            if self.rng.random() < 0.15:
                wanted = self.rng.sample(person.likes, k=min(2, len(person.likes)))
            basket = {code: self.rng.randint(*person.pieces) for code in wanted}
            acts.append(self._act(_daytime(at), self._member_buys, person, number, basket))
            likely = LIKELY if person.pieces[1] < 4 else LIKELY_IN_QUANTITY
            hours = self.critics.rng.uniform(2, 90)
            acts += self._review(_daytime(at) + timedelta(hours=hours), person, number, basket, likely)
        return acts

    def _check_ins(self, person: Person) -> list[Act]:
        """Days on which the member checks in, in runs as people do; today is left for whoever looks around."""
        days = min(person.joined - 1, SIXTY)
        # Its own chance, so that orders come out as they did before anybody checked in.
        rng = random.Random(person.username)
        share, coming, chosen = person.check_ins / max(days, 1), False, []
        for day in range(days, 0, -1):
            # Whoever came yesterday comes again more often.
            coming = rng.random() < (share + (1 - share) * 0.5 if coming else share * 0.5)
            if coming:
                chosen.append(self._act(self._days_ago(day, rng.uniform(8, 22)), self._member_checks_in, person))
        return chosen

    def _member_checks_in(self, person: Person) -> None:
        user = User.objects.get(username=person.username)
        if not CheckIn.objects.filter(user=user, day__gte=clock.day_of(clock.now())).exists():
            check_in(user_id=user.pk, storefront_id=self.storefront.pk)

    def _member_writes(self, username: str, kind: str, text: str) -> None:
        user = User.objects.get(username=username)
        if not Feedback.objects.filter(user=user, text=text).exists():
            send_feedback(user=user, storefront_id=self.storefront.pk, kind=kind, text=text)

    def _answer_feedback(self, username: str, text: str, answer: str, points: int) -> None:
        waiting = Feedback.objects.filter(user__username=username, text=text, state=Feedback.State.PENDING).first()
        if waiting is not None:
            accept_feedback(feedback_id=waiting.pk, points=points, contrib=points, answer=answer, actor=self.staff)

    def _review(self, at: datetime, person: Person, number: int, basket: dict[str, int], likely: float) -> list[Act]:
        """The member's review of the first thing in an order, where there is one to be told."""
        code = next(iter(basket))
        opinion = self.critics.opinion(self.categories[code], likely=likely)
        return [self._act(at, self._member_reviews, person, number, code, opinion)] if opinion else []

    def _guest(self, number: int) -> list[Act]:
        at = _daytime(self._days_ago(self.rng.uniform(0.02, 140)))
        basket = {code: 1 for code in self.rng.sample(GUEST_LIKES, k=1 if self.rng.random() < 0.8 else 2)}
        method = self.rng.choice(METHODS)
        acts = [self._act(at, self._guest_orders, number, basket)]
        if number % FORGETFUL:
            return [*acts, self._act(at + timedelta(minutes=2), self._guest_pays, number, method)]
        return [*acts, self._act(at + timedelta(minutes=17), orders.expire_due)]

    def _register(self, person: Person) -> User:
        known = User.objects.filter(username=person.username).first()
        return known or create_member(
            username=person.username,
            password=self.password(person.username),
            storefront_id=self.storefront.pk,
            display_name=person.name,
            invite_code=self._code_of(person.invited_by),
        )

    @staticmethod
    def _code_of(username: str) -> str:
        return invite_code_for(user=User.objects.get(username=username)) if username else ""

    def _member_buys(self, person: Person, number: int, basket: dict[str, int]) -> None:
        user = User.objects.get(username=person.username)
        buyer, key = Buyer(user=user, device=_device(person.username), address=ADDRESS), f"demo-{number}"
        order = self._known(buyer, key)
        if order is None:
            items = [self._item(code, count, person.answers) for code, count in basket.items()]
            total = orders.quote(storefront=self.storefront, user_id=user.pk, items=items).total
            self._top_up(user, total - balance_of(user), key)
            try:
                order = orders.place(
                    storefront=self.storefront, buyer=buyer, items=items, idempotency_key=key, from_wallet=True
                )
            except OutOfStock:
                return
        self._serve(order)
        self._give_back(person.username, number, order)

    def _item(self, code: str, count: int, answers: dict[str, str]) -> Item:
        sku = self.skus[code]
        fields = {spec["name"]: answers[spec["name"]] for spec in sku.product.buyer_fields}
        return Item(sku.public_id, count, fields)

    def _top_up(self, user: User, missing: Decimal, key: str) -> None:
        """Bring the wallet up to what is needed, in round sums as people do, through the gateway."""
        if missing <= 0:
            return
        step = Decimal(50) if missing < 400 else Decimal(500)
        amount = (missing / step).quantize(Decimal(1), rounding=ROUND_UP) * step
        top_up = payments.place_top_up(user=user, storefront=self.storefront, amount=amount, idempotency_key=key)
        self._pay(top_up, Channel.Method.ALIPAY)

    def _pay(self, target: Order | TopUp, method: str) -> None:
        if target.paid_at is not None:
            return
        attempt = payments.start_attempt(
            target=target, channel=self.channel, method=method, client_address=ADDRESS, user_agent=BROWSER
        )
        if attempt.state != PaymentAttempt.State.PAID:
            # What the gateway would call its own transaction: day and a number of its own.
            txn = f"{clock.now():%Y%m%d%H%M%S}{attempt.pk:07d}"
            payments.apply_payment(attempt_id=attempt.pk, provider_txn=txn, amount=attempt.amount)

    def _serve(self, order: Order) -> None:
        """What staff does by hand: top-ups and memberships that are opened for the buyer."""
        if clock.now() > self.now - LEFT_OPEN:
            return
        queued = order.lines.filter(state=OrderLine.State.QUEUED)
        # Somebody is free sooner or later; the same at every run.
        patience = random.Random(f"served:{order.buyer_id}:{order.pk}")
        with clock.travel(clock.now() + timedelta(seconds=round(patience.triangular(150, 3600, 700)))):
            for line in queued:
                done = "充值成功" if line.kind == Product.Kind.TOP_UP else "已开通，请重新登录查看"
                orders.deliver_by_hand(line_id=line.pk, text=f"{done}，流水号 DEMO{line.pk:08d}", actor=self.staff)

    def _give_back(self, username: str, number: int, order: Order) -> None:
        reason = next((why for name, nth, why in REFUNDS if (name, nth) == (username, number)), "")
        ref = f"demo:{username}:{number}"
        if not reason or OrderRefund.objects.filter(ref=ref).exists():
            return
        line = order.lines.order_by("pk").first()
        with clock.travel(clock.now() + timedelta(hours=3)):
            orders.refund(
                order_id=order.pk,
                amounts={line.pk: line.cash - line.refunded},
                ref=ref,
                reason=reason,
                actor=self.staff,
            )

    def _member_reviews(self, person: Person, number: int, code: str, opinion: Opinion) -> None:
        user = User.objects.get(username=person.username)
        order = self._known(Buyer(user=user), f"demo-{number}")
        lines = order.lines.filter(sku__code=code).values("pk") if order else []
        ticket = (
            ReviewTicket.objects.filter(line_id__in=lines, delivered_at__isnull=False, closed_at=None)
            .select_related("review")
            .first()
        )
        if ticket is None:
            return
        review = review_of(ticket) or write_review(
            ticket_id=ticket.public_id,
            user=user,
            stars=opinion.stars,
            text=opinion.text,
            is_anonymous=opinion.anonymous,
        )
        if clock.now() + READ_AFTER < self.now and review.state == Review.State.PENDING:
            with clock.travel(clock.now() + READ_AFTER):
                self._read_review(review, opinion)

    def _read_review(self, review: Review, opinion: Opinion) -> None:
        """What staff does with it."""
        seen = {review.pk: review.version}
        if opinion.refused:
            moderation.reject_reviews(seen=seen, reason=opinion.refused, actor=self.staff)
            return
        moderation.publish_reviews(seen=seen, actor=self.staff)
        if opinion.reply:
            moderation.reply_to_review(review_id=review.pk, text=opinion.reply, actor=self.staff)

    def _guest_orders(self, number: int, basket: dict[str, int]) -> None:
        buyer = self._guest_buyer(number)
        items = [self._item(code, count, {}) for code, count in basket.items()]
        try:
            if self._known(buyer, "demo") is None:
                orders.place(storefront=self.storefront, buyer=buyer, items=items, idempotency_key="demo")
        except OutOfStock:
            return

    def _guest_pays(self, number: int, method: str) -> None:
        order = self._known(self._guest_buyer(number), "demo")
        if order is not None and order.state == Order.State.UNPAID:
            self._pay(order, method)

    @staticmethod
    def _guest_buyer(number: int) -> Buyer:
        return Buyer(
            user=None, contact=f"guest{number:02d}@example.com", device=_device(f"guest{number}"), address=ADDRESS
        )

    @staticmethod
    def _known(buyer: Buyer, key: str) -> Order | None:
        done = IdempotencyRecord.objects.filter(caller=buyer.caller, key=f"order:{key}").first()
        return Order.objects.get(pk=done.result) if done else None

    def _change_price(self, code: str, price: Decimal) -> None:
        sku = Sku.objects.select_related("product").get(code=code)
        if not PriceHistory.objects.filter(sku=sku, at__gte=clock.now()).exists():
            sku.list_price = price
            goods.save_sku(sku=sku, actor=self.staff)

    def _deliver_stock(self, code: str, count: int, number: int) -> None:
        fill(self.skus[code], self.demo_goods[code], count, delivery=number, actor=self.staff)

    def _pocket_money(self) -> None:
        """The demo login can buy at once."""
        user = User.objects.get(username=MEMBERS[0].username)
        self._top_up(user, POCKET_MONEY - balance_of(user), "demo-pocket")


def _recalculate_due() -> None:
    """What the nightly pass would have done: windows that have moved since each member's last order."""
    recalculate(everyone=False)


def _daytime(at: datetime) -> datetime:
    """The same day at an hour at which people shop: nobody of ours buys between two and eight in the morning."""
    hour = at.astimezone(clock.SHANGHAI).hour
    return at + timedelta(hours=8) if 2 <= hour < 8 else at


def _device(name: str) -> str:
    """A device's name in the form that cookies hold."""
    return f"demo-{name}".ljust(22, "-")[:22]
