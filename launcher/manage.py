"""bin/manage: manage.py on the data of bin/up, whether that is running or not."""

import argparse
from pathlib import Path

from launcher import console, environment
from launcher.environment import PYTHON, ROOT
from launcher.home import MARK, Home, folder_name
from launcher.processes import Program, Supervisor
from launcher.stack import Stack
from launcher.up import development_environment


def main(arguments: list[str]) -> int:
    console.progress_to_stderr()
    parser = argparse.ArgumentParser(prog="bin/manage", add_help=False, allow_abbrev=False)
    parser.add_argument("--data-dir", type=folder_name, default=ROOT / "var")
    options, command = parser.parse_known_args(arguments)
    home = Home(options.data_dir)
    environment.prepare("requirements-local.txt")
    running = home.is_held()
    if not running:
        home.open()
        home.end_orphans()
    # Beside a running shop this process is a guest and does not carry its mark.
    mark = {} if running else {MARK: str(home.path)}
    with Supervisor(mark, log=home.path / "manage.log") as supervisor:
        stack = Stack(home)
        if running:
            stack.find()
        else:
            stack.start(supervisor)
        holder = home.holder()
        url = holder.get("url") or "http://127.0.0.1:8000"
        sandbox = holder.get("sandbox") or f"http://127.0.0.1:{home.port('sandbox')}"
        variables = development_environment(home, stack, url, sandbox)
        # In the caller's folder, so that file names mean what they say.
        program = Program("manage", [str(PYTHON), str(ROOT / "manage.py"), *command], variables, folder=Path.cwd())
        return supervisor.run_in_foreground(program)
