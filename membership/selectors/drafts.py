"""A draft while it is being written: what is wrong with it, and what the right parts say. Writes nothing."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from catalog.models import Category
from common.texts import told
from membership.models import RuleSetVersion
from membership.rules.checks import check
from membership.rules.nodes import RuleSet
from membership.rules.parse import decode, parse_rules
from membership.rules.pieces import piece_texts
from membership.rules.reading import RuleErrors

_TIER = re.compile(r"^tiers\[(\d+)\]")


@dataclass(frozen=True)
class Note:
    """Something to tell beside a part of the document: `level` is error or warning, `path` as in RuleError."""

    level: str
    path: str
    message: Any


@dataclass(frozen=True)
class DraftReading:
    notes: tuple[Note, ...]
    # Sentences by path, for every part that is right by itself.
    texts: dict[str, str]


def read_draft(text: str, version: RuleSetVersion | None = None) -> DraftReading:
    """Read rules as somebody types them. `version` is the draft that they are to be saved in, if it is there already."""
    try:
        document = decode(text)
    except RuleErrors as caught:
        return DraftReading(tuple(_errors(caught)), {})
    names = {category.code: str(category) for category in Category.objects.only("code", "name", "name_en")}
    texts = piece_texts(document, names)
    try:
        rules = parse_rules(document)
    except RuleErrors as caught:
        return DraftReading(tuple(_errors(caught)), texts)
    return DraftReading((*_findings(rules, document), *_lost_benefits(rules, version)), texts)


def _errors(caught: RuleErrors) -> Iterable[Note]:
    return (Note("error", error.path, error.message) for error in caught.errors)


def _findings(rules: RuleSet, document: Mapping) -> Iterable[Note]:
    """The static checks count tiers by rank; the document may have them in another order."""
    places = sorted(range(len(rules.tiers)), key=lambda index: document["tiers"][index]["rank"])
    for finding in check(rules):
        path = _TIER.sub(lambda found: f"tiers[{places[int(found[1])]}]", finding.path)
        yield Note(str(finding.level), path, finding.message)


def _lost_benefits(rules: RuleSet, version: RuleSetVersion | None) -> Iterable[Note]:
    """Benefits hang on the rank of a tier; a rank that is gone takes them with it."""
    if version is None:
        return
    kept = [tier.rank for tier in rules.tiers]
    gone = version.tiers.exclude(rank__in=kept).annotate(held=Count("benefits")).filter(held__gt=0)
    for tier in gone.order_by("rank"):
        message = _("等级“%(tier)s”（序号 %(rank)s）不在规则里了：保存后它的 %(count)s 项权益会一起删除")
        yield Note("warning", "tiers", told(message, tier=tier, rank=tier.rank, count=tier.held))
