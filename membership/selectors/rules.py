"""Which program and which version of its rules holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from django.db.models import F, Q

from common.sql import fetch
from membership.models import Program, RuleSetVersion, TierRule
from membership.rules.nodes import RuleSet
from membership.rules.parse import parse_rules


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

# What was published never changes, so that each process reads it once.


@lru_cache(maxsize=128)
def _parsed(pk: int, sha256: str) -> RuleSet:
    return parse_rules(RuleSetVersion.objects.values_list("document", flat=True).get(pk=pk, sha256=sha256))


@lru_cache(maxsize=128)
def _tiers(pk: int, sha256: str) -> Mapping[int, TierRule]:
    rows = TierRule.objects.filter(version=pk, version__sha256=sha256).prefetch_related("benefits").order_by("rank")
    return {tier.rank: tier for tier in rows}


def program_for(storefront_id: int) -> Program:
    """The storefront's own program, else the platform's."""
    found = Program.objects.filter(Q(storefront=storefront_id) | Q(storefront=None))
    program = found.order_by(F("storefront").asc(nulls_last=True)).first()
    if program is None:
        raise Program.DoesNotExist("the platform has no program")
    return program


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
