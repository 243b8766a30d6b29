"""Coupons and benefits of the demo shop: what its operator set up, and what its members took.

Every step looks first whether it was done before.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from catalog.models import Category
from common import clock
from marketing.exceptions import CouponLimitReached
from marketing.models import Coupon, CouponTemplate, RebateProgram
from marketing.services import claim_coupon, issue_coupon, pay_due_rebates, save_rebate_program, save_template
from membership.models import Benefit, Program, RuleSetVersion
from membership.selectors import birthday_of
from membership.services import copy_rule_set, publish_rule_set, revise_draft, tell_birthday
from tenancy.models import MAIN_ID

NOTE, NOTE_EN = "三层权益，礼品卡不计入", "Benefits of three layers; gift cards do not count"
# What the shop added to the rules that every shop begins with.
RULES = {
    "exclude": [
        {"reason": "points_paid", "part": "points_paid"},
        {"reason": "gift_cards", "category": "gift_card"},
    ],
    "bundles": [
        {"id": "weekly", "window": "week", "needs": {"checkin": 5, "review": 3}, "grants": {"activity": 50}},
    ],
    "caps": [{"m": "activity", "per": "day", "max": 100}],
    "jumps": [
        {
            "id": "ambassador",
            "up": 2,
            "when": {
                "all": [
                    {"m": "invitee_active", "win": "life", "op": ">=", "v": 10},
                    {"m": "invitee_spend", "win": "life", "op": ">=", "v": "2000.00"},
                ]
            },
        },
    ],
}
# From which spend in a month on which part of all of it comes back.
REBATE = (
    (Decimal(1000), Decimal("0.01")),
    (Decimal(3000), Decimal("0.02")),
    (Decimal(10000), Decimal("0.03")),
    (Decimal(30000), Decimal("0.05")),
)
# Who takes what, days ago: a coupon that anybody may claim, one that the shop gave, points, a birthday.
CLAIMED = [("demo", "welcome-5", 3), ("qiqi", "weekend-95", 2), ("xueba", "welcome-5", 20)]
GIVEN = [("demo", "birthday-10", 5), ("linlin", "sorry-3", 8)]
BORN_ON = ["qiqi", "tudou"]
BORN = timedelta(days=27 * 365)


@dataclass(frozen=True)
class DemoCoupon:
    """`terms` are fields of the template; `category` is the code of the only category that it is for."""

    code: str
    name: str
    name_en: str
    terms: dict = field(default_factory=dict)
    category: str = ""


COUPONS = (
    DemoCoupon(
        "welcome-5",
        "新人见面礼",
        "Welcome gift",
        {"amount_off": Decimal(5), "min_spend": Decimal(30), "valid_days": 30},
    ),
    DemoCoupon(
        "weekend-95",
        "周末九五折",
        "Weekend 5% off",
        {"rate": Decimal("0.95"), "max_off": Decimal(10), "valid_days": 3, "per_member": 4, "total_limit": 500},
    ),
    DemoCoupon(
        "birthday-10",
        "生日快乐券",
        "Birthday coupon",
        {"source": "gift", "amount_off": Decimal(10), "min_spend": Decimal(50), "valid_days": 14},
    ),
    DemoCoupon(
        "sorry-3",
        "服务补偿券",
        "With our apologies",
        {"source": "gift", "amount_off": Decimal(3), "valid_days": 60},
    ),
    DemoCoupon(
        "points-3",
        "无门槛 3 元券",
        "¥3 off anything",
        {"source": "points", "points_price": 60, "amount_off": Decimal(3), "valid_days": 30, "per_member": 20},
    ),
    DemoCoupon(
        "points-12",
        "满百减十二",
        "¥12 off ¥100",
        {
            "source": "points",
            "points_price": 200,
            "amount_off": Decimal(12),
            "min_spend": Decimal(100),
            "with_member_price": False,
            "valid_days": 30,
            "per_member": 5,
        },
    ),
    DemoCoupon(
        "points-game-9",
        "游戏点卡 9 折",
        "10% off game cards",
        {
            "source": "points",
            "points_price": 150,
            "rate": Decimal("0.9"),
            "max_off": Decimal(15),
            "valid_days": 15,
            "per_member": 3,
        },
        category="game_card",
    ),
    DemoCoupon(
        "gala-30",
        "年终答谢券",
        "Year-end thanks",
        {"amount_off": Decimal(30), "min_spend": Decimal(200), "event_code": "gala", "valid_days": 20},
    ),
)

# Beside the prices and badges that every shop begins with; kind, layer, fields.
EVERYDAY, EXCLUSIVE, STATUS = Benefit.Layer.EVERYDAY, Benefit.Layer.EXCLUSIVE, Benefit.Layer.STATUS
BENEFITS: dict[int, list[tuple[str, str, dict]]] = {
    0: [("points_back", EVERYDAY, {"value": Decimal("0.1")})],
    1: [
        ("points_back", EVERYDAY, {"value": Decimal("0.2")}),
        ("birthday_gift", EVERYDAY, {"value": Decimal(50)}),
        ("early_access", EXCLUSIVE, {"value": Decimal(2)}),
    ],
    2: [
        ("points_back", EVERYDAY, {"value": Decimal("0.3")}),
        ("birthday_gift", EVERYDAY, {"value": Decimal(100), "code": "birthday-10"}),
        ("service_queue", EXCLUSIVE, {"value": Decimal(3)}),
        ("early_access", EXCLUSIVE, {"value": Decimal(12)}),
        ("title", STATUS, {"text": "老主顾", "text_en": "Regular"}),
    ],
    3: [
        ("points_back", EVERYDAY, {"value": Decimal("0.4")}),
        ("birthday_gift", EVERYDAY, {"value": Decimal(200), "code": "birthday-10"}),
        ("service_queue", EXCLUSIVE, {"value": Decimal(6)}),
        ("early_access", EXCLUSIVE, {"value": Decimal(24)}),
        ("quantity_limit", EXCLUSIVE, {"value": Decimal("1.5")}),
        ("unpaid_limit", EXCLUSIVE, {"value": Decimal(10)}),
        ("title", STATUS, {"text": "大掌柜", "text_en": "Head of house"}),
        ("limited_event", STATUS, {"text": "年终答谢", "text_en": "Year-end thanks", "code": "gala"}),
    ],
    4: [
        ("points_back", EVERYDAY, {"value": Decimal("0.5")}),
        ("birthday_gift", EVERYDAY, {"value": Decimal(500), "code": "birthday-10"}),
        ("service_queue", EXCLUSIVE, {"value": Decimal(9)}),
        ("early_access", EXCLUSIVE, {"value": Decimal(48)}),
        ("quantity_limit", EXCLUSIVE, {"value": Decimal(2)}),
        ("unpaid_limit", EXCLUSIVE, {"value": Decimal(20)}),
        ("title", STATUS, {"text": "东家", "text_en": "Proprietor"}),
        ("limited_event", STATUS, {"text": "年终答谢", "text_en": "Year-end thanks", "code": "gala"}),
    ],
}


def set_up(actor: User) -> None:
    """The shop's coupons, and its rules with benefits of all three layers."""
    for wanted in COUPONS:
        _template(wanted, actor)
    _promise_rebate(actor)
    program = Program.objects.get(storefront=None)
    if not program.versions.filter(note=NOTE).exists():
        with transaction.atomic():
            _publish_benefits(program, actor)


