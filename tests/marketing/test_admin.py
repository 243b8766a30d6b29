"""The desk of coupons: templates, giving them to members, taking one away, exports."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from common import clock
from marketing.models import Coupon, CouponTemplate
from membership.models import Birthday
from membership.services import tell_birthday
from tests.desk import Act, at_desk, staff
from tests.marketing.coupons import give, template

pytestmark = pytest.mark.django_db

LIST = reverse("admin:marketing_coupontemplate_changelist")


def page_of(made: CouponTemplate) -> str:
    return reverse("admin:marketing_coupontemplate_change", args=[made.pk])


def form(**fields) -> dict:
    day = clock.now() - timedelta(days=1)
    return {
        "code": "autumn-10",
        "name": "秋季券",
        "name_en": "Autumn",
        "kind": "amount",
        "amount_off": "10.00",
        "min_spend": "50",
        "with_member_price": "on",
        "with_quantity_price": "on",
        "source": "claim",
        "starts_at_0": f"{day:%Y-%m-%d}",
        "starts_at_1": "09:00:00",
        "valid_days": "30",
        "per_member": "1",
        "total_limit": "5",
        "is_active": "on",
        **fields,
    }


@pytest.fixture
def desk(olga):
    return at_desk(olga)


class TestTemplates:
    def test_one_is_made_with_its_scope_and_its_slots(self, desk, shelf):
        sku = shelf.sku()
        answer = desk.post(f"{LIST}add/", form(categories=[shelf.category.pk], products=[sku.product_id]))
        assert answer.status_code == 302, answer.content.decode()
        made = CouponTemplate.objects.get()
        assert (made.amount_off, made.min_spend, made.slots.count()) == (Decimal("10.00"), Decimal("50.00"), 5)
        assert list(made.categories.all()) == [shelf.category] and list(made.products.all()) == [sku.product]

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"amount_off": ""}, "减金额的券填“减免金额”"),
            ({"kind": "rate", "amount_off": "", "rate": "1.2"}, "打折的券填 0 到 1 之间的"),
            ({"source": "points"}, "积分兑换的券要填积分价格"),
            ({"valid_days": ""}, "请填写领取后有效天数"),
            ({"total_limit": "0"}, "总量填 1 到 1000000"),
            ({"ends_at_0": "2020-01-01", "ends_at_1": "00:00:00"}, "停止发放要晚于开始发放"),
            ({"per_member": "0"}, "每人限领 1 到 1000 张"),
        ],
    )
    def test_what_makes_no_sense_is_told_in_words(self, desk, fields, told):
        answer = desk.post(f"{LIST}add/", form(**fields))
        assert answer.status_code == 200
        assert told in answer.content.decode()
        assert not CouponTemplate.objects.exists()

    def test_terms_that_somebody_holds_are_fixed(self, desk, alice):
        made = template("10.00", total_limit=3)
        give(alice, made)
        answer = desk.post(page_of(made), form(code=made.code, amount_off="20.00"))
        assert "优惠内容不能再改" in answer.content.decode()
        give(alice, made)
        answer = desk.post(page_of(made), form(code=made.code, min_spend="0", total_limit="1"))
        assert "总量不能少于已发放的 2 张" in answer.content.decode()
        assert desk.post(page_of(made), form(code=made.code, min_spend="0", name="新名字")).status_code == 302
        made.refresh_from_db()
        assert (made.name, made.amount_off, made.slots.count()) == ("新名字", Decimal("10.00"), 5)

    def test_the_list_counts(self, desk, alice, shelf):
        made = template("2.00", total_limit=7)
        shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), coupon=give(alice, made).public_id)
        give(alice, made)
        page = desk.get(LIST).content.decode()
        assert "立减 ¥2.00" in page and "发放中" in page
        row = page[page.index(made.name) :]
        counts = {
            name: int(number)
            for name, number in re.findall(r'class="field-(issued|used|left)\b[^"]*"[^>]*>\s*(\d+)', row)
        }
        assert counts == {"issued": 2, "used": 1, "left": 5}


class TestIssuing:
    def address(self, made: CouponTemplate) -> str:
        return reverse("admin:marketing_coupontemplate_issue", args=[made.pk])

    def test_first_a_preview_then_once(self, desk, alice, bob):
        made = template("2.00", source="gift")
        give(bob, made)
        act = Act(desk, self.address(made)).fill(usernames="Alice, bob\nALICE", reason="补偿")
        assert Coupon.objects.count() == 1
        assert "已持有过" in act.text and "alice" in act.text
        assert act.confirm().done() == "已发放给 2 位会员"
        assert Coupon.objects.filter(owner=alice).count() == 1
        act.page = desk.post(act.address, {})
        assert Coupon.objects.count() == 3

    def test_a_repeated_last_step_gives_nothing_more(self, desk, alice):
        made = template("2.00", source="gift")
        act = Act(desk, self.address(made)).fill(usernames="alice", reason="补偿")
        sent = {**act._hidden(), "usernames": "alice", "reason": "补偿"}
        for _ in range(2):
            desk.post(act.address, sent)
        assert Coupon.objects.count() == 1

    @pytest.mark.parametrize(
        ("names", "fields", "told"),
        [
            ("alice nobody", {}, "没有这些会员：nobody"),
            ("alice bob", {"total_limit": 1}, "名额只剩 1 个"),
            ("alice", {"is_active": False}, "已停发"),
        ],
    )
    def test_what_cannot_be_done_says_why(self, desk, alice, bob, names, fields, told):
        act = Act(desk, self.address(template("2.00", source="gift", **fields)))
        act.fill(usernames=names, reason="补偿")
        assert told in act.text
        assert "确认执行" not in act.text and 'variant="danger"' not in act.text
        assert not Coupon.objects.exists()

    def test_who_may(self, alice):
        made = template("2.00", source="gift")
        onlooker = at_desk(staff("onlooker", "marketing.view_coupontemplate"))
        assert onlooker.get(page_of(made)).status_code == 200
        assert onlooker.get(self.address(made)).status_code == 403
        helper = at_desk(staff("helper", "marketing.view_coupontemplate", "marketing.issue_coupons"))
        assert helper.get(self.address(made)).status_code == 200


class TestCoupons:
    def test_revoking_asks_for_a_reason(self, desk, alice):
        coupon = give(alice)
        act = Act(desk, reverse("admin:marketing_coupon_revoke", args=[coupon.pk])).fill(reason="误发")
        assert "alice" in act.text
        assert act.confirm().done() == "已撤销"
        coupon.refresh_from_db()
        assert (coupon.state, coupon.revoke_reason) == ("revoked", "误发")
        again = Act(desk, reverse("admin:marketing_coupon_revoke", args=[coupon.pk])).fill(reason="再来")
        assert "只有未使用的券可以撤销" in again.text

    def test_lists_and_exports(self, desk, alice):
        coupon = give(alice, template(name="=cmd|calc"))
        address = reverse("admin:marketing_coupon_changelist")
        assert "alice" in desk.get(address).content.decode()
        assert desk.get(reverse("admin:marketing_coupon_change", args=[coupon.pk])).status_code == 200
        table = b"".join(desk.get(f"{address}export-csv/").streaming_content).decode()
        assert coupon.source_ref in table and ",=cmd" not in table
        onlooker = at_desk(staff("onlooker", "marketing.view_coupon"))
        assert onlooker.get(address).status_code == 200
        assert onlooker.get(f"{address}export-csv/").status_code == 403

    def test_a_members_page_shows_their_coupons(self, desk, alice):
        give(alice, template(name="满减五元"))
        assert "满减五元" in desk.get(reverse("admin:accounts_user_change", args=[alice.pk])).content.decode()


def test_staff_correct_a_birthday(desk, alice):
    tell_birthday(user_id=alice.pk, day=clock.day_of(clock.now()) - timedelta(days=9000))
    address = reverse("admin:membership_birthday_change", args=[alice.pk])
    assert "请填写正确的生日" in desk.post(address, {"day": "2090-01-01"}).content.decode()
    assert desk.post(address, {"day": "1990-12-24"}).status_code == 302
    assert Birthday.objects.get().month_day == 1224
