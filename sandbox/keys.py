"""Who may take money through which protocol, and with which keys: made once, kept in a file, worth nothing.

The file is a JSON object {protocol: {name: text}}; shop and sandbox read the same one. It holds both halves of every RSA
pair: `merchant_…` is the shop's own, `platform_…` the gateway's.
"""

import argparse
import json
import os
import secrets
import sys
from pathlib import Path

from sandbox.rsa import new_pair
from sandbox.wechat.keys import wechat_keys

Keys = dict[str, dict[str, str]]


def load_keys(path: Path) -> Keys:
    """What the file holds, completed with what it lacks. Raises OSError, ValueError for a file that is no such object."""
    known: Keys = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if not isinstance(known, dict):
        raise ValueError(f"{path}: not an object")
    missing = [name for name in _MAKERS if name not in known]
    if missing:
        known |= {name: _MAKERS[name]() for name in missing}
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        fresh.replace(path)
    return known


def _pairs() -> dict[str, str]:
    merchant, platform = new_pair(), new_pair()
    return {
        "merchant_private": merchant.private,
        "merchant_public": merchant.public,
        "platform_private": platform.private,
        "platform_public": platform.public,
    }


_MAKERS = {
    "wechat": wechat_keys,
    "epay_v2": lambda: {"pid": "1001", **_pairs()},
    "alipay": lambda: {"app_id": "2021000000000001", "seller_id": "2088000000000001", **_pairs()},
    "bepusdt": lambda: {"token": secrets.token_hex(16)},
    "stripe": lambda: {
        "secret_key": f"sk_test_{secrets.token_hex(16)}",
        "webhook_secret": f"whsec_{secrets.token_hex(16)}",
    },
}


def main(argv: list[str] | None = None) -> int:
    """`python -m sandbox.keys FILE` makes the file, for a shop that is set up before the sandbox runs."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.keys", description="Make the sandbox's play keys.")
    parser.add_argument("file", type=Path)
    os.umask(0o077)
    try:
        load_keys(parser.parse_args(argv).file)
    except (OSError, ValueError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
