import pytest
from rest_framework.test import APIClient

from accounts.services import issue_token


class Caller:
    """Somebody with a token, or nobody. Bodies are JSON; answers are (status, body)."""

    def __init__(self, user=None):
        self.user = user
        self.client = APIClient(raise_request_exception=False)
        if user is not None:
            self.token = issue_token(user=user, name="test").text
            self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.token}")

    def __call__(self, method: str, path: str, body=None, **headers: str) -> tuple[int, dict | None]:
        answer = self.raw(method, path, body, **headers)
        return answer.status_code, answer.json() if answer.content else None

    def raw(self, method: str, path: str, body=None, **headers: str):
        """The whole answer. `headers` with underscores: idempotency_key="…"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method,
            f"/api{path}",
            body if isinstance(body, bytes) else self.client._encode_data(body, "json")[0] if body is not None else b"",
            content_type=named.pop("content-type", "application/json"),
            headers=named,
        )

    def get(self, path: str, **headers: str):
        return self("GET", path, **headers)

    def post(self, path: str, body=None, **headers: str):
        return self("POST", path, {} if body is None else body, **headers)

    def place(self, sku, quantity: int = 1, key: str = "a-key-for-this-order", **more):
        body = {"items": [{"sku": sku.public_id, "quantity": quantity, **more.pop("item", {})}], **more}
        return self.post("/orders/", body, idempotency_key=key)


@pytest.fixture
def nobody(db) -> Caller:
    return Caller()


@pytest.fixture
def as_alice(alice) -> Caller:
    return Caller(alice)


@pytest.fixture
def as_bob(bob) -> Caller:
    return Caller(bob)
