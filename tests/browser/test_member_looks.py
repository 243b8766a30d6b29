"""Pages of a member on a phone: every target fits a finger, every word its place, and the keyboard sees where it is."""

import pytest

from common import clock
from events.services import relay
from membership.models import PointsEntry
from membership.services import grant_points
from tests.browser.test_pages import small_targets
from tests.marketing.coupons import give, template
from tests.membership.perks import publish
from tests.opinions import published, ticket_of

PATHS = [
    "/member/",
    "/member/earn/",
    "/member/spending/",
    "/member/decisions/",
    "/member/points/",
    "/member/passes/",
    "/member/invite/",
    "/points/",
    "/coupons/",
    "/coupons/?tab=used",
    "/reviews/",
    "/reviews/?tab=todo",
    "/messages/",
    "/cart/",
]
# Boxes that are seen as such, and whose words stick out of them.
OVERFULL = """() => [...document.querySelectorAll("main :is(.panel, .ticket-figure, .btn, .badge, .tab)")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 100))"""


# The element with the focus where a bar covers it, "" where it is in sight, nothing when the focus left the page.
BENEATH = """() => {
    const one = document.activeElement, bars = ".site-header, .bottom-nav, .buy-bar";
    if (one === document.body) return null;
    const box = one.getBoundingClientRect();
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return !one.closest(bars + ", .skip") && (!top || top.closest(bars)) ? one.outerHTML.slice(0, 100) : "";
}"""


@pytest.fixture
def busy(shelf, alice):
    """Somebody with something on every page."""
    publish([], [{"kind": "price_rate", "value": "0.9"}])
    published(alice, shelf.sku("120.00", keys=1))
    ticket_of(alice, shelf.sku("10.00", keys=1))
    grant_points(user_id=alice.pk, amount=500, cause=PointsEntry.Cause.GIFT, ref="gift", at=clock.now())
    give(alice, template("10.00", name_en="Birthday coupon", source="gift"))
    template(rate="0.9", name_en="10% off", source="points", points_price=150)
    template(rate="0.95", name_en="5% off")
    relay()
    return alice


def test_pages_of_a_member_on_a_phone(visit, busy, shelf):
    """In English, where words are longest."""
    phone = visit(390)
    phone.sign_in(busy)
    phone.choose(lang="en")
    phone.go(f"/p/{shelf.sku('5.00', keys=2).product.slug}/").locator("[data-add-to-cart]").click()
    phone.page.locator(".count").wait_for()
    wrong = {}
    for path in PATHS:
        page = phone.go(path)
        if found := phone.faults() + small_targets(page) + page.evaluate(OVERFULL):
            wrong[path] = found
    assert wrong == {}


@pytest.mark.parametrize("path", ["/member/", "/messages/", "/p/"])
def test_what_the_keyboard_reaches_is_in_sight(visit, busy, shelf, path):
    """Nothing that has the focus lies beneath the bars at the top and at the bottom."""
    visitor = visit(390)
    visitor.sign_in(busy)
    page = visitor.go(path if path != "/p/" else f"/p/{shelf.sku('5.00', keys=2).product.slug}/")
    reached, hidden = 0, []
    while True:
        page.keyboard.press("Tab")
        found = page.evaluate(BENEATH)
        if found is None:
            break
        reached += 1
        hidden += [found] if found else []
    assert reached > 10 and hidden == []


def test_the_price_of_a_coupon_stays_on_its_side_of_the_ticket(visit, busy):
    phone = visit(320)
    phone.sign_in(busy)
    phone.choose(lang="en")
    page = phone.go("/points/")
    sides = page.eval_on_selector_all(
        ".ticket-end",
        "ends => ends.map(end => [end, end.firstElementChild].map(one => one.getBoundingClientRect().left))",
    )
    assert sides and all(end <= price for end, price in sides)
