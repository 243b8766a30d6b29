"""manage.py demo_shop: a shop that looks as if it had been open for months, for trying things out."""

import json
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation
from django.utils.dateparse import parse_datetime

from accounts.models import User
from accounts.services import create_staff, note_own_password
from audit.models import AuditEntry
from audit.services import record
from catalog.services.figures import refresh_figures
from common import clock
from common.progress import Bar
from events.services import relay
from shop.demo.channels import make_epay, make_others
from shop.demo.complaints import Complaints
from shop.demo.desk import leave_work
from shop.demo.history import History
from shop.demo.money import put_money_to_work
from shop.demo.people import MEMBERS
from shop.demo.stocking import sku_count, stock_shop

OPENED = timedelta(days=160)
# Marks in the audit log: when the shop was begun (its "now"), and that it is complete.
BEGUN, MADE = "demo.begun", "demo.made"
ADMIN, KEEPER = "admin", "goods"


class Command(BaseCommand):
    help = (
        "Fill an empty shop with goods, members and months of orders. Refused in production. Run it again to finish it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--logins",
            type=Path,
            default=os.environ.get("DEMO_LOGINS") or None,
            help="write who may sign in to this file, as JSON",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("a demo shop is for development: its members, orders and money are made up")
        self.passwords = Passwords(Path(options["logins"]) if options["logins"] else None)
        with translation.override(settings.LANGUAGE_CODE):
            now = self._now()
            if not AuditEntry.objects.filter(action=MADE).exists():
                self._make(now)
        self._write_logins()

    def _now(self) -> Any:
        """The present of the demo shop: that of the first run, so that an interrupted one fits together."""
        begun = AuditEntry.objects.filter(action=BEGUN).first()
        if begun is not None:
            return parse_datetime(begun.detail["now"])
        now = clock.now()
        record(action=BEGUN, at=now, detail={"now": now.isoformat()})
        return now

    def _make(self, now: Any) -> None:
        with clock.travel(now - OPENED):
            admin = self._admin()
            self._staff(admin)
            bar = Bar("stock ")
            done = iter(range(1, sku_count() + 1))
            stock_shop(actor=admin, told=lambda: bar(next(done), sku_count()))
            bar.close()
        # For history the buyer's browser would post a form, which asks no gateway; the present asks it.
        channel = make_epay(mode="page")
        history = History(now=now, staff=admin, channel=channel, password=self.passwords)
        acts = history.acts()
        bar = Bar("orders")
        steps = iter(range(1, len(acts) + 1))
        history.perform(acts, told=lambda: bar(next(steps), len(acts)))
        bar.close()
        with clock.travel(now):
            keeper = User.objects.get(username=KEEPER)
            leave_work(author=keeper, checker=admin)
            merchant, seller = (User.objects.get(username=MEMBERS[number].username) for number in (1, 2))
            put_money_to_work(merchant=merchant, seller=seller, admin=admin, keeper=keeper, now=now)
        Complaints(keeper=keeper, now=now).make()
        with clock.travel(now):
            relay()
        make_epay(mode="api")
        make_others()
        refresh_figures()
        record(action=MADE, at=clock.now(), detail={"acts": len(acts)})

    def _admin(self) -> User:
        known = User.objects.filter(username=ADMIN).first()
        return known or User.objects.create_superuser(ADMIN, self.passwords(ADMIN), display_name="店长")

    def _staff(self, admin: User) -> None:
        """Somebody who has been here for a while: no second person is one whom the first has just made."""
        if User.objects.filter(username=KEEPER).exists():
            return
        with clock.travel(clock.now() - timedelta(days=30)):
            keeper = create_staff(
                username=KEEPER,
                password=self.passwords(KEEPER),
                display_name="商品专员",
                group_ids=[Group.objects.get(name="商品运营").pk],
                actor=admin,
            )
            note_own_password(user=keeper)

    def _write_logins(self) -> None:
        home, desk = f"{settings.PUBLIC_URL}/", f"{settings.PUBLIC_URL}/admin/"
        logins = [
            ("buyer", MEMBERS[0].username, home),
            ("merchant", MEMBERS[1].username, home),
            ("operator", ADMIN, desk),
            ("goods", KEEPER, desk),
        ]
        shown = [
            {"role": role, "username": name, "password": self.passwords.of(name), "url": url}
            for role, name, url in logins
        ]
        self.passwords.write(shown)
        for login in shown:
            self.stdout.write("{role:<9} {username} / {password}   {url}".format(**login))


class Passwords:
    """Random passwords, kept in the file of logins: a database that grew out of a demo has none that anybody knows.

    Calling it gives the password for an account that is being made; `of` one that opens an existing account.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._known: dict[str, str] = {}
        if file is not None and file.exists():
            self._known = {one["username"]: one["password"] for one in json.loads(file.read_text("utf-8"))}

    def __call__(self, username: str) -> str:
        return self._known.setdefault(username, secrets.token_urlsafe(9))

    def of(self, username: str) -> str:
        """The password from the file while it fits, else a fresh one that is set now."""
        user = User.objects.get(username=username)
        if not user.check_password(self(username)):
            self._known[username] = secrets.token_urlsafe(9)
            user.set_password(self._known[username])
            user.save(update_fields=["password"])
        return self._known[username]

    def write(self, logins: list[dict[str, str]]) -> None:
        """Store the logins where only this user can read them; whole or not at all."""
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(logins, ensure_ascii=False, indent=2) + "\n", "utf-8")
        fresh.replace(self.file)
