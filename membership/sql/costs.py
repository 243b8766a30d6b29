"""What benefits cost: the sales and birthdays of some days at the ranks before and after, by each version's benefits.

Prices mirror membership.selectors.prices: the price of the tier for the SKU, else its rate for the product, else its
general rate; none raises a price above the list. Points come back on the cash that was kept, whole ones by line, as
membership.services.perks gives them. The cash is what was paid then: a draft's prices do not change it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from common.clock import day_of
from common.registries import collect_sales
from membership.engine.book import ONE_DAY
from membership.models import Benefit, Birthday, ProductTierRate, Program, SkuTierPrice, TierRule
from membership.selectors.perks import month_days
from membership.selectors.spending import own_programs
from membership.sql.fragments import Sql, fill, name, run
from membership.sql.outcomes import OUTCOMES

Kind = Benefit.Kind
SALES = "membership_sale"
_CREATE = Sql("""
CREATE TEMPORARY TABLE membership_sale (
    user_id bigint, storefront_id bigint, sku_id bigint, product_id bigint, quantity integer, list_price numeric, cash numeric
) ON COMMIT DROP
""")
YUAN, POINTS, COUPONS = "yuan", "points", "coupons"


@dataclass(frozen=True)
class Line:
    """One kind of benefit: what it gave, and what it would have given. `unit` is yuan, points or coupons."""

    kind: str
    unit: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True)
class Costs:
    """`sales` is how many lines of orders were weighed."""

    lines: list[Line]
    sales: int


def benefit_costs(*, program: Program, current_id: int, draft_id: int, since: datetime, until: datetime) -> Costs:
    """Within a transaction in which the outcomes were told. `until` is a moment of the last day."""
    run(Sql("DROP TABLE IF EXISTS membership_sale"))
    run(_CREATE)
    collect_sales(table=SALES, since=since, until=until)
    before, after = (current_id, Sql("t.from_rank")), (draft_id, Sql("t.to_rank"))
    statement = fill(
        """SELECT COALESCE(sum({price_before}), 0), COALESCE(sum({price_after}), 0),
    COALESCE(sum({back_before}), 0), COALESCE(sum({back_after}), 0), count(*)
FROM membership_sale AS s JOIN {outcomes} AS t ON t.user_id = s.user_id {prices_before} {prices_after}
WHERE {storefronts}""",
        price_before=_taken_off("before"),
        price_after=_taken_off("after"),
        back_before=_points_back("before"),
        back_after=_points_back("after"),
        prices_before=_prices(program.pk, "before", *before),
        prices_after=_prices(program.pk, "after", *after),
        outcomes=OUTCOMES,
        storefronts=_storefronts(program, Sql("s.storefront_id")),
    )
    [(*sums, sales)] = run(statement)
    lines = [Line(Kind.PRICE_RATE, YUAN, *sums[:2]), Line(Kind.POINTS_BACK, POINTS, *sums[2:])]
    return Costs([*lines, *_gifts(program, before, after, day_of(since) + ONE_DAY, day_of(until))], sales)


def _prices(program_id: int, side: str, version_id: int, rank: Sql) -> Sql:
    """What the tier of a rank gives on a sale `s`: at most one row each, joined, for a look at each sale costs more."""
    return fill(
        """LEFT JOIN {skus} AS {sku} ON {sku}.sku_id = s.sku_id AND {sku}.program_id = {program} AND {sku}.rank = {rank}
LEFT JOIN {products} AS {product} ON {product}.product_id = s.product_id AND {product}.program_id = {program}
    AND {product}.rank = {rank}
{rate} {back}""",
        skus=name(SkuTierPrice._meta.db_table),
        sku=name(f"sku_{side}"),
        products=name(ProductTierRate._meta.db_table),
        product=name(f"product_{side}"),
        program=program_id,
        rank=rank,
        rate=_benefit(f"rate_{side}", version_id, rank, Kind.PRICE_RATE),
        back=_benefit(f"back_{side}", version_id, rank, Kind.POINTS_BACK),
    )


def _taken_off(side: str) -> Sql:
    return fill(
        """round(s.quantity * GREATEST(0, s.list_price - COALESCE({sku}.unit_price,
    round(s.list_price * COALESCE({product}.rate, {rate}.value), 4), s.list_price)), 2)""",
        sku=name(f"sku_{side}"),
        product=name(f"product_{side}"),
        rate=name(f"rate_{side}"),
    )


def _points_back(side: str) -> Sql:
    return fill("floor(s.cash * {back}.value)", back=name(f"back_{side}"))


def _gifts(
    program: Program, before: tuple[int, Sql], after: tuple[int, Sql], first: date, last: date
) -> Iterator[Line]:
    """Birthdays are celebrated by the program of the storefront where the person registered."""
    gift = Kind.BIRTHDAY_GIFT
    statement = fill(
        """SELECT COALESCE(sum(gift_before.value), 0), COALESCE(sum(gift_after.value), 0),
    count(NULLIF(gift_before.code, '')), count(NULLIF(gift_after.code, ''))
FROM {birthdays} AS b JOIN {outcomes} AS t ON t.user_id = b.user_id JOIN accounts_user AS u ON u.id = b.user_id
{gift_before} {gift_after}
WHERE b.month_day = ANY({days}) AND {storefronts}""",
        gift_before=_benefit("gift_before", *before, gift),
        gift_after=_benefit("gift_after", *after, gift),
        birthdays=name(Birthday._meta.db_table),
        outcomes=OUTCOMES,
        days=_month_days(first, last),
        storefronts=_storefronts(program, Sql("u.home_storefront_id")),
    )
    [(points_before, points_after, coupons_before, coupons_after)] = run(statement)
    yield Line(gift, POINTS, points_before, points_after)
    yield Line(gift, COUPONS, Decimal(coupons_before), Decimal(coupons_after))


def _month_days(first: date, last: date) -> list[int]:
    days = (first + number * ONE_DAY for number in range((last - first).days + 1))
    return [one for day in days for one in month_days(day)]


def _benefit(alias: str, version_id: int, rank: Sql, kind: str) -> Sql:
    """Joins the benefit of a kind that the tier of a rank has, if it has one."""
    return fill(
        """LEFT JOIN (SELECT r.rank, g.value, g.code FROM {benefits} AS g JOIN {tiers} AS r ON r.id = g.tier_id
    WHERE r.version_id = {version} AND g.kind = {kind}) AS {alias} ON {alias}.rank = {rank}""",
        benefits=name(Benefit._meta.db_table),
        tiers=name(TierRule._meta.db_table),
        version=version_id,
        kind=str(kind),
        alias=name(alias),
        rank=rank,
    )


def _storefronts(program: Program, column: Sql) -> Sql:
    """The shops whose buyers the program holds: its own, or all that have none of their own."""
    if program.storefront_id is not None:
        return fill("{column} = {own}", column=column, own=program.storefront_id)
    return fill("{column} <> ALL({others})", column=column, others=Sql("%s::bigint[]", (list(own_programs()),)))
