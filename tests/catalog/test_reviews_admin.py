"""The queue of reviews at the desk: what staff see before they decide, and who may decide."""

import importlib

import pytest
from django.apps import apps

from audit.models import AuditEntry
from catalog.models import Review, ReviewRules, ReviewTicket
from catalog.services.reviews import edit_review
from events.models import Event
from tests.desk import Act, at_desk, staff
from tests.opinions import GOOD, published, ticket_of, write

pytestmark = pytest.mark.django_db
LIST = "/admin/catalog/review/"
READS, DECIDES, REPLIES, RULES = (
    f"catalog.{one}" for one in ("view_review", "moderate_review", "reply_review", "set_review_rules")
)
ADVERT = "便宜卡密加微信 <b>13800138000</b> 长期有货"


def page(review: Review, act: str = "change") -> str:
    return f"{LIST}{review.pk}/{act}/"


def chosen(act: str, *reviews: Review) -> dict:
    return {"action": act, "_selected_action": [str(one.pk) for one in reviews]}


def state(review: Review) -> str:
    return Review.objects.values_list("state", flat=True).get(pk=review.pk)


@pytest.fixture
def desk(db):
    return at_desk(staff("mo", READS, DECIDES, REPLIES, RULES, "orders.view_order"))


class TestBulk:
    def test_publishing_shows_the_texts_first(self, desk, alice, bob):
        kept, advert, shown = write(ticket_of(alice)), write(ticket_of(bob), text=ADVERT), published(alice)
        act = Act(desk, LIST, **chosen("publish_chosen", kept, advert, shown))
        assert "2 条评价" in act.text and "其中 1 条有提示" in act.text
        assert "&lt;b&gt;13800138000" in act.text and "<b>13800138000" not in act.text
        assert "疑似联系方式" in act.text and "加微信" in act.text
        assert state(kept) == "pending", "nothing is done by looking"
        assert "已发布 2 条评价" in act.confirm().done()
        assert {state(kept), state(advert)} == {"published"}
        assert AuditEntry.objects.filter(action="review.publish", actor="mo").count() == 2

    def test_a_text_that_changed_meanwhile_is_left(self, desk, alice):
        review = write(ticket_of(alice))
        act = Act(desk, LIST, **chosen("publish_chosen", review))
        edit_review(review_id=review.public_id, user=alice, stars=5, text=ADVERT, is_anonymous=False)
        assert "1 条在此期间有变动" in act.confirm().done()
        assert state(review) == "pending"

    def test_a_forged_note_of_what_was_seen_changes_nothing_else(self, desk, alice, bob):
        mine, other = write(ticket_of(alice)), write(ticket_of(bob))
        for forged in ("", "x", f"{other.pk}:1", f"{mine.pk}:-1", "９:１", f"{mine.pk}:1:2,,:"):
            answer = Act(desk, LIST, **chosen("publish_chosen", mine)).confirm(_seen=forged)
            assert answer.page.status_code == 302
        assert (state(mine), state(other)) == ("pending", "pending")

    def test_rejecting_needs_a_reason(self, desk, alice, bob):
        reviews = [write(ticket_of(alice), text=ADVERT), write(ticket_of(bob), text=ADVERT)]
        act = Act(desk, LIST, **chosen("reject_chosen", *reviews))
        assert "作者会看到" in act.text
        act.fill(reason="other", note=" ")
        assert "请写明原因" in act.text
        act.fill(reason="advert", note="请删除微信号")
        assert "含有广告或联系方式：请删除微信号" in act.text
        assert "已拒绝 2 条评价" in act.confirm().done()
        assert set(Review.objects.values_list("state", "reason", "reason_note")) == {
            ("rejected", "advert", "请删除微信号")
        }
        assert Event.objects.filter(kind="review.rejected").count() == 2

    def test_taking_off(self, desk, alice, bob):
        shown, waiting = published(alice), write(ticket_of(bob))
        act = Act(desk, LIST, **chosen("remove_chosen", shown, waiting)).fill(reason="private", note="")
        assert "1 条评价" in act.text and "未发布，略过" in act.text
        assert "已撤下 1 条评价" in act.confirm().done()
        assert (state(shown), state(waiting)) == ("removed", "pending")


