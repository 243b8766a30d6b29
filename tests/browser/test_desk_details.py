"""Detail pages of the desk that have many facts in a row: none lies over another, and none makes the page scroll sideways."""

from decimal import Decimal

from django.urls import reverse

from common import clock
from payments.models import TopUp
from tenancy.selectors import main_storefront
from tests.payments.conftest import channel, running_sandbox, sandbox, till  # noqa: F401
from tests.payments.withdrawals import ask, open_withdrawals, verified_account
from tests.wallet.cards import batch
from wallet.models import CreditLine

# ruff: noqa: F811
# "one / other" for names and values of a row that lie over one another.
OVERLAPS = """() => [...document.querySelectorAll('.field-row')].flatMap(row => {
  const told = [...row.querySelectorAll('.field-line label, .field-line .readonly')].map(one => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return [one.textContent.trim(), range.getBoundingClientRect()];
  }).filter(([text]) => text);
  return told.flatMap(([one, a], at) => told.slice(at + 1)
    .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
    .map(([other]) => one + ' / ' + other));
})"""
WIDE = "document.documentElement.scrollWidth - window.innerWidth"


def test_many_facts_in_a_row_have_room(visit, shelf, charlie, olga, till, channel):
    shelf.fund(charlie, "100000.00")
    open_withdrawals(minimum=Decimal(1), maximum=Decimal(50000), daily=Decimal(50000), monthly=Decimal(90000))
    verified_account(charlie)
    at = clock.now()
    rows = [
        TopUp.objects.create(
            user=charlie, storefront=main_storefront(), amount=Decimal("12345.67"), placed_at=at, pay_deadline=at
        ),
        ask(charlie, "12345.67"),
        CreditLine.objects.create(user=charlie, limit=Decimal("12345.67"), due_day=10, created_at=at),
        batch(olga),
        till.start(shelf.buy(None, (shelf.sku("10.00", keys=1), 1)), channel),
    ]
    desk = visit(1280)
    desk.go("/admin/")
    desk.page.locator("[name=username]").fill("olga")
    desk.page.locator("[name=password]").fill("tea-and-keys-9")
    desk.page.get_by_role("button", name="登录").click()
    found = {}
    for lang in ("zh-hans", "en"):
        desk.choose(lang=lang)
        for row in rows:
            meta = row._meta
            desk.go(reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk]))
            told = [
                *desk.page.evaluate(OVERLAPS),
                *([desk.page.evaluate(WIDE)] if desk.page.evaluate(WIDE) > 0 else []),
            ]
            if told:
                found[f"{meta.model_name} {lang}"] = told
    assert found == {}
