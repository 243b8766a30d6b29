"""Who brought whom. One inviter for a person, and only somebody who was there before: so no ring can close."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from tenancy.models import Storefront


class InviteCode(models.Model):
    """What stands in a person's link. It stays the same."""

    user = models.OneToOneField(
        User, on_delete=models.PROTECT, primary_key=True, related_name="invite_code", verbose_name=_("用户")
    )
    code = models.CharField(_("邀请码"), max_length=12, unique=True)
    made_at = models.DateTimeField(_("创建时间"))

    class Meta:
        verbose_name = _("邀请码")
        verbose_name_plural = pgettext_lazy("plural", "邀请码")

    def __str__(self) -> str:
        return self.code


class Referral(models.Model):
    """An edge from the one who invited to the one who came. Rewards are copied when they are given."""

    id = models.BigAutoField(primary_key=True)
    invitee = models.OneToOneField(User, on_delete=models.PROTECT, related_name="referral", verbose_name=_("受邀人"))
    inviter = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="referrals", db_index=False, verbose_name=_("邀请人")
    )
    storefront = models.ForeignKey(
        Storefront, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("店铺")
    )
    inviter_joined_at = models.DateTimeField(_("邀请人注册时间"))
    joined_at = models.DateTimeField(_("受邀人注册时间"))
    # When the friend had been active on enough days.
    active_at = models.DateTimeField(_("达标时间"), null=True)
    inviter_points = models.PositiveIntegerField(_("邀请人积分"), default=0)
    invitee_points = models.PositiveIntegerField(_("受邀人积分"), default=0)

    class Meta:
        verbose_name = _("邀请关系")
        verbose_name_plural = pgettext_lazy("plural", "邀请关系")
        constraints = [
            models.CheckConstraint(condition=~Q(inviter=F("invitee")), name="referral_not_oneself"),
            # Everybody is younger than whoever brought them: a closed ring would have to be younger than itself.
            models.CheckConstraint(condition=Q(inviter_joined_at__lt=F("joined_at")), name="referral_never_a_ring"),
            models.CheckConstraint(
                condition=Q(active_at__isnull=False) | Q(inviter_points=0, invitee_points=0),
                name="referral_rewarded_when_active",
            ),
        ]
        indexes = [models.Index(fields=["inviter", "-id"], name="referral_by_inviter")]

    def __str__(self) -> str:
        return f"{self.inviter} → {self.invitee}"
