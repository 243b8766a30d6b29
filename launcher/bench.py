"""bin/bench: the benchmarks, on servers of their own that keep data as a shop's do."""

import argparse

from launcher import console, environment, machine
from launcher.environment import PYTHON, ROOT
from launcher.home import MARK, Home, folder_name
from launcher.processes import Program, Supervisor
from launcher.stack import Stack


def main(arguments: list[str]) -> int:
    # The output of the benchmarks is their JSON.
    console.progress_to_stderr()
    parser = argparse.ArgumentParser(prog="bin/bench", add_help=False, allow_abbrev=False)
    parser.add_argument("--data-dir", type=folder_name, default=ROOT / "var" / "bench" / "servers")
    options, rest = parser.parse_known_args(arguments)
    home = Home(options.data_dir)
    home.open()
    environment.prepare("requirements-local.txt")
    machine.require_space(home.path, 2000, "benchmarks")
    home.end_orphans()
    with Supervisor({MARK: str(home.path)}, log=home.path / "servers.log") as supervisor:
        # Not a throw-away cluster: that one never waits for the disk, and its figures would be nobody's.
        stack = Stack(home)
        stack.start(supervisor)
        variables = {**stack.environment(), "KAMENG_ENV": "development", "PYTHONUNBUFFERED": "1"}
        command = [str(PYTHON), "-m", "benchmarks", *rest]
        return supervisor.run_in_foreground(Program("bench", command, variables))
