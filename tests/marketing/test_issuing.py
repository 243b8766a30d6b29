"""How coupons come to members, and go again."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from audit.models import AuditEntry
from common import clock
from common.exceptions import ReasonNeeded
from marketing.exceptions import (
    CouponGone,
    CouponLimitReached,
    CouponsSoldOut,
    LimitBelowIssued,
    NotClaimable,
    RefReused,
    TemplateNotFound,
    TermsAreFixed,
)
from marketing.models import Coupon, CouponSlot, CouponTemplate
from marketing.selectors import coupons_of, on_offer
from marketing.services import claim_coupon, issue_coupon, issue_to_members, revoke_coupon, save_template
from tenancy.models import MAIN_ID, Storefront
from tests.marketing.coupons import give, template
from tests.shelf import books

pytestmark = pytest.mark.django_db


def claim(user, made: CouponTemplate, ref: str = "") -> Coupon:
    return claim_coupon(
        user_id=user.pk, template=made.public_id, storefront_id=MAIN_ID, ref=ref or f"claim:{Coupon.objects.count()}"
    )


def test_a_repeated_claim_is_one_coupon(alice):
    made = template(per_member=5)
    assert claim(alice, made, "click").pk == claim(alice, made, "click").pk
    assert Coupon.objects.get().source_ref == "click"


def test_a_reference_names_one_coupon_only(alice, bob):
    made = template()
    claim(alice, made, "click")
    for user, other in ((bob, made), (alice, template())):
        with pytest.raises(RefReused):
            claim(user, other, "click")


def test_each_member_takes_so_many(alice, bob):
    made = template(per_member=2)
    assert [claim(alice, made).number for _ in range(2)] == [1, 2]
    with pytest.raises(CouponLimitReached):
        claim(alice, made)
    assert claim(bob, made).number == 1


def test_what_was_taken_away_is_not_taken_again(alice, olga):
    made = template()
    coupon = claim(alice, made)
    revoke_coupon(coupon_id=coupon.pk, reason="刷单", actor=olga)
    with pytest.raises(CouponLimitReached):
        claim(alice, made)


def test_the_shop_gives_beyond_the_limit_of_a_member(alice):
    made = template()
    assert [give(alice, made).number for _ in range(3)] == [1, 2, 3]


def test_the_last_place(alice, bob, olga):
    made = template(total_limit=1)
    coupon = claim(alice, made)
    for take in (claim, give):
        with pytest.raises(CouponsSoldOut):
            take(bob, made)
    revoke_coupon(coupon_id=coupon.pk, reason="误发", actor=olga)
    claim(bob, made)
    assert books() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"is_active": False},
        {"source": "gift"},
        {"source": "points", "points_price": 10},
        {"starts_at": clock.start_of_day(date(2090, 1, 1))},
        {"ends_at": clock.start_of_day(date(2020, 1, 2)), "starts_at": clock.start_of_day(date(2020, 1, 1))},
        {"valid_until": clock.start_of_day(date(2020, 1, 1))},
    ],
)
def test_what_is_not_on_offer_cannot_be_claimed(alice, fields):
    with pytest.raises(NotClaimable):
        claim(alice, template(**fields))


def test_another_storefronts_coupons_are_not_ours(alice):
    branch = Storefront.objects.create(host="branch.example", name="分站")
    with pytest.raises(NotClaimable):
        claim(alice, template(storefront=branch))


@pytest.mark.parametrize("made_up", ["", "x" * 22, "1", "' OR 1=1 --", "券" * 22])
def test_made_up_ids_lead_nowhere(alice, made_up):
    with pytest.raises(TemplateNotFound):
        claim_coupon(user_id=alice.pk, template=made_up, storefront_id=MAIN_ID, ref="click")


def test_a_coupon_ends_with_a_shanghai_day_or_with_its_campaign(alice):
    at = clock.start_of_day(date(2026, 11, 22)) + timedelta(hours=15)
    with clock.travel(at):
        week = give(alice, template(valid_days=7))
        short = give(alice, template(valid_days=7, valid_until=at + timedelta(days=2)))
    assert week.expires_at == clock.start_of_day(date(2026, 11, 30)) - timedelta(seconds=1)
    assert short.expires_at == at + timedelta(days=2)


def test_limits_grow_and_shrink_with_what_is_out(alice, bob, olga):
    made = template(per_member=9)
    claim(alice, made)
    gone = claim(alice, made)
    revoke_coupon(coupon_id=gone.pk, reason="误发", actor=olga)

    def limit(count: int | None) -> None:
        made.total_limit = count
        save_template(template=made, actor=olga)

    limit(3)
    assert CouponSlot.objects.filter(coupon=None).count() == 2
    assert books() == {}
    claim(bob, made)
    with pytest.raises(LimitBelowIssued):
        limit(1)
    limit(2)
    with pytest.raises(CouponsSoldOut):
        claim(bob, made)
    limit(None)
    claim(bob, made)
    limit(5)
    assert CouponSlot.objects.filter(coupon=None).count() == 2
    assert books() == {}


def test_terms_stay_once_somebody_holds_one(alice, shelf, olga):
    made = template()
    made.amount_off = Decimal("6.00")
    save_template(template=made, actor=olga)
    give(alice, made)
    for name, value in {
        "amount_off": Decimal("7.00"),
        "min_spend": Decimal("1.00"),
        "with_member_price": False,
    }.items():
        changed = CouponTemplate.objects.get(pk=made.pk)
        setattr(changed, name, value)
        with pytest.raises(TermsAreFixed):
            save_template(template=changed, actor=olga)
    with pytest.raises(TermsAreFixed):
        save_template(template=made, categories=[shelf.category], actor=olga)
    made.name = "新名字"
    save_template(template=made, actor=olga)


def test_staff_give_to_many_at_once_and_only_once(alice, bob, olga):
    made = template(source="gift")
    for _ in range(2):
        assert (
            issue_to_members(
                template_id=made.pk, user_ids=[alice.pk, bob.pk, bob.pk], ref="t", reason="补偿", actor=olga
            )
            == 2
        )
    assert Coupon.objects.count() == 2
    assert AuditEntry.objects.filter(action="marketing.coupons.issue").first().detail["members"] == 2


def test_staff_give_to_all_or_to_none(alice, bob, olga):
    made = template(total_limit=1)
    with pytest.raises(CouponsSoldOut):
        issue_to_members(template_id=made.pk, user_ids=[alice.pk, bob.pk], ref="t", reason="补偿", actor=olga)
    assert not Coupon.objects.exists()
    with pytest.raises(ReasonNeeded):
        issue_to_members(template_id=made.pk, user_ids=[alice.pk], ref="t", reason=" ", actor=olga)


def test_revoking_needs_a_reason_and_happens_once(alice, olga):
    coupon = give(alice)
    with pytest.raises(ReasonNeeded):
        revoke_coupon(coupon_id=coupon.pk, reason="  ", actor=olga)
    first = revoke_coupon(coupon_id=coupon.pk, reason="误发", actor=olga)
    again = revoke_coupon(coupon_id=coupon.pk, reason="再来", actor=olga)
    assert (first.revoke_reason, again.revoke_reason) == ("误发", "误发")
    assert AuditEntry.objects.filter(action="marketing.coupon.revoke").count() == 1


def test_a_used_coupon_is_not_revoked(alice, olga, shelf):
    coupon = give(alice)
    shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), coupon=coupon.public_id)
    with pytest.raises(CouponGone):
        revoke_coupon(coupon_id=coupon.pk, reason="误发", actor=olga)


def test_what_is_on_offer(alice):
    shown, full, out = template(), template(), template(total_limit=1)
    template(source="points", points_price=5)
    template(event_code="gala")
    claim(alice, full)
    issue_coupon(template_id=out.pk, user_id=alice.pk, ref="gift", at=clock.now())
    found = on_offer(user_id=alice.pk, storefront_id=MAIN_ID, source="claim", events=frozenset(), at=clock.now())
    assert {one.template: one.can_take for one in found} == {shown: True, full: False, out: False}
    assert found[0].template == shown
    invited = on_offer(user_id=None, storefront_id=MAIN_ID, source="claim", events=frozenset({"gala"}), at=clock.now())
    assert len(invited) == 4


def test_the_tabs(alice, olga):
    at = clock.now()
    usable, gone = give(alice), give(alice)
    revoke_coupon(coupon_id=gone.pk, reason="误发", actor=olga)
    tabs = {tab: list(coupons_of(user_id=alice.pk, tab=tab, at=at)) for tab in ("usable", "used", "expired")}
    assert tabs == {"usable": [usable], "used": [], "expired": [gone]}
    later = usable.expires_at + timedelta(seconds=1)
    assert list(coupons_of(user_id=alice.pk, tab="expired", at=later)) == [gone, usable]


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_off": Decimal(0)},
        {"amount_off": None},
        {"kind": "rate"},
        {"max_off": Decimal(1)},
        {"kind": "rate", "amount_off": None, "rate": Decimal(1)},
        {"kind": "rate", "amount_off": None, "rate": Decimal("0.9"), "max_off": Decimal(0)},
        {"min_spend": Decimal("-1")},
        {"source": "points"},
        {"points_price": 5},
        {"valid_days": None},
        {"valid_days": 0},
        {"per_member": 0},
        {"total_limit": 0},
    ],
)
def test_templates_that_make_no_sense(fields):
    with pytest.raises(ValidationError):
        template(**fields)
    good = template()
    for name, value in fields.items():
        setattr(good, name, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        good.save()
