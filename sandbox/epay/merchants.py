"""Who may take money here: a demo merchant, or those of a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEMO_PID = "1000"
DEMO_KEY = "sandbox-epay-demo-key"


@dataclass(frozen=True)
class Merchant:
    """`sign_mode` is "plain" or "key", see signing."""

    pid: str
    key: str = field(repr=False)
    sign_mode: str = "plain"
    name: str = "演示商户"


def load_merchants(environ: Mapping[str, str], path: Path | None = None) -> dict[str, Merchant]:
    """By pid: the merchants of `path`, a JSON list of {pid, key, sign_mode?, name?}, or else one of the environment.

    Raises ValueError when the file says something else.
    """
    if path is None:
        pid = environ.get("SANDBOX_EPAY_PID") or DEMO_PID
        return {pid: Merchant(pid, environ.get("SANDBOX_EPAY_KEY") or DEMO_KEY)}
    try:
        merchants = [Merchant(**entry) for entry in json.loads(path.read_text("utf-8"))]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a JSON list of {{pid, key, sign_mode, name}}") from error
    for merchant in merchants:
        if not merchant.key or merchant.sign_mode not in ("plain", "key"):
            raise ValueError(f"{path}: merchant {merchant.pid} needs a key, and sign_mode plain or key")
    return {merchant.pid: merchant for merchant in merchants}
