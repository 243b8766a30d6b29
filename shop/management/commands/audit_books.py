import json
import sys
from dataclasses import asdict

from django.core.management.base import BaseCommand

from common import clock
from shop.books import audit


class Command(BaseCommand):
    help = (
        "Checks the books and prints JSON: every rule with how often it is broken and up to 20 examples. "
        "Exit status 1 when any rule is broken."
    )

    def handle(self, *args, **options) -> None:
        at = clock.now()
        found = audit(at=at)
        violations = sum(one.count for one in found.values())
        report = {
            "at": at.isoformat(),
            "clean": not violations,
            "violations": violations,
            "rules": {name: asdict(one) for name, one in found.items()},
        }
        self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2))
        if violations:
            sys.exit(1)
