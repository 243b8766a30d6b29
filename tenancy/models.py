"""Which shop front a request, an order or a registration belongs to. One row at first: the main shop."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

MAIN_ID = 1


class Storefront(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active", _("营业中")
        PAUSED = "paused", _("已暂停")

    host = models.CharField(_("域名"), max_length=253, unique=True, help_text=_("不含端口；主站留作默认"))
    name = models.CharField(_("名称"), max_length=60)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)
    status = models.CharField(_("状态"), max_length=10, choices=Status, default=Status.ACTIVE)

    class Meta:
        verbose_name = _("店铺")
        verbose_name_plural = pgettext_lazy("plural", "店铺")

    def __str__(self) -> str:
        return self.name

    @property
    def is_main(self) -> bool:
        return self.pk == MAIN_ID
