"""Why staff do something: asked for wherever an act is written into the audit log."""

from common.exceptions import ReasonNeeded

LONGEST = 200


def read_reason(text: str, *, most: int = LONGEST) -> str:
    """The reason without spaces around it, at most so many characters. Raises ReasonNeeded."""
    reason = text.strip()[:most]
    if not reason:
        raise ReasonNeeded
    return reason
