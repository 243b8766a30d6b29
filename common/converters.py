"""Path converters for addresses."""

from django.urls.converters import StringConverter

from common.ids import PUBLIC_ID_LENGTH


class PublicIdConverter(StringConverter):
    """A public id in its exact shape: nothing else reaches the database."""

    regex = rf"[A-Za-z0-9_-]{{{PUBLIC_ID_LENGTH}}}"
