"""The keys of a WeChat merchant and of the pretended WeChat Pay: its public key, and two certificates for a rotation."""

import base64
import secrets
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox import rsa

YEARS = timedelta(days=5 * 365)


def wechat_keys() -> dict[str, str]:
    merchant, platform = rsa.new_pair(), rsa.new_pair()
    keys = {
        "mchid": "1900000001",
        "app_id": "wx0000000000000001",
        "app_secret": secrets.token_hex(16),
        "api_key": secrets.token_hex(16),
        "merchant_serial": secrets.token_hex(20).upper(),
        "merchant_private": merchant.private,
        "merchant_public": merchant.public,
        "public_key_id": f"PUB_KEY_ID_0{secrets.randbelow(10**30):030}",
        "platform_private": platform.private,
        "platform_public": platform.public,
    }
    for name in ("certificate_1", "certificate_2"):
        pair = rsa.new_pair()
        keys |= {f"{name}_private": pair.private, name: certificate(pair)}
    return keys


def certificate(pair: rsa.Pair, *, until: timedelta = YEARS) -> str:
    """A certificate of the pair, PEM; nobody has signed it but itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandbox of WeChat Pay")])
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa.public(pair.public))
        # As WeChat Pay's own: 40 digits, the first of them no zero.
        .serial_number(int.from_bytes(b"\x5a" + secrets.token_bytes(19), "big"))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + until)
    )
    return builder.sign(rsa.private(pair.private), SHA256()).public_bytes(Encoding.PEM).decode()


def serial_of(pem: str) -> str:
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"


def times_of(pem: str) -> tuple[datetime, datetime]:
    found = x509.load_pem_x509_certificate(pem.encode())
    return found.not_valid_before_utc, found.not_valid_after_utc


def as_pem(bare: str, what: str) -> str:
    """Bare base64 as `what` (PRIVATE KEY, PUBLIC KEY) in lines, for clients that want it so."""
    text = base64.encodebytes(base64.b64decode(bare)).decode()
    return f"-----BEGIN {what}-----\n{text}-----END {what}-----\n"
