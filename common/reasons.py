"""Why staff do something: asked for wherever an act is written into the audit log."""

from common.concealing import conceal
from common.exceptions import ReasonNeeded

LONGEST = 200


def read_reason(text: str, *, most: int = LONGEST) -> str:
    """The reason without spaces around it, at most so many characters; codes of cards in it are masked. Raises ReasonNeeded.

    Keys of goods are masked by who knows which order it is about, such as orders.services.concealing.
    """
    reason = conceal(text.strip())[:most].strip()
    if not reason:
        raise ReasonNeeded
    return reason
