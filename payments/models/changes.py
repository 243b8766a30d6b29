"""What somebody wants a channel to become, until a second person agrees (渠道变更)."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from audit.models import Approval
from payments.models.paying import Channel


class ChannelChange(models.Model):
    """The approval's detail has what is to change, as `payments.services.channel_changes` writes it; new secrets are sealed
    here, while it waits."""

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="changes", verbose_name=_("支付渠道"))
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="+", verbose_name=_("复核申请"))
    credentials = models.TextField(_("密钥"), blank=True, editable=False)

    class Meta:
        verbose_name = _("渠道变更")
        verbose_name_plural = pgettext_lazy("plural", "渠道变更")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"#{self.approval_id}"
