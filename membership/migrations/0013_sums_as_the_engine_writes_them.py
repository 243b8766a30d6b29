"""What was written before the engine: orders had rows of their own beside their lines, and refunds that waited for a
delivery were written a second time. The engine reads both from the lines; sums say what was earned and since when."""

from django.db import migrations

FORWARD = """
ALTER TABLE membership_activity DISABLE TRIGGER USER;
DELETE FROM membership_activity
WHERE metric = 'orders' AND subject LIKE 'order:%' AND source_ref LIKE subject || ':orders:%'
    OR reverses <> '' AND source_ref LIKE '%:applied';
ALTER TABLE membership_activity ENABLE TRIGGER USER;
UPDATE membership_bucket SET earned = quantity WHERE metric = 'orders';
UPDATE membership_total AS total SET first_day = found.day
FROM (
    SELECT member_id, metric, category, min(day) AS day FROM membership_bucket
    WHERE amount > 0 OR quantity > 0 GROUP BY member_id, metric, category
) AS found
WHERE (found.member_id, found.metric, found.category) = (total.member_id, total.metric, total.category);
"""


class Migration(migrations.Migration):
    dependencies = [("membership", "0012_reversals_are_found_by_what_they_take_back")]

    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
