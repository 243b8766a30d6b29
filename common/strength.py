"""Whether a secret is one that others could know or guess. Asked at start, so this imports nothing of Django's settings.

What is random passes: the limits are far from what chance makes of the tokens that README.md says how to make.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping

# Bits of guessing that are the least for what signs and seals.
LEAST_BITS = 100
# What stands in examples, in this project's own and in those of others, and in what people type for want of a better word.
KNOWN = (
    "development",
    "django-insecure",
    "change-me",
    "changeme",
    "change_me",
    "example",
    "placeholder",
    "your-",
    "your_",
    "replace",
    "secret_key",
    "secret-key",
    "secretkey",
    "password",
    "passw0rd",
    "qwerty",
    "letmein",
    "only-for-tests",
    "random characters",
    "letters and digits",
    "secrets.token",
    "python",
)
# Passwords of servers as their manuals, images and examples give them.
KNOWN_PASSWORDS = {
    "admin",
    "changeme",
    "default",
    "foobared",
    "guest",
    "kameng",
    "password",
    "postgres",
    "postgresql",
    "redis",
    "root",
    "secret",
    "test",
    "valkey",
}
LEAST_PASSWORD = 12
# The beginnings of pi, e, the square root of two and the golden ratio.
KNOWN_NUMBERS = ("31415926", "27182818", "14142135", "16180339")
# What people write for a letter.
_LEET = str.maketrans("@4301!$57", "aaeoiisst")
# So many characters do not come twice in what is random, by far: once in a million tokens in hexadecimal.
LONGEST_TWICE = 8
# Pairs of letters that make up half of what is written in English or pinyin, and an eighth of what chance writes.
_PAIRS = (
    "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic ne"
    " ea ra ce li ch ll be ma si om ur pr ke ey sc pe us sh zh ao ia ua ai ei op ho am ge ca rd ig gn fo ou ut et wo ss"
)
# What chance does less often is no chance. Random tokens, also those of letters only, stay far above it.
LEAST_CHANCE = 1e-6
_COMMON = set(_PAIRS.split())
_KNOWN_PARTS = re.compile("|".join(sorted(map(re.escape, {*KNOWN, *KNOWN_PASSWORDS}), key=len, reverse=True)))


def weakness(value: str, *, least: int) -> str:
    """Why `value` cannot be the secret that it is meant to be, without a word of it; empty for a good one."""
    if not value:
        return "is missing"
    if len(value) < least:
        return f"is shorter than {least} characters"
    if any(word in form for word in KNOWN for form in _plain_forms(value)):
        return "holds words of an example or default"
    if any(not character.isprintable() for character in value):
        return "holds characters that cannot be seen"
    if _speaks(value):
        return "is made of words: it must be random"
    if min(_packed_bits(value), _distinct_bits(value)) < LEAST_BITS or _climbs(value) or _says_twice(value):
        return "is too regular: it must be random"
    digits = "".join(character for character in value if character.isdigit())
    if any(number in digits for number in KNOWN_NUMBERS):
        return "is a number that everybody knows"
    return ""


def key_weakness(key: bytes) -> str:
    """The same for the bytes of a key."""
    if len(set(key)) < len(key) // 2:
        return "repeats few bytes"
    if all(32 <= byte < 127 for byte in key):
        return "is text: it must be random bytes"
    if _climbs(key.decode("latin-1")) or _strides(key):
        return "is too regular"
    return ""


def password_weakness(value: str) -> str:
    """The same for the password of a server in a network of ours. An empty one is for the server to judge."""
    if not value:
        return ""
    forms = _plain_forms(value)
    if not KNOWN_PASSWORDS.isdisjoint(forms):
        return "is a well-known default"
    if len(value) < LEAST_PASSWORD:
        return f"is shorter than {LEAST_PASSWORD} characters"
    if any(len(_KNOWN_PARTS.sub("", form)) < LEAST_PASSWORD and _KNOWN_PARTS.search(form) for form in forms):
        return "is a well-known default with something added"
    if len(set(value)) < 4 or value in (value + value)[1:-1] or _climbs(value):
        return "is too regular"
    return ""


def shared(secrets: Mapping[str, str]) -> tuple[str, str] | None:
    """The names of two secrets that are one, or of which one holds the other; None where all stand by themselves."""
    named = [(name, value) for name, value in secrets.items() if value]
    for position, (name, value) in enumerate(named):
        for other, another in named[position + 1 :]:
            if value in another or another in value:
                return name, other
    return None


def ring_names(ring: str) -> list[str]:
    """The names of the master keys in KEY_RING. A part without a colon has lost its name and would be the key: left out."""
    parts = [part.strip().partition(":") for part in ring.split(",")]
    return [name for name, colon, _ in parts if colon and name]


def ring_keys(ring: str) -> dict[str, str]:
    """ "KEY_RING name" → the key as text."""
    parts = [part.strip().partition(":") for part in ring.split(",")]
    return {f"KEY_RING {name}": key for name, colon, key in parts if colon and key}


def _packed_bits(value: str) -> int:
    """What a packer makes of it, less what it spends on any text: repetitions and runs cost nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return 8 * (len(packer.compress(value.encode()) + packer.flush()) - 3)


def _distinct_bits(value: str) -> float:
    return len(value) * math.log2(len(set(value)))


def _speaks(value: str) -> bool:
    """Whether it is words of a language: much of it in runs of letters that follow each other as they do in words."""
    runs = re.findall(r"[a-z]{4,}|[A-Z][a-z]{3,}|[A-Z]{4,}", value)
    pairs = [run[at : at + 2].lower() for run in runs for at in range(len(run) - 1)]
    if sum(map(len, runs)) < 0.4 * len(value):
        return False
    return _chance_of(sum(pair in _COMMON for pair in pairs), len(pairs)) < LEAST_CHANCE


def _chance_of(hits: int, draws: int) -> float:
    """How often chance, which writes every eighth pair as words have it, comes to so many or more."""
    return sum(math.comb(draws, more) * 7 ** (draws - more) for more in range(hits, draws + 1)) / 8**draws


def _plain_forms(value: str) -> tuple[str, str]:
    """In small letters, as it is and with letters for the signs that people write instead."""
    small = value.lower()
    return small, small.translate(_LEET)


def _says_twice(value: str) -> bool:
    """Whether it says something again: a word set behind itself, dates of one year, rows of a keyboard that begin anew."""
    parts = [value[at : at + LONGEST_TWICE] for at in range(len(value) - LONGEST_TWICE + 1)]
    return len(set(parts)) < len(parts)


def _strides(key: bytes) -> bool:
    """Whether many of its bytes follow each other by the same step: 0, 2, 4, 6; or 16 zeros."""
    steps = Counter((after - before) % 256 for before, after in zip(key, key[1:], strict=False))
    return max(steps.values(), default=0) * 4 >= len(key)


def _climbs(value: str) -> bool:
    """Whether half of it are neighbours of their neighbours: "abcdef", "987654"."""
    steps = [ord(after) - ord(before) for before, after in zip(value, value[1:], strict=False)]
    return sum(step in (-1, 1) for step in steps) * 2 >= max(len(steps), 1)
