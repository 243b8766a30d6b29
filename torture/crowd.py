"""Operating-system processes, each with a Django and a database connection of its own, that do things at the same moment."""

import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import django
from django.db import connection

PATIENCE = 60.0
Act = tuple[Callable[..., Any], tuple]


class Crowd:
    """Use as a context manager. The processes stay for many rounds."""

    def __init__(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.barrier = context.Barrier(number)
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self.barrier), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> "Crowd":
        for pipe in self._pipes:
            pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.send(None)
            pipe.close()
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.kill()

    def __len__(self) -> int:
        return len(self._pipes)

    def together(self, acts: Sequence[Act]) -> list[Any]:
        """Do these, functions of a module with their arguments, one in each process and all at once.

        The answers in their order; instead of one that raised, the name of what it raised after "!".
        """
        for number, pipe in enumerate(self._pipes):
            # Who has nothing to do still comes to the barrier.
            pipe.send(acts[number] if number < len(acts) else (_nothing, ()))
        answers = []
        for pipe in self._pipes:
            if not pipe.poll(PATIENCE):
                raise TimeoutError("a process of the crowd has not answered; two wait for each other")
            answers.append(pipe.recv())
        return answers[: len(acts)]


def _nothing() -> None:
    pass


def _serve(pipe: Connection, barrier: Any) -> None:
    django.setup()
    connection.ensure_connection()
    pipe.send("ready")
    while True:
        try:
            wanted = pipe.recv()
        except EOFError:
            break
        if wanted is None:
            break
        act, arguments = wanted
        barrier.wait(PATIENCE)
        try:
            answer = act(*arguments)
        except Exception as error:
            # The race is about who is refused how: the name says that.
            answer = f"!{type(error).__name__}"
        pipe.send(answer)
    connection.close()
