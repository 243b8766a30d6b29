"""Whether two accounts are two persons, where an act needs two.

Whoever can make or reset a colleague's account can be that colleague: so for a while, and until its owner has set a password
that nobody else knows, it is no second person to whoever did that, in either direction. Everything that needs four eyes asks
here. What was done to an account is read from the log, which nobody can alter.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from audit.exceptions import NotIndependent, SamePerson
from audit.models import AuditEntry

USER = "accounts.User"
# Acts by which somebody gets hold of an account, or learns how to.
MADE, PASSWORD_GIVEN, FACTORS_LIFTED, RIGHTS = (
    "user.create_staff",
    "user.reset_password",
    "factor.lifted",
    "user.rights",
)
# Its owner has chosen a password.
OWN_PASSWORD = "user.own_password"  # noqa: S105 -- the name of an act
FOR_A_WHILE = timedelta(days=7)


def require_other(first_id: int | None, second: Any) -> None:
    """Raises SamePerson where `second`, a user who turns something down or looks at it, is who acted first."""
    if first_id == second.pk:
        raise SamePerson


def check_two_persons(first_id: int | None, second: Any, *, at: datetime) -> None:
    """Raises SamePerson where `second`, a user who decides now, is who acted first, NotIndependent where one of the two has the
    other's account in hand."""
    require_other(first_id, second)
    if first_id is not None and (
        in_hand(of=first_id, account=second.pk, at=at) or in_hand(of=second.pk, account=first_id, at=at)
    ):
        raise NotIndependent(days=FOR_A_WHILE.days)


def in_hand(*, of: int, account: int, at: datetime) -> bool:
    """Whether `of` made or reset this account lately, or did and its owner has set no password of their own since."""
    told = AuditEntry.objects.filter(target_type=USER, target_id=str(account))
    made_staff = Q(action=RIGHTS, detail__before__staff=False, detail__after__staff=True)
    done = told.filter(Q(action__in=[MADE, PASSWORD_GIVEN, FACTORS_LIFTED]) | made_staff, actor_id=of)
    if done.filter(at__gt=at - FOR_A_WHILE).exists():
        return True
    given = done.filter(action__in=[MADE, PASSWORD_GIVEN]).order_by("-pk").values_list("pk", flat=True).first()
    return given is not None and not told.filter(action=OWN_PASSWORD, actor_id=account, pk__gt=given).exists()
