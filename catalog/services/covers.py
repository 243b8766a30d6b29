"""Covers: pictures are decoded and written anew, drawings must consist of nothing but shapes and words."""

import io
import re
import secrets
from typing import BinaryIO
from xml.etree import ElementTree

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps, UnidentifiedImageError

from accounts.models import User
from audit.services import record
from catalog.models import Product
from common import clock
from common.exceptions import BadInput

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 40_000_000
SIZE = (960, 720)
FORMATS = ("PNG", "JPEG", "WEBP")
MAX_DRAWING = 64 * 1024
SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "g", "rect", "circle", "ellipse", "path", "line", "polygon", "polyline", "text", "tspan", "title"}
ATTRIBUTES = {
    *("viewBox", "width", "height", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "d", "points"),
    *("fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin", "opacity", "fill-opacity", "fill-rule"),
    *("clip-rule", "transform", "font-family", "font-size", "font-weight", "text-anchor"),
}
# No address in any value: neither url(…) nor a scheme.
ADDRESS = re.compile(r"url\s*\(|[a-z][a-z0-9+.-]*\s*:", re.IGNORECASE)

_NOT_A_PICTURE = _("请上传 PNG、JPEG、WebP 图片，或只含图形和文字的 SVG，不超过 8 MB")


def prepare(file: BinaryIO) -> tuple[str, bytes]:
    """File ending and content of what would be stored for an upload. Raises BadInput."""
    file.seek(0)
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise BadInput("bad_cover", _NOT_A_PICTURE)
    return ("svg", check_drawing(content)) if b"<svg" in content[:1000] else ("webp", redraw(content))


def set_cover(*, product: Product, file: BinaryIO, actor: User | None = None) -> Product:
    """Give a product this cover. Raises BadInput for anything but a picture or a plain drawing."""
    ending, clean = prepare(file)
    with transaction.atomic():
        at = clock.now()
        # A new name for every cover, so that caches may keep each for ever.
        product.cover.save(f"{product.slug[:40]}-{secrets.token_hex(4)}.{ending}", ContentFile(clean), save=False)
        product.updated_at = at
        product.save(update_fields=["cover", "updated_at"])
        record(action="product.cover", at=at, actor=actor, target=product, detail={"file": product.cover.name})
    return product


def redraw(content: bytes) -> bytes:
    """The picture as WebP, cut to 4:3 around its middle: nothing of the uploaded bytes survives. Raises BadInput."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadInput("bad_cover", _NOT_A_PICTURE)
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            fitted = ImageOps.fit(upright, SIZE if upright.width >= SIZE[0] else _within(upright))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise BadInput("bad_cover", _NOT_A_PICTURE) from error
    out = io.BytesIO()
    fitted.save(out, "WEBP", quality=84, method=5)
    return out.getvalue()


def _within(picture: Image.Image) -> tuple[int, int]:
    """The largest 4:3 size that needs no enlarging."""
    width = min(picture.width, picture.height * 4 // 3)
    return max(4, width), max(3, width * 3 // 4)


def check_drawing(content: bytes) -> bytes:
    """An SVG of shapes and words, written anew. Raises BadInput for scripts, styles, links, and whatever is not listed."""
    if len(content) > MAX_DRAWING or b"<!" in content:
        raise BadInput("bad_cover", _NOT_A_PICTURE)
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise BadInput("bad_cover", _NOT_A_PICTURE) from error
    if root.tag != f"{SVG}svg" or not all(_is_plain(element) for element in root.iter()):
        raise BadInput("bad_cover", _NOT_A_PICTURE)
    ElementTree.register_namespace("", SVG[1:-1])
    return ElementTree.tostring(root, encoding="utf-8")


def _is_plain(element: ElementTree.Element) -> bool:
    tag = element.tag if isinstance(element.tag, str) else ""
    return (
        tag.removeprefix(SVG) in SHAPES
        and tag.startswith(SVG)
        and set(element.attrib) <= ATTRIBUTES
        and not any(ADDRESS.search(value) for value in element.attrib.values())
    )
