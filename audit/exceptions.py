from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict


class KeyReused(Conflict):
    """The same idempotency key came with another request."""

    code = "idempotency_key_reused"
    message = _("同一个幂等键不能用于不同的请求")
