"""Acts of staff that ask once more who acts, however long the session has been open."""

from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django.urls import reverse


def where_to_say_it_again(request: Any) -> str:
    """Where whoever acts says again who they are, and comes back to this page from; "" for who has done so just now."""
    if did_recently_reauthenticate(request):
        return ""
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': request.path})}"
