"""The supervisor on small shell programs."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from launcher import machine, processes
from launcher.console import Interrupted, Problem
from launcher.environment import ROOT
from launcher.processes import Program, Supervisor


@pytest.fixture
def supervisor():
    with Supervisor({"MARK_OF_THIS_TEST": "1"}) as supervisor:
        yield supervisor


def shell(name, script, **manners):
    return Program(name, ["sh", "-c", script], **manners)


def later(seconds, act, *arguments):
    timer = threading.Timer(seconds, act, arguments)
    timer.start()
    return timer


def pump_until(supervisor, condition):
    deadline = time.monotonic() + 20
    while not condition():
        supervisor.pump(0.1)
        assert time.monotonic() < deadline


def wait_for_end(pid):
    deadline = time.monotonic() + 10
    while machine.is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_whole_lines_are_prefixed_and_the_last_needs_no_newline(supervisor, capfd):
    codes = supervisor.run(shell("greeter", "printf '你'; sleep 0.2; printf '好\\nand 2\\n' >&2; printf end; exit 3"))
    assert codes == [3]
    assert capfd.readouterr().out.splitlines() == ["greeter  │ 你好", "greeter  │ and 2", "greeter  │ end"]


def test_programs_run_side_by_side(supervisor, tmp_path):
    """Each waits for the other, so one after the other they would never end."""
    wait = "touch {0}/{1}; while [ ! -e {0}/{2} ]; do sleep 0.02; done; exit {3}"
    first = shell("first", wait.format(tmp_path, "a", "b", 0))
    second = shell("second", wait.format(tmp_path, "b", "a", 4))
    assert supervisor.run(first, second) == [0, 4]
    assert supervisor.running == []


def test_a_program_reads_its_input_and_finds_the_mark(supervisor, capfd):
    supervisor.run(shell("reader", 'cat; echo "mark $MARK_OF_THIS_TEST"', input=b"secret\n"))
    assert capfd.readouterr().out.splitlines() == ["reader   │ secret", "reader   │ mark 1"]


def test_muted_lines_are_left_out(supervisor, capfd):
    supervisor.run(shell("loud", "echo one noise; echo two", mute=(b"noise",)))
    assert capfd.readouterr().out == "loud     │ two\n"


def test_the_last_started_is_stopped_first(capfd):
    script = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.05; done"
    with Supervisor({}) as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(shell(name, script))
        seen = []
        pump_until(supervisor, lambda: seen.append(capfd.readouterr().out) or "".join(seen).count("hello") == 3)
    names = [line.split()[0] for line in capfd.readouterr().out.splitlines() if "bye" in line]
    assert names == ["third", "second", "first"]


def test_what_dies_is_started_again_ever_later(supervisor, capfd, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_PAUSE", 0.1)
    supervisor.restarts = True
    supervisor.start(shell("fragile", "exit 7"))
    pump_until(supervisor, lambda: supervisor.running[0].deaths == 4)
    out = capfd.readouterr().out
    assert out.count("fragile ended (status 7); starting it again in") == 4
    assert supervisor.running[0].restart_at - time.monotonic() == pytest.approx(0.8, abs=0.15)


def test_a_death_while_starting_is_a_problem(supervisor):
    supervisor.start(shell("server", "exit 1"))
    with pytest.raises(Problem, match=r"server ended while starting \(status 1\)"):
        supervisor.wait_until(lambda: False, 20, "The server")


def test_waiting_ends_at_its_time(supervisor):
    with pytest.raises(Problem, match="The server did not become ready within 0 seconds"):
        supervisor.wait_until(lambda: False, 0.2, "The server")


def test_ctrl_c_interrupts_a_wait_and_a_one_shot_program(supervisor):
    timer = later(0.3, os.kill, os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted):
        supervisor.run(shell("long", "exec sleep 60"))
    timer.join()
    assert supervisor.running == []


def test_leftovers_of_a_dead_programs_group_are_ended(supervisor, tmp_path):
    note = tmp_path / "pid"
    supervisor.run(shell("parent", f"sleep 600 & echo $! > {note}"))
    wait_for_end(int(note.read_text()))


def test_what_does_not_stop_is_ended_after_its_patience(capfd):
    with Supervisor({}) as supervisor:
        supervisor.start(shell("stubborn", "trap '' TERM; echo on; while :; do sleep 0.05; done", patience=0.3))
        pump_until(supervisor, lambda: "on" in capfd.readouterr().out)
        process = supervisor.running[0].process
    assert process.returncode == -signal.SIGKILL
    assert "stubborn has not stopped within 0 s; ending it" in capfd.readouterr().out


@pytest.fixture(params=["by hand", "in the background"])
def started(request):
    """A shell leaves SIGQUIT ignored in jobs that end in "&"."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_DFL if request.param == "by hand" else signal.SIG_IGN)
    yield
    signal.signal(signal.SIGQUIT, before)


@pytest.mark.usefixtures("started")
def test_a_second_ctrl_c_hastens(capfd):
    script = "trap '' TERM; trap 'echo hurried; exit 0' QUIT; echo on; while :; do sleep 0.05; done"
    with Supervisor({}) as supervisor:
        supervisor.start(shell("slow", script, patience=60, hasten_signal=signal.SIGQUIT))
        pump_until(supervisor, lambda: "on" in capfd.readouterr().out)
        later(0.2, os.kill, os.getpid(), signal.SIGINT)
        supervisor.run_forever()
        later(0.5, os.kill, os.getpid(), signal.SIGINT)
        began = time.monotonic()
    assert time.monotonic() - began < 20
    assert "hurried" in capfd.readouterr().out


def test_programs_end_with_a_killed_launcher(tmp_path):
    """The kernel tells them: nobody else is left to do so."""
    note = tmp_path / "pid"
    script = (
        "import sys, os, signal\n"
        "from launcher.processes import Program, Supervisor\n"
        "from pathlib import Path\n"
        "with Supervisor({}) as supervisor:\n"
        "    supervisor.start(Program('child', ['sleep', '600']))\n"
        f"    Path({str(note)!r}).write_text(str(supervisor.running[0].process.pid))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    code = subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode
    assert code == -signal.SIGKILL
    wait_for_end(int(note.read_text()))


def test_a_reader_that_went_away_ends_the_run_quietly():
    """`bin/up | head`"""
    script = "from launcher import console; raise SystemExit(console.guarded(talk, []))"
    talk = "def talk(_):\n    while True:\n        console.say('on and on')\n"
    words = [sys.executable, "-c", f"from launcher import console\n{talk}\n{script}"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
