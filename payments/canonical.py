"""The text that most Chinese gateways sign: fields in the order of their names, `k=v` joined by &, values raw."""

from collections.abc import Collection, Mapping


def canonical(fields: Mapping[str, str], *, without: Collection[str], keep_empty: bool = False) -> str:
    """The text over everything but the fields `without`. Empty values are left out unless they are to be kept; the text
    "0" is not empty."""
    return "&".join(
        f"{name}={fields[name]}"
        for name in sorted(fields)
        if name not in without and (keep_empty or fields[name] != "")
    )
