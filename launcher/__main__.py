"""`python3 launcher COMMAND …`, called by the scripts in bin/."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this file also greets older ones
    sys.exit("kameng needs Python 3.11 or newer; this is {}.{} ({}).".format(*sys.version_info[:2], sys.executable))

if sys.platform != "linux":
    sys.exit("bin/up, bin/test and bin/bench need Linux (in a container or virtual machine, if need be).")

# Python put launcher/ itself first on the path; the package lies one higher.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from launcher import bench, console, manage, suite, torture, up  # noqa: E402

COMMANDS = {"up": up.main, "test": suite.main, "manage": manage.main, "bench": bench.main, "torture": torture.main}

if __name__ == "__main__":
    sys.exit(console.guarded(COMMANDS[sys.argv[1]], sys.argv[2:]))
