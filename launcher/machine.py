"""Facts about this machine: ports, disk, processes. Linux only, from /proc."""

import contextlib
import ctypes
import errno
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from launcher.console import Problem

MEGABYTE = 1024 * 1024
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def tied_to_us(death_signal: signal.Signals, heard: Iterable[signal.Signals] = ()) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends the child this signal when the launcher dies, however it dies.

    The child hears the signals in `heard` even if we ignore them: a shell that starts us in the background leaves SIGINT
    and SIGQUIT ignored, and a program that inherits that may be unable to change it.
    """
    parent, number = os.getpid(), int(death_signal)
    numbers = [one for one in heard if one != signal.SIGKILL]

    def tie() -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_DFL)
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def free_port() -> int:
    """A free port below those that Linux gives to outgoing connections, so that none of them takes it before us."""
    while not is_port_free(port := random.randrange(20000, 32000)):  # noqa: S311 - no secret
        pass
    return port


def is_port_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether we could listen there. Raises Problem when the address is not ours or the port needs root."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As a server would: connections that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno == errno.EACCES:
                raise Problem(f"Port {port} is reserved for root. Choose one above 1023 with --port.") from None
            raise Problem(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    return True


def port_holder(port: int) -> str:
    """Who listens on a port, for a message: "python3 (process 123)", or words that say that we may not see it."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                # 0A is LISTEN.
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for pid in process_ids():
        with contextlib.suppress(OSError):
            if any(str(fd.readlink()) in inodes for fd in Path(f"/proc/{pid}/fd").iterdir()):
                return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (process {pid})"
    return "a process of another user"


def answers(host: str, port: int, seconds: float = 1.0) -> bool:
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def network_address(wildcard: str) -> str:
    """This machine's own address in the network it goes out by; the loopback address where there is none."""
    inside, outside = ("::1", "2001:db8::1") if ":" in wildcard else ("127.0.0.1", "192.0.2.1")
    with socket.socket(socket.AF_INET6 if ":" in wildcard else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only makes the kernel choose a route. The other end is an address of the documentation.
            probe.connect((outside, 9))
        except OSError:
            return inside
        return probe.getsockname()[0]


def free_megabytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free // MEGABYTE


def require_space(folder: Path, megabytes: int, purpose: str) -> None:
    free = free_megabytes(folder)
    if free < megabytes:
        raise Problem(
            f"The disk of {folder} is full: {free} MB are free, {purpose} needs {megabytes} MB.\n"
            "Free some space, or choose another disk with --data-dir. Nothing was changed."
        )


def process_ids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def is_alive(pid: int) -> bool:
    """Running, and not merely waiting for its parent to take note of its end."""
    try:
        # "pid (name) state …"; the name may hold spaces and brackets.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def processes_where(matches: Callable[[Path], bool]) -> list[int]:
    """The processes whose /proc folder matches, without this one and those that started it."""
    family = set()
    pid = os.getpid()
    while pid > 1:
        family.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    found = []
    for pid in process_ids():
        with contextlib.suppress(OSError):
            if pid not in family and matches(Path(f"/proc/{pid}")) and is_alive(pid):
                found.append(pid)
    return found


def end_processes(pids: Iterable[int], first: signal.Signals, patience: float) -> None:
    """Asks politely with `first`, waits `patience` seconds, then kills."""
    pids = list(pids)
    for number, wait in ((first, patience), (signal.SIGKILL, 5.0)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait
        while (pids := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not pids:
            return
