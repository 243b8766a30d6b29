"""The mean stay in each tier, fixed once a day where the rules have dynamic thresholds."""

from datetime import date

from django.db import connection, transaction

from common.clock import start_of_day
from membership.models import TierStay

# A stay runs from the decision that led into a tier to the one that led out of it, or goes on.
_MEANS = """
INSERT INTO membership_tierstay (program_id, day, rank, days)
SELECT %(program)s, %(day)s, rank, round(avg(days), 2)
FROM (
    SELECT move.to_rank AS rank,
        (coalesce(lead(move.at) OVER stays, %(midnight)s) AT TIME ZONE 'Asia/Shanghai')::date
            - (move.at AT TIME ZONE 'Asia/Shanghai')::date AS days
    FROM membership_tierdecision AS move
    JOIN membership_membertier AS member ON member.id = move.member_id
    WHERE member.program_id = %(program)s AND move.from_rank IS DISTINCT FROM move.to_rank AND move.at < %(midnight)s
    WINDOW stays AS (PARTITION BY move.member_id ORDER BY move.id)
) AS stay
GROUP BY rank
ON CONFLICT (program_id, day, rank) DO NOTHING
"""


def fix_mean_stays(*, program_id: int, day: date) -> int:
    """Write the mean stays as the day begins, unless they are there; returns how many tiers have one now."""
    with transaction.atomic():
        known = TierStay.objects.filter(program=program_id, day=day)
        if not known.exists():
            with connection.cursor() as cursor:
                cursor.execute(_MEANS, {"program": program_id, "day": day, "midnight": start_of_day(day)})
        return known.count()
