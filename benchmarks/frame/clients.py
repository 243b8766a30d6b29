"""Processes with a Django and a database connection each, that work through what they are given at the same time."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import django


@dataclass(frozen=True)
class Work:
    """What one client did: when it began and ended, how long each item took, in seconds, and what was answered if anything."""

    began: float
    ended: float
    took: list[float]
    answers: list[Any]


def rate(done: Sequence[Work]) -> float:
    """Items a second, from the first client's begin to the last one's end."""
    return sum(len(work.took) for work in done) / (max(one.ended for one in done) - min(one.began for one in done))


class Clients:
    """Use as a context manager. The processes stay for many rounds, so that none of them measures its own start."""

    def __init__(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> "Clients":
        for pipe in self._pipes:
            pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()

    def __len__(self) -> int:
        return len(self._pipes)

    def work(self, act: Callable[[Any], object], batches: Sequence[Sequence[Any]]) -> list[Work]:
        """Each client calls `act`, a function of a module, with every item of its batch. Raises what one of them raised."""
        for pipe, batch in zip(self._pipes, batches, strict=True):
            pipe.send((act, batch))
        found = [pipe.recv() for pipe in self._pipes]
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return found


def _serve(pipe: Connection) -> None:
    django.setup()
    pipe.send("ready")
    while True:
        try:
            act, batch = pipe.recv()
        except EOFError:
            return
        pipe.send(_worked(act, batch))


def _worked(act: Callable[[Any], object], batch: Sequence[Any]) -> Work | Exception:
    took, answers = [], []
    began = last = time.perf_counter()
    try:
        for item in batch:
            answer = act(item)
            now = time.perf_counter()
            took.append(now - last)
            last = now
            if answer is not None:
                answers.append(answer)
    except Exception as error:
        # Whatever it is, the parent has to hear of it: it waits.
        return error
    return Work(began, last, took, answers)
