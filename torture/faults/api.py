"""The API fuzzed by Schemathesis from its own schema: no 5xx, nothing that the schema does not say, nothing of others."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from accounts.models import User
from accounts.services import issue_token
from catalog.models import Product
from torture import scene
from torture.report import Budget, Report
from torture.stage import Stage

SESSION = "-c synchronous_commit=off"
# Which quantity a SKU allows, and what its fields must look like, is told by the product and by no schema.
CONFIG = """
[auth.wfc]
path = "{folder}/members.json"
user = "alice"
peers = ["alice", "bob"]

[[operations]]
include-operation-id = ["place_order", "quote", "write_review"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409", "429"]
"""
EXAMPLES = 400
# Less and Schemathesis does not get beyond its examples.
SHORTEST = 90


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    folder = stage.home.folder("fuzzed")
    members = {name: scene.member("1000000.00", name=name) for name in ("alice", "bob")}
    for number in range(3):
        scene.sku(f"0.0{number + 1}", keys=2000)
    scene.sku("1.00", kind=Product.Kind.MANUAL)
    goods = scene.sku("2.00", keys=500)
    for member in members.values():
        scene.order(member, goods, 2, wallet=True)
        scene.order(member, goods)
    tokens = [{"name": name, "fixedHeaders": [_header(user)]} for name, user in members.items()]
    (folder / "members.json").write_text(json.dumps({"auth": tokens}))
    (folder / "schemathesis.toml").write_text(CONFIG.format(folder=folder))
    url = stage.open_web()
    # A whole run for each lot, so that each begins with a seed of its own.
    lot = 0
    budget.begin()
    while budget.more() and not report.wrong and (lot == 0 or budget.left > SHORTEST):
        _fuzz(url, folder, seed * 100 + lot, budget, report)
        lot += 1


def _header(user: User) -> dict[str, str]:
    return {"name": "Authorization", "value": f"Bearer {issue_token(user=user, name='fuzz').text}"}


def _fuzz(url: str, folder: Path, seed: int, budget: Budget, report: Report) -> None:
    told = folder / "events.ndjson"
    told.unlink(missing_ok=True)
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(folder / "schemathesis.toml")]
    # One worker: in threads side by side, Hypothesis runs into a fault of Python 3.11's own parser.
    command += ["--no-color", "run", f"{url}/api/schema/", "--checks", "all", "--warnings", "off", "--workers", "1"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES), "--no-shrink"]
    command += ["--seed", str(seed % 2**31), "--max-time", str(max(SHORTEST, int(budget.left)))]
    command += ["--suppress-health-check", "all", "--generation-database", "none"]
    command += ["--report", "ndjson", "--report-ndjson-path", str(told)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    statuses = _statuses(told)
    for status, count in statuses.items():
        report.count(f"answers {status // 100}xx", count)
    report.count("fuzzed requests", sum(statuses.values()))
    broken = sum(count for status, count in statuses.items() if status >= 500)
    if done.returncode or broken:
        report.violation(f"seed {seed}, {broken} answers 5xx:\n{_failures(done.stdout)}")
    elif not statuses:
        report.violation(f"seed {seed}: Schemathesis sent nothing, so nothing was tried:\n{done.stdout[-1800:]}")
    budget.use(sum(statuses.values()))


def _statuses(file: Path) -> Counter[int]:
    """How often which status was answered, by the events that Schemathesis wrote."""
    if not file.exists():
        return Counter()
    return Counter(int(found) for found in re.findall(r'"status_code": ?(\d{3})', file.read_text("utf-8", "replace")))


def _failures(text: str) -> str:
    begin = text.find("FAILURES")
    return text[max(begin, 0) :][:1800] if begin >= 0 else text[-1800:]
