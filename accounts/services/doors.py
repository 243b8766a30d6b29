"""Doors that visitors pass freely for a while, and then with a solved puzzle; and forms that stand behind one."""

import json
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError

from accounts.exceptions import PuzzleNeeded
from accounts.services.puzzles import Door, pass_door
from audit.services import Limit
from common.exceptions import DomainError

REGISTER = Door(
    "register",
    freely=Limit("register", burst=5, every=timedelta(minutes=10)),
    solved=Limit("register, solved", burst=30, every=timedelta(minutes=2)),
)
RESET = Door(
    "reset",
    freely=Limit("reset mail", burst=5, every=timedelta(minutes=5)),
    solved=Limit("reset mail, solved", burst=20, every=timedelta(minutes=2)),
)


class AtDoor:
    """Mixed into a form behind a door: `puzzle` is what the page shows when the door asks for one."""

    puzzle: dict[str, Any] | None = None

    def go_through(self, door: Door, subject: str) -> None:
        """Raises Django's ValidationError."""
        try:
            pass_door(door, subject=subject, answer=self.data.get("puzzle", ""))
        except PuzzleNeeded as error:
            self.puzzle = error.puzzle
            raise refused(error) from error
        except DomainError as error:
            raise refused(error) from error

    @property
    def puzzle_text(self) -> str:
        return json.dumps(self.puzzle)


def through(door: Door, form: Any, *, subject: str) -> bool:
    """Whether a form that has been checked may go on; where not, it says why."""
    try:
        form.go_through(door, subject)
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True


def refused(error: DomainError) -> ValidationError:
    """A refusal as forms tell it."""
    return ValidationError(str(error), code=error.code, params=error.params)
