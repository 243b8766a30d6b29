"""Evidence: pictures are decoded and drawn anew, so that nothing of the uploaded bytes survives, and kept sealed."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from catalog.services.sealing import associated_data, new_data_key, plain_data_key
from common import crypto
from orders.exceptions import BadPicture, TooManyPictures
from orders.models import DisputeMove, DisputePicture, DisputeRules

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 40_000_000
# Enough to read a screenshot of a phone.
LONGEST = 1600
MEGABYTE = 1024 * 1024
TABLE = "orders_disputepicture"


def draw_anew(files: Sequence[BinaryIO], rules: DisputeRules) -> list[tuple[bytes, int, int]]:
    """(WebP, width, height) of each upload. Raises TooManyPictures, BadPicture."""
    if len(files) > rules.max_pictures:
        raise TooManyPictures(most=rules.max_pictures)
    return [_draw(file, rules.max_picture_mb) for file in files]


def _draw(file: BinaryIO, most: int) -> tuple[bytes, int, int]:
    file.seek(0)
    content = file.read(most * MEGABYTE + 1)
    if len(content) > most * MEGABYTE:
        raise BadPicture(most=most)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadPicture(most=most)
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise BadPicture(most=most) from error
    upright.thumbnail((LONGEST, LONGEST))
    out = io.BytesIO()
    upright.save(out, "WEBP", quality=80, method=4)
    return out.getvalue(), upright.width, upright.height


def keep_pictures(move: DisputeMove, drawn: Sequence[tuple[bytes, int, int]], *, at: datetime) -> None:
    """Seal what `draw_anew` made, with the words it came with, under a data key of its own."""
    if not drawn:
        return
    data_key = new_data_key(at=at)
    for content, width, height in drawn:
        picture = DisputePicture.objects.create(move=move, data_key=data_key, sealed=b"", width=width, height=height)
        picture.sealed = crypto.seal(plain_data_key(data_key), content, _bound(picture))
        picture.save(update_fields=["sealed"])


def open_picture(picture: DisputePicture) -> bytes:
    """The WebP itself. Raises DecryptionFailed when the row was tampered with."""
    return crypto.unseal(plain_data_key(picture.data_key), bytes(picture.sealed), _bound(picture))


def _bound(picture: DisputePicture) -> bytes:
    return associated_data(TABLE, picture.pk, None, picture.data_key_id)
