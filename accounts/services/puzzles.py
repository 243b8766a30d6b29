"""A sum for the visitor's browser, asked for when a limit is about to refuse: it costs a person nothing and a flood much.

The exchange is ALTCHA's first version (SHA-256 of salt and number), made and checked here, without anybody else's server.
It needs JavaScript: without it the narrow limit stays and fills again with time.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from django.conf import settings

from accounts.exceptions import PuzzleNeeded
from audit.services import Limit, take
from common import clock
from common.crypto import fingerprint
from common.exceptions import TooManyRequests

ALGORITHM = "SHA-256"
LIFE = timedelta(minutes=10)
LONGEST = 2000
SPENT = Limit("puzzle", burst=1, every=LIFE * 2)


@dataclass(frozen=True)
class Door:
    """What visitors may do so often `freely`, and with a solved puzzle each time as often as `solved` says."""

    name: str
    freely: Limit
    solved: Limit


def pass_door(door: Door, *, subject: str, answer: str = "") -> None:
    """Count one passage of `subject`, such as a network address. Not inside a transaction.

    Raises PuzzleNeeded where the free ones are used up and `answer` solves no puzzle of this door, TooManyRequests where
    not even that helps.
    """
    at = clock.now()
    if answer and is_solved(door, answer, at):
        take(door.solved, subject=subject, at=at)
        return
    try:
        take(door.freely, subject=subject, at=at)
    except TooManyRequests as refusal:
        raise PuzzleNeeded(refusal.params["seconds"], puzzle_for(door, at)) from refusal


def puzzle_for(door: Door, at: datetime) -> dict:
    """A new puzzle, as the browser gets it."""
    said = {"expires": int((at + LIFE).timestamp()), "for": door.name}
    salt = f"{secrets.token_hex(12)}?{urlencode(said)}"
    challenge = _challenge(salt, secrets.randbelow(settings.PUZZLE_NUMBERS))
    return {
        "algorithm": ALGORITHM,
        "challenge": challenge,
        "maxnumber": settings.PUZZLE_NUMBERS,
        "salt": salt,
        "signature": _signature(challenge),
    }


def is_solved(door: Door, answer: str, at: datetime) -> bool:
    """Whether this solves a puzzle of ours for this door that is still good and was not used; it is used now."""
    said = _parsed(answer)
    if said is None or said["algorithm"] != ALGORITHM:
        return False
    salt, challenge = said["salt"], said["challenge"]
    meant = dict(parse_qsl(salt.partition("?")[2]))
    if meant.get("for") != door.name or not meant.get("expires", "").isdecimal():
        return False
    ours = hmac.compare_digest(_signature(challenge).encode(), said["signature"].encode())
    if not ours or int(meant["expires"]) < at.timestamp() or _challenge(salt, said["number"]) != challenge:
        return False
    try:
        take(SPENT, subject=challenge, at=at)
    except TooManyRequests:
        return False
    return True


def _parsed(answer: str) -> dict | None:
    """The fields of an answer, each of its kind; None for anything else."""
    if len(answer) > LONGEST or not answer.isascii():
        return None
    try:
        said = json.loads(base64.b64decode(answer, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or type(said.get("number")) is not int:
        return None
    texts = [said.get(name) for name in ("algorithm", "challenge", "salt", "signature")]
    return said if all(isinstance(text, str) and text.isascii() for text in texts) else None


def _challenge(salt: str, number: int) -> str:
    return hashlib.sha256(f"{salt}{number}".encode()).hexdigest()


def _signature(challenge: str) -> str:
    return fingerprint(challenge, "puzzle").hex()
