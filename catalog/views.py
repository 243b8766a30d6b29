"""The one page of the catalogue's own: covers."""

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

TYPES = {".webp": "image/webp", ".svg": "image/svg+xml"}
# An SVG that is opened by itself is a document: this one may load and run nothing.
LOCKED = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@require_safe
def cover(request: HttpRequest, name: str) -> HttpResponseBase:
    """A cover by its file name. Each cover has a name of its own, so it may be kept for ever."""
    kind = TYPES.get(name[name.rfind(".") :])
    path = f"covers/{name}"
    if kind is None or "/" in name or "\\" in name or name.startswith(".") or not default_storage.exists(path):
        raise Http404
    response = FileResponse(default_storage.open(path), content_type=kind)
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["Content-Security-Policy"] = LOCKED
    response["X-Content-Type-Options"] = "nosniff"
    return response
