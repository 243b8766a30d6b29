"""The audit log speaks to people: no key and no code of ours stands in it."""

import ast
from decimal import Decimal

import pytest
from django.utils import translation

from audit.models import AuditEntry
from audit.services import record
from audit.words import WORDS, in_words
from catalog.models import Product
from catalog.services import goods
from common import clock
from tests.architecture.source import modules, tree
from tests.desk import at_desk


def keys_of(node: ast.AST) -> set[str]:
    """The constant keys of a dictionary as it is written, and of those inside it."""
    found = [one for one in ast.walk(node) if isinstance(one, ast.Dict)]
    return {key.value for one in found for key in one.keys if isinstance(key, ast.Constant)}


def written() -> set[str]:
    """The keys of `detail=…` in calls of record() and record_act(), and of what a `detail` is set to beside them."""
    keys = set()
    for path in modules():
        calls = [one for one in ast.walk(tree(path)) if isinstance(one, ast.Call)]
        records = [one for one in calls if getattr(one.func, "id", "") in {"record", "record_act"}]
        for keyword in (one for call in records for one in call.keywords if one.arg == "detail"):
            keys |= keys_of(keyword.value)
        for node in ast.walk(tree(path)) if records else ():
            if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "detail" for one in node.targets):
                keys |= keys_of(node.value)
    return keys


def test_every_key_has_a_word():
    assert len(written()) > 20, "the details were not found"
    assert sorted(written() - set(WORDS)) == []


def test_every_word_is_needed():
    changed_outside = {"staff", "superuser", "groups", "imported", "duplicates", "errors", "what"}
    assert sorted(set(WORDS) - written() - changed_outside) == []


@pytest.mark.django_db
def test_the_log_reads_in_the_language_of_whoever_reads_it(olga, shelf):
    detail = {"ref": "R1", "amount": "2.50", "reason": "坏卡", "count": 2}
    entry = record(action="order.refund", at=clock.now(), actor=olga, detail=detail)
    assert in_words(entry) == [("编号", "R1"), ("金额", "2.50"), ("原因", "坏卡"), ("数量", "2")]
    for path in ("/admin/audit/auditentry/", f"/admin/audit/auditentry/{entry.pk}/change/"):
        page = at_desk(olga).get(path).content.decode()
        assert "金额" in page and "amount" not in page and "ref:" not in page
    assert "<title>" in page and "退款" in page.split("<title>")[1].split("</title>")[0]
    with translation.override("en"):
        assert [name for name, _value in in_words(entry)][1:] == ["Amount", "Reason", "Quantity"]


@pytest.mark.django_db
def test_what_changed_goes_by_the_names_of_its_fields(olga, shelf):
    product = shelf.sku("1.00").product
    product.status, product.warranty_days = Product.Status.OFF_SALE, 7
    goods.save_product(product=product, actor=olga)
    told = dict(in_words(AuditEntry.objects.latest("pk")))
    assert told == {"状态": "在售 → 下架", "质保天数": "3 → 7"}
    sku = product.skus.get()
    sku.cost = Decimal("0.5000")
    goods.save_sku(sku=sku, actor=olga)
    assert dict(in_words(AuditEntry.objects.latest("pk"))) == {"成本": "0.5000"}


@pytest.mark.django_db
def test_what_is_nested_is_told_too(olga):
    rights = {"staff": True, "superuser": False, "groups": ["客服", "财务"]}
    detail = {"before": {**rights, "groups": []}, "after": rights}
    entry = record(action="user.rights", at=clock.now(), target=olga, detail=detail)
    assert in_words(entry) == [
        ("更改前", "可登录后台 是；超级管理员 否；员工组 –"),
        ("更改后", "可登录后台 是；超级管理员 否；员工组 客服、财务"),
    ]
    noted = record(action="admin.change", at=clock.now(), target=olga, detail={"what": [{"added": {}}]})
    with translation.override("zh-hans"):
        assert in_words(noted) == [("内容", "已添加。")]
