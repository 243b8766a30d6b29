"""`python -m sandbox --host 127.0.0.1 --port 8001 --data var/sandbox`"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from sandbox.alipay import AlipayTongue
from sandbox.bepusdt import BepusdtTongue
from sandbox.epay import EpayTongue, load_merchants
from sandbox.epay_v2 import EpayV2Tongue
from sandbox.faults import Faults
from sandbox.keys import load_keys
from sandbox.routes import Routes
from sandbox.server import Server, static
from sandbox.store import Store
from sandbox.stripe import StripeTongue
from sandbox.till import Till
from sandbox.tongue import Refused, as_address
from sandbox.wechat.tongue import WechatTongue


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    data: Path = options.data
    try:
        merchants = load_merchants(os.environ, options.merchants)
        keys = load_keys(options.keys or data / "keys.json")
        orders, notifies = Store(data / "orders.jsonl"), Store(data / "notifies.jsonl")
        till = Till(
            orders=orders,
            notifies=notifies,
            public_url=options.public_url,
            expires=options.expires,
            scale=options.retry_scale,
        )
        faults = Faults()
        # One line for each protocol that is spoken here.
        till.learn(EpayTongue(till, faults, merchants))
        till.learn(EpayV2Tongue(till, faults, keys["epay_v2"]))
        till.learn(AlipayTongue(till, faults, keys["alipay"]))
        till.learn(BepusdtTongue(till, faults, keys["bepusdt"]))
        till.learn(WechatTongue(till, faults, keys["wechat"]))
        webhook = options.stripe_webhook and as_address(options.stripe_webhook, "--stripe-webhook")
        till.learn(StripeTongue(till, faults, keys["stripe"], webhook))
    except (OSError, ValueError, KeyError, Refused) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    routes = Routes(till, faults)
    try:
        server = Server((options.host, options.port), [static, routes], quiet=options.quiet)
    except OSError as error:
        print(f"sandbox: {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    till.notifier.start()

    def stop(*_) -> None:
        # shutdown() waits for serve_forever, which runs in this very thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print("sandbox: http://{}:{}".format(*server.server_address[:2]), flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    till.notifier.stop()
    orders.close()
    notifies.close()
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Payment gateways with play money.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0 takes a free one and prints it")
    parser.add_argument("--data", type=Path, required=True, help="folder for orders and notifies")
    parser.add_argument("--public-url", default="", help="address that buyers see, when it is not the one they call")
    parser.add_argument("--merchants", type=Path, help="JSON list; default: SANDBOX_EPAY_PID and SANDBOX_EPAY_KEY")
    parser.add_argument(
        "--keys", type=Path, help="the other protocols' keys, made when missing; default: DATA/keys.json"
    )
    parser.add_argument("--stripe-webhook", default="", help="where Stripe's events go, until POST /control/stripe")
    parser.add_argument("--retry-scale", type=float, default=1.0, help="0.01 makes notifies repeat 100 times faster")
    parser.add_argument("--expires", type=float, default=900, help="seconds until shops close an unpaid order")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
