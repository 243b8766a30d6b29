from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict


class KeyReused(Conflict):
    """The same idempotency key came with another request."""

    code = "idempotency_key_reused"
    message = _("刚才已经提交过一次，这次的内容却不同，请核对后再提交")
