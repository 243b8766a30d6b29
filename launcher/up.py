"""bin/up: the whole shop on this machine."""

import argparse
import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from launcher import environment, machine
from launcher.console import Problem, paint, say, warn, write
from launcher.environment import PYTHON, ROOT
from launcher.home import MARK, Home, folder_name
from launcher.processes import Program, Supervisor
from launcher.stack import Stack

# Celery warns of root, and of users without a name. On a development machine that is the user's own affair.
AS_ROOT = "ignore:You're running the worker,ignore:An entry for the specified"
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - only compared


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    home = Home(options.data_dir)
    home.open()
    home.end_orphans()
    _require_port(options.host, options.port)
    environment.prepare("requirements-local.txt")
    machine.require_space(home.path, 100, "the shop")
    # Whatever the shop's processes write is for this user only.
    os.umask(0o077)
    with Supervisor({MARK: str(home.path)}) as supervisor:
        shop = Shop(home, options, supervisor)
        shop.set_up()
        shop.open()
        shop.announce(time.monotonic() - began)
        supervisor.run_forever(every_minute=shop.watch_disk)
        say("stopping")
    say("stopped; everything is saved")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/up",
        description="Sets up what is missing, then runs the shop: web, worker, beat and payment sandbox, with its own "
        "PostgreSQL and Valkey unless DATABASE_URL and REDIS_URL name others. Ctrl-C stops everything.",
    )
    parser.add_argument("--port", type=_port, default=8000, help="where the shop listens (8000)")
    parser.add_argument("--host", default="127.0.0.1", help="the address it listens on (127.0.0.1; 0.0.0.0 for all)")
    parser.add_argument(
        "--data-dir", type=folder_name, default=ROOT / "var", help="where databases, files and secrets are kept (var)"
    )
    parser.add_argument("--no-demo", action="store_true", help="begin with an empty shop")
    return parser


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdecimal() else 0
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port


def _require_port(host: str, port: int) -> None:
    if not machine.is_port_free(port, host):
        raise Problem(
            f"Port {port} is in use by {machine.port_holder(port)}.\n"
            f"Stop that, or choose another port:  bin/up --port {port + 1 if port < 65535 else port - 1}"
        )