class TestOnePage:
    def test_everything_about_a_review(self, desk, alice):
        review = write(ticket_of(alice), text=ADVERT, is_anonymous=True)
        order = alice.orders.get()
        text = desk.get(page(review)).content.decode()
        for shown in ("a***", "alice", "加微信", "疑似联系方式", "待审核", "提交评价", order.number):
            assert shown in text, shown
        assert "<b>13800138000" not in text

    def test_the_order_is_for_those_who_see_orders(self, alice):
        review = write(ticket_of(alice))
        text = at_desk(staff("kim", READS)).get(page(review)).content.decode()
        assert alice.orders.get().number not in text

    def test_acts_that_fit_the_state(self, desk, alice):
        review = write(ticket_of(alice))

        def offered() -> set[str]:
            text = desk.get(page(review)).content.decode()
            return {act for act in ("publish", "reject", "reply", "remove") if page(review, act) in text}

        assert offered() == {"publish", "reject", "reply"}
        assert "已发布 1 条" in Act(desk, page(review, "publish")).confirm().done()
        assert offered() == {"reply", "remove"}
        act = Act(desk, page(review, "reply")).fill(text="感谢支持，欢迎再来")
        assert "感谢支持" in act.text
        assert "回复已保存" in act.confirm().done()
        review.refresh_from_db()
        assert review.reply == "感谢支持，欢迎再来"
        Act(desk, page(review, "remove")).fill(reason="abuse", note="").confirm().done()
        assert offered() == set()
        assert "撤下评价" in desk.get(page(review)).content.decode()

    def test_the_members_page_lists_them(self, alice, olga):
        write(ticket_of(alice), text="写在会员页上的评价")
        assert "写在会员页上的评价" in at_desk(olga).get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
        kim = at_desk(staff("kim", "accounts.view_user"))
        assert "写在会员页上的评价" not in kim.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("state__exact=pending", {"advert"}),
            ("state__exact=published", {"good"}),
            ("stars__exact=1", {"advert"}),
            ("flagged=yes", {"advert"}),
            ("flagged=no", {"good"}),
            ("product__id__exact={product}", {"good"}),
            ("q=bob", {"advert"}),
        ],
    )
    def test_lists(self, desk, alice, bob, query, found):
        reviews = {"good": published(alice), "advert": write(ticket_of(bob), stars=1, text=ADVERT)}
        answer = desk.get(f"{LIST}?{query.format(product=reviews['good'].product_id)}")
        assert answer.status_code == 200
        assert {name for name, one in reviews.items() if one in answer.context["cl"].result_list} == found

    def test_many_reviews_take_few_queries(self, desk, make_member, shelf, django_assert_max_num_queries):
        sku = shelf.sku("1.00", keys=12)
        for _number in range(12):
            write(ticket_of(make_member(balance="5"), sku))
        with django_assert_max_num_queries(12):
            assert desk.get(LIST).status_code == 200

    def test_csv_disarms_formulas(self, desk, alice):
        write(ticket_of(alice), text="=HYPERLINK(1)好用")
        lines = b"".join(desk.get(f"{LIST}export-csv/").streaming_content).decode()
        assert "'=HYPERLINK" in lines


class TestRules:
    def test_window_and_words(self, desk, alice):
        ticket = ticket_of(alice)
        act = Act(desk, f"{LIST}rules/")
        assert "180" in act.text
        act.fill(window_days="30", words="坏词\n坏词\n\n")
        assert "坏词" in act.text and "<s>180</s>" in act.text
        assert "评价规则已保存" in act.confirm().done()
        rules = ReviewRules.objects.get()
        assert (rules.window_days, rules.words) == (30, "坏词")
        assert write(ticket, text="这是一条坏 词评价").is_flagged

    @pytest.mark.parametrize("days", ["0", "3651", "x", ""])
    def test_days_out_of_range(self, desk, days):
        act = Act(desk, f"{LIST}rules/").fill(window_days=days, words="")
        assert act.page.status_code == 200
        assert ReviewRules.objects.get().window_days == 180


class TestRights:
    @pytest.mark.parametrize(
        ("rights", "opened"),
        [
            ((READS,), set()),
            ((READS, REPLIES), {"reply"}),
            ((READS, DECIDES), {"publish", "reject", "remove"}),
            ((DECIDES,), None),
        ],
    )
    def test_each_act_needs_its_own(self, alice, rights, opened):
        desk = at_desk(staff("kim", *rights))
        review = published(alice)
        if opened is None:
            assert desk.get(page(review)).status_code == 403
            return
        codes = {act: desk.get(page(review, act)).status_code for act in ("publish", "reject", "remove", "reply")}
        assert {act for act, code in codes.items() if code != 403} == opened
        assert desk.get(f"{LIST}rules/").status_code == 403

    def test_who_only_reads_cannot_post_an_act(self, alice):
        review = write(ticket_of(alice))
        desk = at_desk(staff("kim", READS))
        answer = desk.post(LIST, {**chosen("publish_chosen", review), "_step": "run", "_seen": f"{review.pk}:1"})
        assert answer.status_code in {200, 302, 403}
        assert desk.post(page(review, "publish"), {"_step": "run", "_seen": f"{review.pk}:1"}).status_code == 403
        assert state(review) == "pending"

    def test_nobody_writes_in_the_name_of_members(self, olga, alice):
        review = write(ticket_of(alice))
        desk = at_desk(olga)
        assert desk.get(f"{LIST}add/").status_code == 403
        desk.post(page(review), {"text": "改了", "stars": 1})
        assert Review.objects.get().text == GOOD
        assert desk.post(page(review, "delete"), {"post": "yes"}).status_code == 403


def test_lines_delivered_before_there_were_reviews_get_their_tickets(alice, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    shelf.buy(alice, (shelf.sku(keys=1), 1))
    assert not ReviewTicket.objects.exists()
    migration = importlib.import_module("shop.migrations.0005_tickets_for_lines_delivered_before")
    for _time in range(2):
        migration.open_tickets(apps, None)
    ticket = ReviewTicket.objects.get()
    assert (ticket.line_id, ticket.user) == (order.lines.get().pk, alice)
    write(ticket)
