"""What-ifs: computations of what a draft would do to everybody."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from common.admin import ReadOnlyAdmin, chip, display, when
from membership.models import WhatIf

Status = WhatIf.Status
TONES = {Status.WAITING: "neutral", Status.RUNNING: "info", Status.DONE: "success", Status.FAILED: "danger"}


@admin.register(WhatIf)
class WhatIfAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "state", "policy", "asked_by", "shown_asked", "shown_finished"]
    list_filter = ["status", "version"]
    list_select_related = ["version__program", "asked_by"]
    ordering = ["-id"]
    fields = ["version", "state", "policy", "policy_until", "asked_by", "shown_asked", "shown_finished"]
    readonly_fields = fields

    @display(description=_("状态"), ordering="status")
    def state(self, asked: WhatIf):
        return chip(asked.get_status_display(), TONES[Status(asked.status)])

    @display(description=_("发起时间"), ordering="asked_at")
    def shown_asked(self, asked: WhatIf):
        return when(asked.asked_at)

    @display(description=_("完成时间"))
    def shown_finished(self, asked: WhatIf):
        return when(asked.finished_at) or "–"
