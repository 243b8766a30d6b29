"""Reading the differences that statements brought to light."""

from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

from accounts.models import User
from payments.models import ReconciliationCase


def live_cases() -> QuerySet[ReconciliationCase]:
    """Differences from statements that nobody has closed yet."""
    return ReconciliationCase.objects.filter(state__in=ReconciliationCase.LIVE)


def case_workers() -> QuerySet[User]:
    """Staff who may work on differences."""
    mine = Q(codename="work_case", content_type__app_label="payments")
    permitted = Permission.objects.filter(mine)
    held = Q(is_superuser=True) | Q(user_permissions__in=permitted) | Q(groups__permissions__in=permitted)
    return User.objects.filter(held, is_active=True, is_staff=True).distinct().order_by("username")
