"""bin/manage: manage.py on the data of bin/up, whether that is running or not."""

import argparse

from launcher import environment
from launcher.environment import PYTHON, ROOT
from launcher.home import MARK, Home
from launcher.processes import Program, Supervisor
from launcher.stack import Stack
from launcher.up import development_environment


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/manage", description=__doc__, add_help=False)
    parser.add_argument("--data-dir", default=ROOT / "var")
    options, command = parser.parse_known_args(arguments)
    home = Home(options.data_dir)
    environment.prepare("requirements-local.txt")
    running = home.is_held()
    if not running:
        home.open()
        home.end_orphans()
    log = home.path / "manage.log"
    with Supervisor({} if running else {MARK: str(home.path)}, log=log) as supervisor:
        stack = Stack(home)
        if running:
            stack.find()
        else:
            stack.start(supervisor)
        url = home.holder().get("url") or "http://127.0.0.1:8000"
        variables = development_environment(home, stack, url, home.port("sandbox"))
        return supervisor.run_in_foreground(Program("manage", [str(PYTHON), "manage.py", *command], variables))
