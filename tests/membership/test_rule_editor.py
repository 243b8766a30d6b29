"""The rule editor's server side: what a draft reads as while it is typed, and what hostile input may not do."""

import json
import re

import pytest
from django.urls import reverse

from accounts.models import User
from membership.admin.editor import mark_of
from membership.models import Program, RuleSetVersion
from membership.rules.catalogue import METRICS
from membership.services import copy_rule_set
from tests.desk import at_desk, staff
from tests.membership.club import at_least

pytestmark = pytest.mark.django_db

CHECK = "/admin/membership/rulesetversion/check/"


def entered_by(condition: str) -> str:
    """A rule set whose second tier is entered by this."""
    return '{"tiers": [{"rank": 0, "name": "a"}, {"rank": 1, "name": "b", "enter": ' + condition + "}]}"


def nested(depth: int) -> str:
    return "[" * depth + "1" + "]" * depth


def ranked(rank: str) -> str:
    return '{"tiers": [{"rank": ' + rank + ', "name": "a"}]}'


SHAPES = {
    "deep groups": entered_by('{"all": [' * 700 + '{"m": "spend"}' + "]}" * 700),
    "deep lists": '{"tiers": ' + nested(900) + "}",
    "deeper than Python": "[" * 100_000,
    "deep name": entered_by('{"m": ' + nested(400) + ', "op": ">=", "v": 1}'),
    "huge number": ranked("9" * 4000),
    "endless number": ranked("9" * 20_000),
    "huge exponent": ranked("1e999999"),
    "huge money": entered_by('{"m": "spend", "win": "30d", "op": ">=", "v": 1e400}'),
    "NaN": ranked("NaN"),
    "Infinity": ranked("-Infinity"),
    "half a surrogate": '{"tiers": [{"rank": 0, "name": "\\ud800"}]}',
    "half a surrogate as a key": '{"\\ud800": 1, "tiers": []}',
    "half a surrogate twice": '{"\\ud800": 1, "\\ud800": 2}',
    "nothing inside": '{"tiers": [{"rank": 0, "name": "\\u0000"}]}',
    "a list": "[]",
    "a text": '"tiers"',
    "null": "null",
    "empty": "",
    "wrong types": '{"schema": {}, "tiers": [1, null, "x", [], {"rank": {}, "name": [], "enter": [], "gates": {}}]}',
    "wrong tables": '{"tiers": {}, "weights": [], "dynamic": 4, "exclude": {}, "caps": [[]], "jumps": [{"when": 1}]}',
    "wrong leaf": entered_by('{"m": {}, "win": [], "op": {}, "v": {}, "w": 1, "dyn": []}'),
    "many tiers": '{"tiers": [' + ",".join(["{}"] * 30_000) + "]}",
    "too long": '{"tiers": "' + "x" * 300_000 + '"}',
}


@pytest.fixture
def platform():
    return Program.objects.get(storefront=None).versions.get()


@pytest.fixture
def draft(platform):
    return copy_rule_set(version=platform, author=User.objects.create_user("author", "tea-and-keys-9", is_staff=True))


def read(client, document, **more):
    text = document if isinstance(document, str) else json.dumps(document)
    answer = client.post(CHECK, {"rules": text, **more})
    assert answer.status_code == 200
    return answer.json()


