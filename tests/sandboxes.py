"""The real payment sandbox in a process of its own, for tests of any app."""

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx

from sandbox.keys import Keys, load_keys

ROOT = Path(__file__).resolve().parent.parent
PID, KEY = "1000", "a-key-for-tests"
T = TypeVar("T")


@functools.cache
def keys_file() -> Path:
    """The play keys of this test process; RSA keys take a while to make."""
    file = Path(tempfile.mkdtemp(prefix="kameng-keys-")) / "keys.json"
    load_keys(file)
    return file


class RunningSandbox:
    """`with RunningSandbox(folder) as sandbox:` starts it on a free port; `kill` and `start` play a crash."""

    def __init__(self, data: Path, *flags: str):
        self.data = data
        self.flags = flags
        self.port = 0
        self.process: subprocess.Popen | None = None
        # Kept: making a client takes longer than most requests.
        self.client = httpx.Client(trust_env=False)
        self.keys: Keys = json.loads(keys_file().read_text("utf-8"))

    def __enter__(self) -> "RunningSandbox":
        self.start()
        return self

    def __exit__(self, *exc) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "sandbox", "--port", str(self.port), "--data", str(self.data), "--quiet"]
        command += ["--keys", str(keys_file())]
        self.process = subprocess.Popen(
            [*command, "--retry-scale", "0.01", *self.flags],
            cwd=ROOT,
            env={**os.environ, "SANDBOX_EPAY_PID": PID, "SANDBOX_EPAY_KEY": KEY},
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line.startswith("sandbox: http://"), line
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self) -> int:
        """SIGTERM, as bin/up stops it. Returns the exit status."""
        self.process.terminate()
        status = self.process.wait()
        self.process.stdout.close()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def orders(self, **wanted: str) -> list[dict]:
        reply = self.client.get(f"{self.url}/control/orders", params=wanted)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def order(self, out_trade_no: str) -> dict:
        (order,) = self.orders(out_trade_no=out_trade_no)
        return order

    def act(self, out_trade_no: str, action: str, **options: object) -> dict:
        wish = {"out_trade_no": out_trade_no, "action": action, **options}
        reply = self.client.post(f"{self.url}/control/act", json=wish)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def letter(self, out_trade_no: str, kind: str = "result", about: str = "") -> dict:
        """A notify as the gateway would send it now: {method, url, body, headers}."""
        wish = {"out_trade_no": out_trade_no, "kind": kind, "about": about}
        reply = self.client.get(f"{self.url}/control/letter", params=wish)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def webhook(self, address: str) -> None:
        """Where Stripe's events go."""
        reply = self.client.post(f"{self.url}/control/stripe", json={"webhook": address})
        assert reply.status_code == 200, reply.text

    def mend(self) -> None:
        """No call goes wrong any more."""
        self.client.post(f"{self.url}/control/mend", json={})

    def fault(self, call: str, mode: str | None, **options: object) -> None:
        wish = {"call": call, "mode": mode, **options}
        reply = self.client.post(f"{self.url}/control/fault", json=wish)
        assert reply.status_code == 200, reply.text


def wait_until(check: Callable[[], T], seconds: float = 20) -> T:
    """The first true answer of `check`; fails when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := check():
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
