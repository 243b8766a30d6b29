"""How often a password may be guessed: by whoever asks, for whomever, through whichever door.

Kept in the database, so that it holds while Redis is down. The narrow limit is for a name from one address; the limit
for a name from everywhere is wide, because with it a stranger could keep its owner out.
"""

from collections.abc import Iterator
from datetime import timedelta

from accounts.exceptions import WrongPassword
from accounts.models import User
from accounts.names import plain_name
from accounts.services.locking import Door, check_unlocked, note_try
from audit.services import Limit, give_back, take
from common import clock
from common.addresses import counted_as

BY_NAME_AND_ADDRESS = Limit("sign in: name and address", burst=5, every=timedelta(minutes=1))
BY_ADDRESS = Limit("sign in: address", burst=30, every=timedelta(seconds=6))
BY_NAME = Limit("sign in: name", burst=100, every=timedelta(seconds=36))


def count_try(*, name: str, address: str) -> None:
    """Count a try to sign in before its password is looked at. Raises TooManyRequests, SignInLocked. Not inside a transaction."""
    at = clock.now()
    check_unlocked(name=name, address=address, at=at)
    for limit, subject in _limits(name, address):
        take(limit, subject=subject, at=at)


def forgive_try(*, name: str, address: str, door: str, user: User) -> None:
    """The password was right: only wrong ones count."""
    for limit, subject in _limits(name, address):
        give_back(limit, subject=subject)
    note_try(name=name, address=address, door=door, user=user)


def note_wrong_try(*, name: str, address: str, door: str) -> None:
    """The password was wrong. Too many of these shut the door, see accounts.services.locking."""
    note_try(name=name, address=address, door=door, user=None)


def _limits(name: str, address: str) -> Iterator[tuple[Limit, str]]:
    name, address = plain_name(name).casefold(), counted_as(address)
    yield BY_NAME_AND_ADDRESS, f"{address} {name}"
    yield BY_ADDRESS, address
    yield BY_NAME, name


def check_password_again(*, user: User, password: str, address: str) -> None:
    """Whether somebody who is signed in knows the password. Raises WrongPassword, TooManyRequests. Not inside a transaction."""
    name = user.get_username()
    count_try(name=name, address=address)
    if not user.check_password(password):
        note_wrong_try(name=name, address=address, door=Door.AGAIN)
        raise WrongPassword
    forgive_try(name=name, address=address, door=Door.AGAIN, user=user)