def tiers(*conditions):
    return {
        "tiers": [
            {"rank": 0, "name": "普通会员"},
            *({"rank": rank, "name": f"第 {rank} 级", **one} for rank, one in enumerate(conditions, 1)),
        ]
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_hostile_input_is_told_of_and_never_breaks(olga, draft, shape):
    client = at_desk(olga)
    told = read(client, SHAPES[shape])
    assert [note for note in told["notes"] if note["level"] == "error"], shape
    answer = client.post(
        reverse("admin:membership_rulesetversion_change", args=[draft.pk]), {"note": "", "rules": SHAPES[shape]}
    )
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors["rules"]
    before = draft.document
    draft.refresh_from_db()
    assert draft.document == before


def test_sentences_are_those_of_the_public_page(olga, client, platform):
    told = read(at_desk(olga), platform.document)
    assert told["tone"] == "success" and told["notes"] == []
    public = client.get(reverse("membership:rules")).content.decode()
    for path in ("tiers[1].enter", "tiers[2].keep", "exclude[0]"):
        assert told["texts"][path] in public, path


def test_what_is_right_reads_on_beside_what_is_wrong(olga):
    told = read(
        at_desk(olga), {"caps": [{}], **tiers({"enter": at_least("orders", "life", 3), "keep": {"scale": "7"}})}
    )
    assert told["texts"]["tiers[1].enter"] == "累计有效订单达到 3 笔"
    assert {note["path"] for note in told["notes"]} >= {"caps[0].m", "tiers[1].keep.scale"}
    assert told["tone"] == "danger"


def test_findings_name_the_tier_where_it_stands_in_the_document(olga):
    document = tiers({"enter": at_least("spend", "life", "100.00"), "keep": at_least("spend", "life", "900.00")})
    document["tiers"].reverse()
    told = read(at_desk(olga), document)
    assert ("tiers[0].keep", "error") in {(note["path"], note["level"]) for note in told["notes"]}


def test_findings_beside_the_tiers_are_told(olga):
    jump = {"id": "ambassador", "up": 2, "when": {"m": "orders", "win": "life", "op": "<", "v": 0}}
    document = {"counts": "settled", "jumps": [jump], **tiers({"enter": at_least("spend", "life", "100.00")})}
    told = read(at_desk(olga), document)
    assert [(note["path"], note["level"]) for note in told["notes"]] == [
        ("counts", "warning"),
        ("jumps[0].when", "error"),
    ]


def test_benefits_that_would_be_lost_are_told(olga, draft):
    document = draft.document
    document["tiers"] = document["tiers"][:-1]
    told = read(at_desk(olga), document, version=draft.pk)
    assert any("权益会一起删除" in note["message"] for note in told["notes"])
    assert read(at_desk(olga), document, version="9" * 40)["notes"] == []


def test_somebody_elses_changes_are_not_overwritten(olga, draft):
    client, address = at_desk(olga), reverse("admin:membership_rulesetversion_change", args=[draft.pk])
    opened = mark_of(draft)
    first = tiers({"enter": at_least("orders", "life", 3)}, *({} for _ in range(3)))
    second = tiers({"enter": at_least("orders", "life", 9)}, *({} for _ in range(3)))
    assert client.post(address, {"note": "", "opened": opened, "rules": json.dumps(first)}).status_code == 302
    late = client.post(address, {"note": "", "opened": opened, "rules": json.dumps(second)})
    assert late.status_code == 200 and "别人改过这个草稿" in late.content.decode()
    assert "累计有效订单达到 9 笔" not in late.content.decode()
    draft.refresh_from_db()
    assert draft.document["tiers"][1]["enter"]["v"] == 3


def test_wrong_input_stays_in_the_form(olga, draft):
    address = reverse("admin:membership_rulesetversion_change", args=[draft.pk])
    page = at_desk(olga).post(address, {"note": "", "rules": '{"tiers": "my own words"}'}).content.decode()
    assert "my own words" in page


def test_only_who_writes_rules_may_check(draft):
    reader = staff("reader", "membership.view_rulesetversion")
    assert at_desk(reader).post(CHECK, {"rules": "{}"}).status_code == 403
    writer = staff("writer", "membership.change_rulesetversion")
    assert at_desk(writer).post(CHECK, {"rules": "{}"}).status_code == 200


def test_strangers_are_sent_to_sign_in(client, alice):
    assert client.post(CHECK, {"rules": "{}"}).status_code == 302
    client.force_login(alice)
    assert client.post(CHECK, {"rules": "{}"}).status_code == 302


def test_the_editor_offers_every_metric_and_names_its_script(olga, draft):
    page = at_desk(olga).get(reverse("admin:membership_rulesetversion_change", args=[draft.pk])).content.decode()
    assert "data-rule-editor" in page and "desk.js" in page and "desk-tiers.css" in page
    offered = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])
    assert [one["name"] for one in offered["metrics"]] == list(METRICS)
    assert offered["version"] == draft.pk
    assert "onclick" not in page[page.index("data-rule-editor") : page.index("保存的规则读作")]


def test_a_published_version_has_no_editor(olga, platform):
    page = at_desk(olga).get(reverse("admin:membership_rulesetversion_change", args=[platform.pk])).content.decode()
    assert "data-rule-editor" not in page
    assert RuleSetVersion.objects.get(pk=platform.pk).status == "published"
