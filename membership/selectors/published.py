"""The rules as anybody may read them, written from the version that the engine runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import pgettext

from catalog.models import Category
from common import clock
from common.texts import foreign, in_language, listed
from membership.models import Program, RuleSetVersion
from membership.rules.compare import Change, counts_days_otherwise, rule_changes
from membership.rules.describe import Section, TierText, describe_program, describe_sections, describe_tiers
from membership.rules.dump import dump_rules
from membership.rules.nodes import RuleSet
from membership.selectors.rules import Published, program_for, published_versions, version_at
from membership.selectors.standing import BenefitText, benefit_texts


@dataclass(frozen=True)
class PublishedTier:
    text: TierText
    benefits: tuple[BenefitText, ...]


@dataclass(frozen=True)
class PublishedVersion:
    number: int
    effective_from: datetime
    note: str
    note_lang: str
    sha256: str
    is_current: bool
    is_future: bool
    # What becomes of members who already hold a tier.
    policy: str
    policy_until: date | None


@dataclass(frozen=True)
class PublicRules:
    """A version in words and as data, and the list of all that were published."""

    program: Program
    version: PublishedVersion
    tiers: tuple[PublishedTier, ...]
    general: Sequence[str]
    sections: Sequence[Section]
    # What the version says otherwise than the one before it; empty for the first.
    changes: Sequence[Change]
    document: dict
    history: tuple[PublishedVersion, ...]
    # From when on its multipliers, caps and bundles hold, where that is later than the rest.
    days_from: datetime | None


def public_rules(*, storefront_id: int, number: int | None = None) -> PublicRules:
    """The rules in force for a storefront, or an earlier or coming version by its number.

    Raises RuleSetVersion.DoesNotExist for a number that was not published.
    """
    program = program_for(storefront_id)
    versions = published_versions(program.pk)
    at = clock.now()
    current = version_at(versions, at)
    rows = RuleSetVersion.objects.filter(pk__in=[version.pk for version in versions]).defer("document")
    history = {row.pk: _listed(row, current, at) for row in rows.order_by("-effective_from")}
    shown = current if number is None else _numbered(versions, history, number)
    names = {category.code: str(category) for category in Category.objects.only("code", "name", "name_en")}
    before = next((one for one in reversed(versions) if one.effective_from < shown.effective_from), None)
    return PublicRules(
        program=program,
        version=history[shown.pk],
        tiers=tuple(
            PublishedTier(text, benefit_texts(shown.tiers.get(text.rank))) for text in describe_tiers(shown.rules)
        ),
        general=describe_program(shown.rules, names),
        sections=describe_sections(shown.rules, names),
        changes=_changes(before, shown, names) if before is not None else (),
        document=dump_rules(shown.rules),
        history=tuple(history.values()),
        days_from=days_from(versions, shown),
    )


def days_from(versions: Sequence[Published], shown: Published) -> datetime | None:
    """The midnight from which the multipliers, caps and bundles of a version hold that begins within a day and changes
    them; None where they hold as the version begins, or never.

    `versions` are those of the program that are published, `shown` among them.
    """
    before = [one for one in versions if one.effective_from < shown.effective_from]
    midnight = next_midnight(before[-1].rules, shown.rules, shown.effective_from) if before else None
    return midnight if midnight is not None and version_at(versions, midnight).pk == shown.pk else None


def next_midnight(before: RuleSet, after: RuleSet, starts: datetime) -> datetime | None:
    """The same of rules that are to follow others at a moment."""
    today = clock.day_of(starts)
    if starts == clock.start_of_day(today) or not counts_days_otherwise(before, after):
        return None
    return clock.start_of_day(today + timedelta(days=1))


def _changes(before: Published, shown: Published, names: Mapping[str, str]) -> list[Change]:
    """Rules first, then benefits of tiers that were there before: what went, and what came."""
    found = rule_changes(before.rules, shown.rules, names)
    for rank, tier in shown.tiers.items():
        if rank not in before.tiers:
            continue
        was, now = ([one.text for one in benefit_texts(version.tiers[rank])] for version in (before, shown))
        gone, come = [one for one in was if one not in now], [one for one in now if one not in was]
        if gone or come:
            found.append(Change(f"{tier} · {pgettext('plural', '权益')}", listed(gone), listed(come)))
    return found


def _listed(row: RuleSetVersion, current: Published, at: datetime) -> PublishedVersion:
    return PublishedVersion(
        number=row.number,
        effective_from=row.effective_from,
        note=in_language(row.note, row.note_en),
        note_lang=foreign(row.note_en),
        sha256=row.sha256,
        is_current=row.pk == current.pk,
        is_future=row.effective_from > at,
        policy=row.get_policy_display(),
        policy_until=row.policy_until,
    )


def _numbered(versions: Sequence[Published], history: dict[int, PublishedVersion], number: int) -> Published:
    found = next((version for version in versions if history[version.pk].number == number), None)
    if found is None:
        raise RuleSetVersion.DoesNotExist(number)
    return found
