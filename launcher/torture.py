"""bin/torture: `manage.py torture` in an environment that has what it needs. It begins servers of its own."""

import os

from launcher import console, environment
from launcher.environment import PYTHON, ROOT


def main(arguments: list[str]) -> int:
    console.progress_to_stderr()
    environment.prepare("requirements-test.txt")
    variables = {**os.environ, "KAMENG_ENV": "development"}
    # Nothing is left to do here: signals and the exit status are that process's own.
    os.execve(str(PYTHON), [str(PYTHON), str(ROOT / "manage.py"), "torture", *arguments], variables)  # noqa: S606 - a list
