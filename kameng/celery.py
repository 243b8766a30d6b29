"""Celery and what beat does when; the tasks themselves live in the rooms."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kameng.settings")
app = Celery("kameng")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def every(seconds: int, task: str) -> dict:
    """Run `task` every so many seconds. A round that no worker has taken by the next one is dropped: they would pile up."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


def daily(hour: int, minute: int, task: str) -> dict:
    """Run `task` once a day at this time in CELERY_TIMEZONE, the shop's own."""
    return {"task": task, "schedule": crontab(hour=hour, minute=minute), "options": {"expires": 12 * 3600}}


def weekly(day: int, hour: int, minute: int, task: str, *args: object) -> dict:
    """Run `task` once a week; 0 is Sunday."""
    times = crontab(day_of_week=day, hour=hour, minute=minute)
    return {"task": task, "schedule": times, "args": args, "options": {"expires": 12 * 3600}}


app.conf.beat_schedule = {
    "heartbeat": every(30, "events.tasks.note_heartbeat"),
    # What a killed process had in hand is at rest again within a minute, also when a second round is lost with it.
    "sweep of the outbox": every(20, "events.tasks.sweep_events"),
    "mails that wait to be sent": every(30, "notifications.tasks.send_due_mails"),
    "unpaid orders past their deadline": every(60, "orders.tasks.expire_due_orders"),
    "short lines past their time": every(600, "orders.tasks.refund_overdue_short_lines"),
    "lines whose warranty has ended": every(300, "orders.tasks.settle_due_lines"),
    "cases of after-sale whose time has come": every(60, "orders.tasks.go_on_with_disputes"),
    "members whom time or new rules may have moved": daily(3, 10, "membership.tasks.recalculate_tiers"),
    "all members against their figures": weekly(1, 3, 40, "membership.tasks.recalculate_tiers", True),
    "tiers that were lent": every(60, "membership.tasks.let_overrides_end"),
    "what-ifs that lost their worker": every(60, "membership.tasks.resume_what_ifs"),
    "points that have ended": daily(0, 20, "membership.tasks.expire_points"),
    "nudges of long ago": daily(0, 40, "membership.tasks.forget_old_nudges"),
    "which tasks suit whom": daily(0, 30, "membership.tasks.refresh_task_arms"),
    "gifts of today's birthdays": every(3600, "marketing.tasks.give_birthday_gifts"),
    "rebates whose day of payment has come": daily(5, 10, "marketing.tasks.pay_due_rebates"),
    "members who stay away": daily(9, 40, "insights.tasks.run_win_back"),
    "key imports that lost their worker": every(60, "catalog.tasks.resume_key_batches"),
    "stock figures and low stock": every(60, "catalog.tasks.refresh_stock_figures"),
    "ratings counted anew": daily(4, 35, "catalog.tasks.refresh_ratings"),
    "key files that nobody confirmed": daily(4, 40, "catalog.tasks.drop_unconfirmed_batches"),
    "open payments whose notify may be lost": every(15, "payments.tasks.ask_due_attempts"),
    "refunds on their way": every(15, "payments.tasks.push_due_refunds"),
    "keys that gateways change": every(600, "payments.tasks.fetch_due_keys"),
    "payments that no gateway gave an answer about": daily(6, 10, "payments.tasks.ask_parked_again"),
    "statements that nobody confirmed": daily(4, 55, "payments.tasks.forget_unconfirmed_statements"),
    "payments that shall not be made any more": every(15, "payments.tasks.close_due_attempts"),
    "notifies whose process died": every(20, "payments.tasks.sweep_notifies"),
    "unpaid top-ups past their deadline": every(60, "payments.tasks.close_due_top_ups"),
    "old notifies": daily(4, 50, "payments.tasks.forget_old_notifies"),
    "cards past their last moment": daily(0, 15, "wallet.tasks.expire_cards"),
    "codes of cards that were downloaded": every(600, "wallet.tasks.drop_taken_codes"),
    "credit that is due": daily(8, 10, "wallet.tasks.tend_credit_lines"),
    "audit entries that wait for the chain": every(30, "audit.tasks.seal_chain"),
    "the audit chain's end, written down": daily(0, 10, "audit.tasks.anchor_chain"),
    "the audit chain looked through": daily(3, 50, "audit.tasks.verify_chain"),
    "approvals that nobody used in time": every(60, "audit.tasks.lapse_approvals"),
    "old idempotency keys": daily(4, 20, "audit.tasks.forget_old_idempotency_keys"),
    "copies of data that lost their worker": every(60, "accounts.tasks.resume_exports"),
    "accounts that are to be forgotten": every(3600, "accounts.tasks.erase_due"),
    "old tries to sign in": daily(4, 25, "accounts.tasks.forget_old_tries"),
    "rate limits that are free again": daily(4, 30, "audit.tasks.forget_unused_allowances"),
}
