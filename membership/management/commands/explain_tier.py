from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from membership.models import MemberTier
from membership.selectors.explaining import explanation


class Command(BaseCommand):
    help = str(gettext_lazy("说明一位会员为什么处于现在的等级：条件、每条活动是否计入及原因、每次变更的依据"))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("member", metavar="MEMBER", help=_("用户名、邮箱或手机号；或用户编号"))

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["member"].strip()
        if not name:
            raise CommandError(_("请给出会员"))
        match = Q(user__username=name) | Q(user__email=name) | Q(user__phone=name)
        if name.isascii() and name.isdecimal() and len(name) < 18:
            match |= Q(user=int(name))
        members = list(MemberTier.objects.filter(match).select_related("user", "program", "version").order_by("id"))
        if not members:
            raise CommandError(_("没有会员“%(name)s”") % {"name": name})
        if len({member.user_id for member in members}) > 1:
            raise CommandError(_("“%(name)s”对应不止一位会员，请用用户名") % {"name": name})
        for number, member in enumerate(members):
            if number:
                self.stdout.write("")
            for line in explanation(member):
                self.stdout.write(line)
