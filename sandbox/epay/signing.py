"""The MD5 signature, written here a second time on purpose: see `sandbox/__init__.py`."""

from hashlib import md5
from hmac import compare_digest

UNSIGNED = ("sign", "sign_type")


def signature(fields: dict[str, str], key: str, mode: str = "plain") -> str:
    """Lowercase MD5 of the non-empty fields in order of their names, un-encoded, and the key.

    `mode` "plain" appends the key itself; "key" appends `&key=` first, as some clones do.
    """
    signed = [f"{name}={fields[name]}" for name in sorted(fields) if name not in UNSIGNED and fields[name] != ""]
    text = "&".join(signed) + ("&key=" if mode == "key" else "") + key
    return md5(text.encode("utf-8")).hexdigest()


def signed(fields: dict[str, str], key: str, mode: str = "plain") -> dict[str, str]:
    return {**fields, "sign": signature(fields, key, mode), "sign_type": "MD5"}


def is_signed(fields: dict[str, str], key: str, mode: str = "plain") -> bool:
    if fields.get("sign_type", "MD5") != "MD5":
        return False
    return compare_digest(signature(fields, key, mode).encode(), fields.get("sign", "").encode())
