"""What lies on the operator's desk in the demo shop: a draft of the rules that was tried out, a rank that waits for a second
person, orders of one member that were found not to count.
"""

from datetime import timedelta
from typing import Any

from accounts.models import User
from common import clock
from membership.models import Activity, ActivityMark, MemberTier, Override, Program, RuleSetVersion
from membership.selectors.rules import published_versions, version_at
from membership.services import (
    ask_what_if,
    copy_rule_set,
    flag_activity,
    propose_override,
    revise_draft,
    run_what_if,
)

# Looser below, tighter above: some rise by it, some would fall.
ENTER: dict[int, dict[str, Any]] = {
    1: {
        "any": [
            {"m": "spend", "win": "life", "op": ">=", "v": "120.00"},
            {"m": "orders", "win": "life", "op": ">=", "v": 3},
            {"m": "checkin", "win": "30d", "op": ">=", "v": 15},
        ]
    },
    2: {
        "any": [
            {"m": "spend", "win": "30d", "op": ">=", "v": "1500.00"},
            {"m": "spend", "win": "life", "op": ">=", "v": "5000.00"},
        ]
    },
    3: {
        "any": [
            {
                "all": [
                    {"m": "spend", "win": "90d", "op": ">=", "v": "12000.00"},
                    {"m": "buy_days", "win": "90d", "op": ">=", "v": 8},
                ]
            },
            {"m": "spend", "win": "life", "op": ">=", "v": "30000.00"},
        ]
    },
}
GATE = {"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}
NOTE = "双十二前：放宽白银，收紧黄金与铂金"
NOTE_EN = "Before December: silver easier, gold and platinum harder"
LIFTED, WASHED = "dawei", "tudou"


def leave_work(*, author: User, checker: User) -> None:
    """Done again, it changes nothing. `author` writes and proposes; `checker` finds, and may approve what `author` wrote."""
    _draft(author)
    _override(author)
    _washed(checker)


def _draft(author: User) -> None:
    program = Program.objects.get(storefront=None)
    if program.versions.filter(status=RuleSetVersion.Status.DRAFT).exists():
        return
    current = version_at(published_versions(program.pk), clock.now())
    version = RuleSetVersion.objects.get(pk=current.pk)
    draft = copy_rule_set(version=version, author=author, note=NOTE, note_en=NOTE_EN)
    document = draft.document
    for tier in document["tiers"]:
        if tier["rank"] in ENTER:
            tier["enter"] = ENTER[tier["rank"]]
        if tier["rank"] > 1:
            tier |= {"keep": {"scale": "0.9"}, "gates": [GATE]}
    revise_draft(version_id=draft.pk, document=document, note=NOTE, note_en=NOTE_EN)
    run_what_if(what_if_id=ask_what_if(version_id=draft.pk, asked_by=author).pk)


def _override(proposer: User) -> None:
    member = MemberTier.objects.filter(user__username=LIFTED).first()
    if member is None or Override.objects.filter(member=member, ref="").exists():
        return
    at = clock.now()
    propose_override(
        member_id=member.pk,
        kind=Override.Kind.FLOOR,
        rank=2,
        expires_at=at + timedelta(days=60),
        reason="兑换问题处理期间保底黄金，等待复核",
        proposer=proposer,
        at=at,
    )


def _washed(actor: User) -> None:
    member = MemberTier.objects.filter(user__username=WASHED).first()
    if member is None or ActivityMark.objects.filter(member=member).exists():
        return
    orders = Activity.objects.filter(member=member, metric="spend", valid=True, reverses="").order_by("occurred_at")
    refs = list(orders.values_list("source_ref", flat=True)[:2])
    flag_activity(member_id=member.pk, refs=refs, reason="wash_trade", actor=actor, at=clock.now())
