"""What of people is sealed under a master key: the secrets of second factors, in allauth's rows."""

from allauth.mfa.models import Authenticator

from common.wrapped import SealedPart, register

# The adapter is not told whose secret it is; the label at least keeps it from being read as any other kind.
SEALED_AS = "mfa_authenticator"
for _part in ("secret", "seed"):
    register(
        SealedPart(
            model=Authenticator,
            column="data",
            part=_part,
            label=lambda _row: SEALED_AS,
            sealed_by=("accounts.mfa",),
        )
    )