class Shop:
    def __init__(self, home: Home, options: argparse.Namespace, supervisor: Supervisor):
        self.home = home
        self.options = options
        self.supervisor = supervisor
        self.stack = Stack(home)
        before = home.ports().get("sandbox")
        self.sandbox_port = home.port("sandbox")
        if before and before != self.sandbox_port:
            warn(
                f"port {before} is taken, so the payment sandbox moves to {self.sandbox_port}: give the channels in the "
                "admin its new address"
            )
        # Links go to phones too, which reach a shop that listens everywhere by this machine's address in its network.
        host = machine.network_address(options.host) if options.host in WILDCARDS else options.host
        self.host = f"[{host}]" if ":" in host else host
        self.url = f"http://{self.host}:{options.port}"
        self.sandbox_url = f"http://{self.host}:{self.sandbox_port}"
        self.environment: dict[str, str] = {}

    def set_up(self) -> None:
        self.stack.start(self.supervisor)
        self.environment = development_environment(self.home, self.stack, self.url, self.sandbox_url)
        say("bringing the database up to date, collecting static files")
        self._manage(["migrate", "--verbosity", "0"], ["collectstatic", "--no-input", "--verbosity", "0"])
        self._demo()

    def _demo(self) -> None:
        """On the first start only, finished or declined: a later one must not fill a shop that is in use."""
        decision = self.home.path / "demo"
        if decision.exists():
            return
        if not self.options.no_demo:
            say("making the demo shop, once")
            # Before the sandbox runs, because the demo's channels hold the same keys.
            self._run(self._program("keys", ["-m", "sandbox.keys", self.environment["SANDBOX_KEYS"]]))
            self._manage(["demo_shop"])
            if self.stack.valkey:
                # Months of orders left thousands of nudges, and the first sweep finds in one go what they are about.
                self.stack.valkey.flush()
        self.home.replace(decision, "declined\n" if self.options.no_demo else "made\n")

    def _manage(self, *commands: list[str]) -> None:
        """Runs commands of manage.py side by side. Raises Problem when one fails."""
        self._run(*(self._program(command[0], ["manage.py", *command]) for command in commands))

    def _run(self, *programs: Program) -> None:
        for program, code in zip(programs, self.supervisor.run(*programs), strict=True):
            if code:
                command = " ".join(program.command[1:])
                raise Problem(f"`{command}` failed with status {code}. Its lines above say why.")

    def open(self) -> None:
        for program in self._programs():
            self.supervisor.start(program)
        self.supervisor.wait_until(self._web_answers, 60, "The web server")
        self.home.announce(url=self.url, sandbox=self.sandbox_url)

    def _programs(self) -> list[Program]:
        """In the order of their start; they are stopped the other way round."""
        sandbox = ["-m", "sandbox", "--host", self.options.host, "--port", str(self.sandbox_port)]
        sandbox += ["--data", str(self.home.folder("sandbox")), "--keys", self.environment["SANDBOX_KEYS"]]
        # A real one is told in Stripe's dashboard; the channel's code is the demo shop's.
        sandbox += ["--stripe-webhook", f"{self.url}/pay/notify/stripe"]
        # At INFO each beat and each task is a line, a few every minute for ever.
        level = ["--loglevel", os.environ.get("LOG_LEVEL") or "WARNING"]
        celery = ["-m", "celery", "--quiet", "--app", "kameng"]
        beat = [*celery, "beat", *level, "--pidfile=", "--schedule", str(self.home.path / "beat-schedule")]
        worker = self._program("worker", [*celery, "worker", *level, "--concurrency", "2", "--without-mingle"])
        worker.environment["PYTHONWARNINGS"] = AS_ROOT
        # SIGTERM lets it finish the tasks at hand; SIGQUIT drops them, and the queue hands them out again.
        worker.patience, worker.hasten_signal = 30.0, signal.SIGQUIT
        # Celery listens to no politer one while it looks for the Redis that dies at the same time.
        worker.death_signal = signal.SIGKILL
        web = ["-m", "granian", "--interface", "wsgi", "--host", self.options.host, "--port", str(self.options.port)]
        web += ["--workers", "2", "--blocking-threads", "4", "--no-ws", "--respawn-failed-workers", "--access-log"]
        # A worker that is told to stop while it starts does not hear it.
        web += ["--workers-kill-timeout", "6"]
        return [
            self._program("sandbox", sandbox),
            self._program("beat", beat),
            worker,
            self._program("web", [*web, "kameng.wsgi:application"]),
        ]

    def _program(self, name: str, arguments: list[str]) -> Program:
        return Program(name, [str(PYTHON), *arguments], dict(self.environment))

    def _web_answers(self) -> bool:
        # Asked without a proxy, which would not find this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/healthz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def watch_disk(self) -> None:
        free = machine.free_megabytes(self.home.path)
        if free < 200:
            warn(f"the disk of {self.home.path} is nearly full: {free} MB are left; without space no order is stored")

    def announce(self, seconds: float) -> None:
        """The addresses and who may sign in, as the last thing on the screen."""
        lines = ["", paint(f"kameng is ready after {seconds:.0f} s", "1;32"), ""]
        lines += [f"  shop       {self.url}/", f"  operator   {self.url}/admin/"]
        lines += [f"  sandbox    {self.sandbox_url}/", f"  mail       {self.home.path / 'mail'}", ""]
        for login in _demo_logins(self.home.path / "demo-logins.json"):
            # Written when the shop may have listened on another port.
            page = self.url + urlsplit(login["url"]).path
            lines.append(f"  {login['role']:<10} {login['username']} / {login['password']}   {page}")
        for line in [*lines, "", "  Ctrl-C stops everything.", ""]:
            write(line)


def development_environment(home: Home, stack: Stack, url: str, sandbox_url: str) -> dict[str, str]:
    """What bin/up sets for Django; README.md explains each variable. What the user has set wins."""
    defaults = {
        "KAMENG_ENV": "development",
        "PUBLIC_URL": url,
        "OUTGOING_ALLOW": urlsplit(sandbox_url).netloc,
        "SANDBOX_URL": sandbox_url,
        "SANDBOX_KEYS": str(home.folder("sandbox") / "keys.json"),
        "MAIL_SINK": str(home.folder("mail")),
        "MEDIA_ROOT": str(home.folder("media")),
        "STATIC_ROOT": str(home.folder("static")),
        "DEMO_LOGINS": str(home.path / "demo-logins.json"),
        "PYTHONUNBUFFERED": "1",
    }
    return {**stack.environment(), **{name: os.environ.get(name) or value for name, value in defaults.items()}}


def _demo_logins(file: Path) -> list[dict[str, str]]:
    try:
        return [
            login for login in json.loads(file.read_text()) if {"role", "username", "password", "url"} <= set(login)
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        warn(f"the demo logins in {file} cannot be read: {error}")
        return []
