"""Key rings for tests, and connections that say which one their program has."""

import base64
import hashlib
import os
import subprocess
import sys

from django.conf import settings
from django.db import connection

from tests.sandboxes import ROOT
from tests.servers import database_url


def ring(*names: str) -> str:
    """A ring of master keys with these names; a name always has the same key."""
    return ",".join(f"{name}:{base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()}" for name in names)


def tell_ring(*names: str) -> None:
    """Make the current connection one of a program with this ring."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('application_name', %s, false)", [f"{settings.APPLICATION} {'+'.join(names)}"]
        )


def rotating(*words: str, names: tuple[str, ...] = ("new", "old"), output: int = subprocess.PIPE) -> subprocess.Popen:
    """`manage.py rotate_keys` as a process of its own, on the database of this test."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "rotate_keys", *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "KEY_RING": ring(*names)},
        stdout=output,
        stderr=output,
        text=True,
    )