def take(username: str, code: str) -> None:
    """A member claims a coupon."""
    user, made = User.objects.get(username=username), CouponTemplate.objects.get(code=code)
    try:
        claim_coupon(user_id=user.pk, template=made.public_id, storefront_id=MAIN_ID, ref=f"demo:{code}:{username}")
    except CouponLimitReached:
        return


def give(username: str, code: str) -> Coupon:
    """The shop gives a member a coupon."""
    user, made = User.objects.get(username=username), CouponTemplate.objects.get(code=code)
    return issue_coupon(template_id=made.pk, user_id=user.pk, ref=f"demo:{code}:{username}", at=clock.now())


def say_birthday(username: str, at: datetime) -> None:
    """A member who was born some week of these, years ago."""
    user = User.objects.get(username=username)
    if birthday_of(user.pk) is None:
        tell_birthday(user_id=user.pk, day=clock.day_of(at - BORN))


def pay_days(now: datetime) -> list[datetime]:
    """The mornings of the last two months on which rebates are paid, as the nightly task pays them."""
    first = clock.day_of(now).replace(day=1)
    months = (first, (first - timedelta(days=1)).replace(day=1))
    return [clock.start_of_day(month + timedelta(days=7)) + timedelta(hours=5) for month in months]


def pay_rebates() -> None:
    pay_due_rebates(at=clock.now())


def _promise_rebate(actor: User) -> None:
    """Whoever buys much in a month gets part of it back, from the month in which the shop began with it."""
    if not RebateProgram.objects.exists():
        made = RebateProgram(
            name="月度返利", name_en="Monthly rebate", first_month=clock.day_of(clock.now()).replace(day=1)
        )
        save_rebate_program(program=made, steps=REBATE, actor=actor)


def _template(wanted: DemoCoupon, actor: User) -> CouponTemplate:
    known = CouponTemplate.objects.filter(code=wanted.code).first()
    if known is not None:
        return known
    kind = CouponTemplate.Kind.RATE if "rate" in wanted.terms else CouponTemplate.Kind.AMOUNT
    made = CouponTemplate(
        code=wanted.code, name=wanted.name, name_en=wanted.name_en, kind=kind, starts_at=clock.now(), **wanted.terms
    )
    scope = Category.objects.filter(code=wanted.category) if wanted.category else ()
    return save_template(template=made, categories=scope, actor=actor)


def _publish_benefits(program: Program, actor: User) -> RuleSetVersion:
    current = program.versions.exclude(status=RuleSetVersion.Status.DRAFT).latest("effective_from")
    copied = copy_rule_set(version=current, author=actor, note=NOTE, note_en=NOTE_EN)
    draft = revise_draft(version_id=copied.pk, document={**current.document, **RULES}, note=NOTE, note_en=NOTE_EN)
    tiers = {tier.rank: tier for tier in draft.tiers.all()}
    Benefit.objects.bulk_create(
        Benefit(tier=tiers[rank], kind=kind, layer=layer, **fields)
        for rank, rows in BENEFITS.items()
        if rank in tiers
        for kind, layer, fields in rows
    )
    # A shop's own beginning: there is no second person yet who could approve, and nobody whom it would move.
    return publish_rule_set(version_id=draft.pk, approver=None)
