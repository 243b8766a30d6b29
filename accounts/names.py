"""What a user name may look like: what an eye takes for one name is one name.

Names are stored in NFKC, so that ａｄｍｉｎ is admin. Of letters there are Chinese and ASCII ones only: the Cyrillic а
would make another "admin", and no Chinese keyboard types it. So the database's LOWER is all that case needs.
"""

import unicodedata

from django.core.validators import RegexValidator
from django.utils.deconstruct import deconstructible
from django.utils.translation import gettext_lazy as _


def plain_name(typed: str) -> str:
    """A typed name as it is stored and looked for."""
    return unicodedata.normalize("NFKC", typed).strip()


@deconstructible
class NameValidator(RegexValidator):
    regex = r"\A[A-Za-z0-9_.@+々〇㐀-䶿一-鿿\U00020000-\U0003ffff-]+\Z"
    message = _("用户名只能由汉字、英文字母、数字和 @ . + - _ 组成")
