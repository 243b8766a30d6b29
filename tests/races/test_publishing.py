"""Two who publish at once: each what-if was computed without the other's rules."""

from functools import partial

import pytest

from membership.exceptions import RulesRefused
from membership.models import RuleSetVersion
from membership.services import ask_what_if, draft_rule_set, publish_rule_set, run_what_if
from tests.membership.club import Club, at_least

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 4


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_drafts_one_goes_out(race, alice, olga, number):
    program = Club(at_least("spend", "30d", "100.00")).program

    def ready(threshold: str) -> RuleSetVersion:
        enter = at_least("spend", "30d", threshold)
        document = {"tiers": [{"rank": 0, "name": "普通会员"}, {"rank": 1, "name": "白银", "enter": enter}]}
        draft = draft_rule_set(program=program, document=document, author=olga)
        run_what_if(what_if_id=ask_what_if(version_id=draft.pk, asked_by=olga).pk)
        return draft

    drafts = [ready("200.00"), ready("300.00")]
    results = race.run(*[partial(publish_rule_set, version_id=one.pk, approver=alice) for one in drafts])
    refused = [one for one in results if isinstance(one, RulesRefused)]
    assert len(refused) == 1 and "别的规则" in str(refused[0]), results
    assert program.versions.filter(pk__in=[one.pk for one in drafts], status="draft").count() == 1
