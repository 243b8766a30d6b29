import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections


class Race:
    """Runs calls at the same moment, each in a thread with a database connection of its own."""

    def run(self, *calls: Callable[[], Any]) -> list[Any]:
        """The calls' results, or the exceptions that they raised, in their order."""
        start = threading.Barrier(len(calls))
        results: list[Any] = [None] * len(calls)

        def runner(index: int, call: Callable[[], Any]) -> None:
            try:
                start.wait()
                results[index] = call()
            except Exception as error:
                results[index] = error
            finally:
                connections.close_all()

        threads = [threading.Thread(target=runner, args=pair) for pair in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


@pytest.fixture
def race(transactional_db) -> Race:
    return Race()
