"""This room keeps no rows; its admin is the first page."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

admin.site.index_template = "insights/admin/board.html"
admin.site.index_title = _("看板")
