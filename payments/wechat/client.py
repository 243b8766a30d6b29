"""Talking to WeChat Pay v3: requests that are signed, answers that are checked, and the certificates that they are checked by."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from common import clock
from payments import rsa
from payments.providers import PlatformKey
from payments.replies import Said, Unreadable, read_object
from payments.transport import Answer, Ask, Exchange, exchange
from payments.wechat.oauth import OfficialAccount
from payments.wechat.signing import KEY_BYTES, BadSignature, authorization, check_signed, unseal_text

PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"
SERIAL_NUMBER = re.compile(r"[0-9A-Fa-f]{1,64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class WechatAccount:
    """A merchant. `serial` is of the merchant's certificate; `platform_keys` are WeChat Pay's own by serial number: its
    public key (PUB_KEY_ID_…) or certificates, or while a merchant moves from one to the other, both."""

    gateway: str
    app_id: str
    merchant_id: str
    serial: str
    private_key: str = field(repr=False)
    api_key: str = field(repr=False)
    platform_keys: Mapping[str, str]
    # None: nobody can pay inside WeChat's own browser.
    official: OfficialAccount | None = None


class WechatClient:
    def __init__(
        self,
        account: WechatAccount,
        *,
        exchange: Exchange = exchange,
        now: Callable[[], datetime] = clock.now,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16).upper(),
        min_bits: int = rsa.MIN_BITS,
    ):
        """Raises payments.rsa.BadKey."""
        self.account = account
        self.exchange = exchange
        self.now = now
        self.nonce = nonce
        self._min_bits = min_bits
        self.key = rsa.private_key(account.private_key, min_bits=min_bits)
        self.platform = {
            serial: rsa.public_key(text, min_bits=min_bits) for serial, text in account.platform_keys.items()
        }
        if len(account.api_key.encode()) != KEY_BYTES:
            raise rsa.BadKey("the APIv3 key has 32 characters")

    def ask(self, method: str, path: str, body: dict | None = None) -> Said:
        """An answer; its fields are {} where there is no body. A yes is signed. Raises NoAnswer, Unreadable."""
        answer = self.call(method, path, body)
        signed = True
        try:
            self.check(answer, self.platform)
        except Unreadable:
            if answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                raise
            signed = False
        return Said(answer.status, read_object(answer.body) if answer.body else {}, signed)

    def check(self, answer: Answer, keys: Mapping[str, RSAPublicKey]) -> None:
        """Raises Unreadable."""
        try:
            check_signed(answer.headers, answer.body, keys, self.now())
        except BadSignature as error:
            raise Unreadable(error.code) from None

    def call(self, method: str, path: str, body: dict | None = None) -> Answer:
        """Raises NoAnswer."""
        text = "" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        base = urlsplit(self.account.gateway)
        header = authorization(
            method=method,
            path=f"{base.path.rstrip('/')}{path}",
            body=text,
            merchant=self.account.merchant_id,
            serial=self.account.serial,
            key=self.key,
            timestamp=int(self.now().timestamp()),
            nonce=self.nonce(),
        )
        headers = {"Authorization": header, "Accept": "application/json", "User-Agent": "kameng"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        public = next((serial for serial in self.platform if serial.startswith(PUBLIC_KEY_PREFIX)), None)
        if public is not None:
            # Asks for an answer that this key has signed.
            headers["Wechatpay-Serial"] = public
        address = f"{self.account.gateway.rstrip('/')}{path}"
        return self.exchange(Ask(method, address, text.encode() if body is not None else None, headers))

    def platform_keys(self) -> list[PlatformKey]:
        """WeChat Pay's own certificates. They are opened by the APIv3 key, and the answer that brought them has to be signed
        by one of them, or by a key that was known before."""
        answer = self.call("GET", "/v3/certificates")
        reply = read_object(answer.body) if answer.body else {}
        if answer.status != HTTPStatus.OK:
            raise Unreadable(reason_of(Said(answer.status, reply)))
        rows = reply.get("data")
        found = [self._certificate(row) for row in (rows if isinstance(rows, list) else [])]
        brought = {one.serial: rsa.public_key(one.pem, min_bits=self._min_bits) for one in found}
        self.check(answer, {**self.platform, **brought})
        return found

    def _certificate(self, row: Any) -> PlatformKey:
        """Raises Unreadable."""
        sealed = row.get("encrypt_certificate") if isinstance(row, dict) else None
        serial = row.get("serial_no") if isinstance(row, dict) else None
        if not isinstance(sealed, dict) or not isinstance(serial, str) or not SERIAL_NUMBER.fullmatch(serial):
            raise Unreadable("certificate")
        try:
            pem = unseal_text(sealed, self.account.api_key)
            certificate = load_pem_x509_certificate(pem.encode())
            rsa.public_key(pem, min_bits=self._min_bits)
        except (BadSignature, ValueError):
            raise Unreadable("certificate") from None
        if f"{certificate.serial_number:X}" != serial.upper().lstrip("0"):
            raise Unreadable("serial")
        return PlatformKey(
            serial=serial,
            pem=pem,
            valid_from=certificate.not_valid_before_utc,
            valid_to=certificate.not_valid_after_utc,
        )


def reason_of(said: Said) -> str:
    """Why WeChat Pay said no, for staff."""
    words = [str(said.fields.get("code", "")), str(said.fields.get("message", ""))]
    return " ".join(filter(None, words)).replace("\0", "")[:200] or f"HTTP {said.status}"
