"""Staff at the admin: signed-in clients with chosen permissions, and acts driven through their steps."""

import re
from html import unescape
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from common import clock


def staff(name: str, *permissions: str) -> User:
    """A member of staff who holds exactly these permissions, each like "orders.view_order"."""
    user = User.objects.create_user(name, "tea-and-keys-9", is_staff=True, date_joined=clock.now())
    wanted = set(permissions)
    codenames = [permission.split(".")[1] for permission in wanted]
    found = Permission.objects.filter(codename__in=codenames).select_related("content_type")
    held = {name: one for one in found if (name := f"{one.content_type.app_label}.{one.codename}") in wanted}
    assert held.keys() == wanted, f"no such permissions: {wanted - held.keys()}"
    user.user_permissions.add(*held.values())
    return user


def at_desk(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def says_it_again(client: Client) -> Client:
    """Has just proven once more who is there, as some acts want it."""
    answer = client.post("/account/reauthenticate/", {"password": "tea-and-keys-9"})
    assert answer.status_code == 302, text_of(answer)
    return client


def text_of(answer: Any) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", answer.content.decode()))


class Act:
    """An act with a preview, step by step, carrying the hidden fields of each page on like a browser.

    `Act(client, address).fill(reason="…").confirm()`; `page` is the newest answer, `text` its body.
    """

    def __init__(self, client: Client, address: str, **posted: Any) -> None:
        self.client, self.address = client, address
        self.page = client.post(address, posted) if posted else client.get(address)

    @property
    def text(self) -> str:
        return self.page.content.decode()

    def fill(self, **fields: Any) -> "Act":
        """Fill in the form and go on to the preview."""
        self.page = self.client.post(self.address, {**self._hidden(), **fields})
        return self

    def confirm(self, **tampered: Any) -> "Act":
        """Press the last button; `tampered` replaces hidden fields."""
        self.page = self.client.post(self.address, {**self._hidden(), **tampered})
        return self

    def done(self) -> str:
        """Follow to where the act leads, and the sentence that is shown there."""
        assert self.page.status_code == 302, self.text
        page = self.client.get(self.page["Location"])
        return " ".join(str(message) for message in page.context["messages"])

    def _hidden(self) -> dict[str, list[str]]:
        fields: dict[str, list[str]] = {}
        form = re.search(r'<form method="post" id="confirm-form".*?</form>', self.text, re.S)
        assert form, "no form to send: " + re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", self.text))[:500]
        for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form.group()):
            if name != "csrfmiddlewaretoken":
                fields.setdefault(name, []).append(unescape(value))
        return fields
