"""What member prices cost in yuan: the last days' sales at the ranks before and after, by each version's rates.

Mirrors membership.selectors.prices: the price of the tier for the SKU, else its rate for the product, else its general
rate; none raises a price above the list.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.registries import collect_sales
from membership.models import Benefit, ProductTierRate, Program, SkuTierPrice, TierRule
from membership.sql.fragments import Sql, fill, name, run
from membership.sql.outcomes import OUTCOMES

SALES = "membership_sale"


@dataclass(frozen=True)
class Cost:
    """Yuan that member prices took off the list price; `sales` is how many lines were weighed."""

    before: Decimal
    after: Decimal
    sales: int


def price_cost(*, program: Program, current_id: int, draft_id: int, since: datetime, until: datetime) -> Cost:
    """Within a transaction in which the outcomes were told."""
    run(Sql("DROP TABLE IF EXISTS membership_sale"))
    run(
        Sql(
            "CREATE TEMPORARY TABLE membership_sale (user_id bigint, storefront_id bigint, sku_id bigint,"
            " product_id bigint, quantity integer, list_price numeric) ON COMMIT DROP"
        )
    )
    collect_sales(table=SALES, since=since, until=until)
    statement = fill(
        """SELECT COALESCE(sum({before}), 0), COALESCE(sum({after}), 0), count(*)
FROM membership_sale AS s JOIN {outcomes} AS t ON t.user_id = s.user_id
WHERE {storefronts}""",
        before=_taken_off(program.pk, current_id, Sql("t.from_rank")),
        after=_taken_off(program.pk, draft_id, Sql("t.to_rank")),
        outcomes=OUTCOMES,
        storefronts=_storefronts(program),
    )
    [(before, after, sales)] = run(statement)
    return Cost(before, after, sales)


def _taken_off(program_id: int, version_id: int, rank: Sql) -> Sql:
    price = fill(
        """COALESCE(
    (SELECT p.unit_price FROM {skus} AS p WHERE p.sku_id = s.sku_id AND p.program_id = {program} AND p.rank = {rank}),
    round(s.list_price * COALESCE(
        (SELECT p.rate FROM {products} AS p
            WHERE p.product_id = s.product_id AND p.program_id = {program} AND p.rank = {rank}),
        (SELECT b.value FROM {benefits} AS b JOIN {tiers} AS r ON r.id = b.tier_id
            WHERE r.version_id = {version} AND r.rank = {rank} AND b.kind = {kind})), 4), s.list_price)""",
        skus=name(SkuTierPrice._meta.db_table),
        products=name(ProductTierRate._meta.db_table),
        benefits=name(Benefit._meta.db_table),
        tiers=name(TierRule._meta.db_table),
        program=program_id,
        version=version_id,
        rank=rank,
        kind=str(Benefit.Kind.PRICE_RATE),
    )
    return fill("round(s.quantity * GREATEST(0, s.list_price - {price}), 2)", price=price)


def _storefronts(program: Program) -> Sql:
    """The shops whose buyers the program holds: its own, or all that have none of their own."""
    if program.storefront_id is not None:
        return fill("s.storefront_id = {own}", own=program.storefront_id)
    return fill(
        "s.storefront_id NOT IN (SELECT storefront_id FROM {programs} WHERE storefront_id IS NOT NULL)",
        programs=name(Program._meta.db_table),
    )
