"""How often a password may be guessed: by whoever asks, for whomever, through whichever door.

Kept in the database, so that it holds while Redis is down. Who guesses is counted by address, whose password by account,
under whichever of its names. Wrong tries from everywhere never shut an account: strangers could keep its owner out. They
make a further try cost work (a solved puzzle), or be the only one that its address has for a while.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from accounts.exceptions import PuzzleNeeded, WrongPassword
from accounts.models import User
from accounts.services.locking import Door, account_key, check_unlocked, note_try
from accounts.services.puzzles import Door as PuzzleDoor
from accounts.services.puzzles import is_solved, puzzle_for
from audit.services import Limit, give_back, take
from common import clock
from common.addresses import counted_as
from common.exceptions import TooManyRequests

BY_NAME_AND_ADDRESS = Limit("sign in: name and address", burst=5, every=timedelta(minutes=1))
BY_ADDRESS = Limit("sign in: address", burst=30, every=timedelta(seconds=6))
# Of an account, from everywhere: `freely` for all addresses together, then `once` for each.
FREELY = Limit("sign in: name, freely", burst=20, every=timedelta(minutes=3))
ONCE = Limit("sign in: name and address, unsolved", burst=1, every=timedelta(minutes=10))
SIGN_IN = PuzzleDoor("sign in", freely=FREELY, solved=BY_NAME_AND_ADDRESS)
# Whoever is signed in is no stranger: an open session guesses by itself, wherever it comes from.
IN_SESSION = Limit("asked again: user", burst=20, every=timedelta(minutes=3))


def count_try(*, name: str, address: str, answer: str = "") -> None:
    """Count a try to sign in before its password is looked at. `answer` solves the puzzle of an earlier refusal.

    Raises TooManyRequests, SignInLocked, PuzzleNeeded. Not inside a transaction.
    """
    at, key = clock.now(), account_key(name)
    check_unlocked(key=key, address=address, at=at)
    narrow = list(_narrow(key, address))
    _take_all(narrow, at)
    try:
        _pass(key, counted_as(address), answer, at)
    except PuzzleNeeded:
        # Its password was not looked at.
        _give_back(narrow)
        raise


def _pass(key: str, counted: str, answer: str, at: datetime) -> None:
    if answer and is_solved(SIGN_IN, answer, at):
        return
    try:
        take(FREELY, subject=key, at=at)
    except TooManyRequests:
        try:
            take(ONCE, subject=f"{counted} {key}", at=at)
        except TooManyRequests as refusal:
            raise PuzzleNeeded(refusal.params["seconds"], puzzle_for(SIGN_IN, at)) from refusal


def forgive_try(*, name: str, address: str, door: str, user: User) -> None:
    """The password was right: only wrong ones count."""
    key = account_key(name)
    _give_back([*_narrow(key, address), (FREELY, key), (ONCE, f"{counted_as(address)} {key}")])
    note_try(name=name, address=address, door=door, user=user)


def note_wrong_try(*, name: str, address: str, door: str) -> None:
    """The password was wrong. Too many of these shut the door, see accounts.services.locking."""
    note_try(name=name, address=address, door=door, user=None)


def check_password_again(*, user: User, password: str, address: str) -> None:
    """Whether somebody who is signed in knows the password. Raises WrongPassword, TooManyRequests. Not inside a transaction."""
    name = user.get_username()
    count_again(user=user, address=address)
    if not user.check_password(password):
        note_wrong_try(name=name, address=address, door=Door.AGAIN)
        raise WrongPassword
    forgive_again(user=user, address=address)


def count_again(*, user: User, address: str) -> None:
    """Count a try of somebody who is signed in. Raises TooManyRequests, SignInLocked. Not inside a transaction."""
    at, key = clock.now(), account_key(user.get_username())
    check_unlocked(key=key, address=address, at=at)
    _take_all([*_narrow(key, address), (IN_SESSION, key)], at)


def forgive_again(*, user: User, address: str) -> None:
    """It was the right password."""
    name = user.get_username()
    key = account_key(name)
    _give_back([*_narrow(key, address), (IN_SESSION, key)])
    note_try(name=name, address=address, door=Door.AGAIN, user=user)


def _narrow(key: str, address: str) -> Iterator[tuple[Limit, str]]:
    counted = counted_as(address)
    yield BY_NAME_AND_ADDRESS, f"{counted} {key}"
    yield BY_ADDRESS, counted


def _take_all(limits: list[tuple[Limit, str]], at: datetime) -> None:
    for limit, subject in limits:
        take(limit, subject=subject, at=at)


def _give_back(limits: list[tuple[Limit, str]]) -> None:
    for limit, subject in limits:
        give_back(limit, subject=subject)
