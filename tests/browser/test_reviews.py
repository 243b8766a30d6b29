"""A review from the order to the product page, through the operator's hands; with and without scripts; every look of its pages."""

import pytest
from playwright.sync_api import expect

from catalog.models import Review
from catalog.services import moderation
from events.services import relay
from tests.browser.test_pages import LOOKS, faults_on
from tests.opinions import published, ticket_of, write

TEXT = "到账很快，面值也对，\n下次还来"


@pytest.mark.parametrize("scripts", [True, False])
def test_written_moderated_shown(visit, alice, olga, shelf, scripts):
    sku = shelf.sku("10.00", keys=3)
    ticket_of(alice, sku)
    buyer = visit(390, scripts=scripts)
    buyer.sign_in(alice)
    buyer.go("/orders/")
    buyer.tap("link", name=f"评价 {sku.product.name} {sku.name}")
    page = buyer.page
    expect(page.locator("char-count")).to_have_text("0 / 500" if scripts else "")
    page.locator("label", has_text="满意").click()
    page.get_by_label("评价内容").fill(TEXT)
    if scripts:
        expect(page.locator("char-count")).to_have_text(f"{len(TEXT)} / 500")
    page.get_by_role("button", name="提交评价").click()
    expect(page.get_by_text("评价已提交")).to_be_visible()
    expect(page.locator("main .badge").first).to_have_text("待审核")

    desk = visit(1280)
    desk.go("/admin/")
    desk.page.locator("[name=username]").fill("olga")
    desk.page.locator("[name=password]").fill("tea-and-keys-9")
    desk.page.get_by_role("button", name="登录").click()
    desk.page.get_by_role("link", name="待审核评价").click()
    desk.page.get_by_role("link", name="到账很快").click()
    desk.page.locator("a[href$='/publish/']").first.click()
    expect(desk.page.get_by_text("1 条评价")).to_be_visible()
    desk.page.locator("#confirm-form").get_by_role("button", name="发布").click()
    expect(desk.page.get_by_text("已发布 1 条评价")).to_be_visible()

    stranger = visit(390, scripts=scripts)
    stranger.go(f"/p/{sku.product.slug}/")
    expect(stranger.page.locator("#reviews .opinion-text")).to_have_text(TEXT)
    expect(stranger.page.locator("#reviews .rating-big")).to_have_text("4.0")
    relay()
    buyer.go("/messages/")
    expect(page.get_by_role("link", name=f"你对「{sku.product.name}」的评价已发布")).to_be_visible()
    assert buyer.faults() == [] if scripts else True
    assert Review.objects.get().state == "published"


def test_nothing_is_sent_without_a_star(visit, alice):
    ticket = ticket_of(alice)
    buyer = visit(390)
    buyer.sign_in(alice)
    page = buyer.go(f"/reviews/{ticket.public_id}/")
    page.get_by_label("评价内容").fill(TEXT)
    page.get_by_role("button", name="提交评价").click()
    assert page.evaluate("document.querySelectorAll('.star-input:invalid').length") == 5
    assert not Review.objects.exists()


def test_stars_by_keyboard(visit, alice):
    ticket = ticket_of(alice)
    buyer = visit(1280)
    buyer.sign_in(alice)
    page = buyer.go(f"/reviews/{ticket.public_id}/")
    page.locator("#stars-1").focus()
    for _press in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('.star-input:checked').value") == "4"
    filled = """[...document.querySelectorAll('.star-choice label .icon')]
        .map((one) => getComputedStyle(one).fill !== 'none').join()"""
    assert page.evaluate(filled) == "true,true,true,true,false"


@pytest.mark.parametrize(("theme", "lang", "width"), LOOKS)
def test_pages_with_reviews(visit, shelf, make_member, alice, olga, theme, lang, width):
    sku = shelf.sku("1.00", keys=20)
    for number in range(12):
        author = make_member(balance="10", display_name=f"买家{number}")
        shown = published(author, sku, stars=5 - number % 5, text="很好用 " + "W" * 90 if number == 11 else TEXT)
    moderation.reply_to_review(review_id=shown.pk, text="感谢支持，" + "欢迎再来" * 30, actor=olga)
    ticket = ticket_of(alice, sku)
    mine = [
        published(alice, sku),
        write(ticket_of(alice, sku)),
        write(ticket_of(alice, sku), text="加微信领券，先到先得"),
    ]
    moderation.reject_reviews(seen={mine[2].pk: 1}, reason="advert", note="请删除联系方式", actor=olga)
    visitor = visit(width)
    visitor.sign_in(alice)
    visitor.choose(theme=theme, lang=lang)
    forms = [f"/reviews/{one.public_id}/" for one in (ticket, mine[0].ticket, mine[2].ticket)]
    order = alice.orders.first()
    paths = ["/", f"/p/{sku.product.slug}/", f"/p/{sku.product.slug}/?page=2", f"/p/{sku.product.slug}/?stars=4"]
    paths += ["/reviews/", "/reviews/?tab=todo", "/orders/", "/library/", f"/orders/{order.public_id}/", *forms]
    assert faults_on(visitor, [*paths, "/account/", "/messages/"]) == {}
