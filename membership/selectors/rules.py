"""Which program and which version of its rules holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from django.contrib.postgres.functions import TransactionNow
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from common import clock
from common.sql import fetch
from membership.models import MemberTier, Program, RuleSetVersion, TierRule
from membership.rules.nodes import RuleSet
from membership.rules.parse import parse_rules
from membership.selectors.holds import overrides_from, rank_at, with_overrides


@dataclass(frozen=True, slots=True)
class Published:
    """A version that is or was or will be in force."""

    pk: int
    effective_from: datetime
    sha256: str
    policy: str = RuleSetVersion.Policy.IMMEDIATE
    policy_until: date | None = None

    @property
    def rules(self) -> RuleSet:
        return _parsed(self.pk, self.sha256)

    @property
    def tiers(self) -> Mapping[int, TierRule]:
        """The tiers by rank, their benefits prefetched. Shared: not to be changed."""
        return _tiers(self.pk, self.sha256)


_PUBLISHED = """
SELECT id, effective_from, sha256, policy, policy_until FROM membership_rulesetversion
WHERE program_id = %s AND status <> %s ORDER BY effective_from
"""

# The number of the program that holds for a storefront, which a statement names as {storefront}. As `program_for`.
PROGRAM_OF = """(
    SELECT program.id FROM membership_program AS program
    WHERE (program.storefront_id = {storefront} OR program.storefront_id IS NULL) AND EXISTS (
        SELECT 1 FROM membership_rulesetversion AS version
        WHERE version.program_id = program.id AND version.status <> 'draft'
    )
    ORDER BY program.storefront_id NULLS LAST LIMIT 1
)"""

# What was published never changes, so that each process reads it once.


@lru_cache(maxsize=128)
def _parsed(pk: int, sha256: str) -> RuleSet:
    return parse_rules(RuleSetVersion.objects.values_list("document", flat=True).get(pk=pk, sha256=sha256))


@lru_cache(maxsize=128)
def _tiers(pk: int, sha256: str) -> Mapping[int, TierRule]:
    rows = TierRule.objects.filter(version=pk, version__sha256=sha256).prefetch_related("benefits").order_by("rank")
    return {tier.rank: tier for tier in rows}


def programs_with_rules() -> QuerySet[Program]:
    """The programs that take part: until rules were published for one, nobody can be judged by it."""
    published = RuleSetVersion.objects.filter(program=OuterRef("pk")).exclude(status=RuleSetVersion.Status.DRAFT)
    return Program.objects.filter(Exists(published))


def program_for(storefront_id: int) -> Program:
    """The storefront's own program once it has rules, else the platform's."""
    program = _programs(storefront_id).first()
    if program is None:
        raise Program.DoesNotExist("the platform has no program")
    return program


def _programs(storefront_id: int) -> QuerySet[Program]:
    found = programs_with_rules().filter(Q(storefront=storefront_id) | Q(storefront=None))
    return found.order_by(F("storefront").asc(nulls_last=True))


def rules_for(storefront_id: int) -> tuple[Program, list[Published]]:
    """The storefront's program with every version that was ever published, as `program_for` and `published_versions`.

    One statement, for pages. Raises RuleSetVersion.DoesNotExist where nothing was published.
    """
    rows = list(_versions_for(storefront_id))
    if not rows:
        raise RuleSetVersion.DoesNotExist("the program has no published rules")
    return rows[0].program, [_published(row) for row in rows]


@dataclass(frozen=True)
class Holding:
    """The rules in force for a storefront, and the rank that a person holds under them; None for a guest, and until the
    registration was heard of."""

    program: Program
    version: Published
    rank: int | None

    @property
    def own(self) -> TierRule | None:
        return self.version.tiers.get(self.rank) if self.rank is not None else None

    @property
    def begins_at(self) -> int:
        """The rank, or that of where everybody begins."""
        return self.version.rules.default_tier.rank if self.rank is None else self.rank


def holding_of(*, user_id: int | None, storefront_id: int, at: datetime | None = None) -> Holding:
    """One statement, which reads the clock too where `at` is not given.

    Raises RuleSetVersion.DoesNotExist where nothing was published.
    """
    member = with_overrides(MemberTier.objects.filter(user=user_id, program=OuterRef("program")))
    found = member.values(row=JSONObject(rank="rank", by_rules="state__rank", holds="holds"))
    rows = list(_versions_for(storefront_id).annotate(held=Subquery(found[:1]), read_at=TransactionNow()))
    if not rows:
        raise RuleSetVersion.DoesNotExist("the program has no published rules")
    at = at or clock.read_beside(rows[0].read_at)
    version = version_at([_published(row) for row in rows], at)
    return Holding(rows[0].program, version, _rank_of(rows[0].held, at))


def _rank_of(held: Mapping[str, Any] | None, at: datetime) -> int | None:
    if held is None:
        return None
    return rank_at(held["rank"], held["by_rules"], overrides_from(held["holds"]), at)


def _versions_for(storefront_id: int) -> QuerySet[RuleSetVersion]:
    program = Subquery(_programs(storefront_id).values("pk")[:1])
    rows = RuleSetVersion.objects.filter(program=program).exclude(status=RuleSetVersion.Status.DRAFT)
    columns = ("effective_from", "sha256", "policy", "policy_until", "program__storefront", "program__name")
    return rows.select_related("program").only(*columns, "program__name_en").order_by("effective_from")


def _published(row: RuleSetVersion) -> Published:
    return Published(row.pk, row.effective_from, row.sha256, row.policy, row.policy_until)


def published_versions(program_id: int) -> list[Published]:
    """Every version that was ever published, by when it took or takes effect."""
    return [Published(*row) for row in fetch(_PUBLISHED, [program_id, RuleSetVersion.Status.DRAFT])]


def version_at(versions: Sequence[Published], at: datetime) -> Published:
    """The version in force at a moment; the first one for times before it. Raises RuleSetVersion.DoesNotExist."""
    if not versions:
        raise RuleSetVersion.DoesNotExist("the program has no published rules")
    return next((version for version in reversed(versions) if version.effective_from <= at), versions[0])


def version_in_force(program_id: int, at: datetime) -> Published:
    return version_at(published_versions(program_id), at)
