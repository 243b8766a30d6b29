"""Recharge and gift cards (充值卡、礼品卡): a code that turns into balance once.

A code is stored as a keyed hash. Its text lies sealed with its batch until it leaves once: in one file, or into the stock
of one SKU; after that nobody can read it here again.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.constraints import apart
from common.ids import public_id

MOST_CARDS = 10_000


class CardBatch(models.Model):
    class Kind(models.TextChoices):
        RECHARGE = "recharge", _("充值卡")
        GIFT = "gift", _("礼品卡")

    class State(models.TextChoices):
        WAITING = "waiting", _("待复核")
        ISSUED = "issued", _("已发行")
        REFUSED = "refused", _("已驳回")

    MOVES = {State.WAITING: {State.ISSUED, State.REFUSED}, State.ISSUED: set(), State.REFUSED: set()}

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    name = models.CharField(_("名称"), max_length=60)
    kind = models.CharField(_("种类"), max_length=10, choices=Kind, default=Kind.RECHARGE)
    face_value = models.DecimalField(_("面值"), max_digits=10, decimal_places=2)
    count = models.PositiveIntegerField(_("数量"))
    expires_at = models.DateTimeField(_("兑换截止"), null=True, blank=True)
    wording = models.CharField(_("卡面文字"), max_length=200, blank=True)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.WAITING)
    needs_review = models.BooleanField(_("需要复核"), default=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("制卡人"))
    created_at = models.DateTimeField(_("创建时间"))
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("复核人")
    )
    decided_at = models.DateTimeField(_("复核时间"), null=True)
    issued_at = models.DateTimeField(_("发行时间"), null=True)
    # Every code of the batch, in the order of the numbers; empty before they are made and once they have left for good.
    sealed_codes = models.TextField(_("密文"), blank=True, editable=False)

    class Meta:
        verbose_name = _("卡券批次")
        verbose_name_plural = pgettext_lazy("plural", "卡券批次")
        ordering = ["-id"]
        permissions = [
            ("issue_cards", _("制作充值卡和礼品卡")),
            ("review_cards", _("复核制卡")),
            ("export_cards", _("申请导出卡号")),
            ("release_cards", _("批准导出卡号")),
            ("stock_cards", _("把卡券放入商品库存")),
            ("void_cards", _("作废卡券")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(face_value__gt=0),
                name="card_batch_face_value",
                violation_error_message=_("面值必须大于零"),
            ),
            models.CheckConstraint(
                condition=Q(count__gte=1, count__lte=MOST_CARDS),
                name="card_batch_count",
                violation_error_message=_("一批 1 到 10000 张"),
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None, decided_at=None)
                | Q(apart("decided_by", "created_by"), decided_at__isnull=False),
                name="card_batch_second_person",
                violation_error_message=_("复核人不能是制卡人"),
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", needs_review=True, decided_at=None, issued_at=None)
                | Q(state="refused", decided_at__isnull=False, issued_at=None)
                | Q(Q(state="issued", issued_at__isnull=False), Q(needs_review=False) | Q(decided_at__isnull=False)),
                name="card_batch_issued_when_reviewed",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Card(models.Model):
    class State(models.TextChoices):
        ISSUED = "issued", _("未兑换")
        REDEEMED = "redeemed", _("已兑换")
        VOIDED = "voided", _("已作废")
        EXPIRED = "expired", _("已过期")

    MOVES = {
        State.ISSUED: {State.REDEEMED, State.VOIDED, State.EXPIRED},
        State.EXPIRED: {State.VOIDED},
        # Staff took its balance back.
        State.REDEEMED: {State.VOIDED},
        State.VOIDED: set(),
    }

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(
        CardBatch, on_delete=models.PROTECT, related_name="cards", db_index=False, verbose_name=_("卡券批次")
    )
    number = models.PositiveIntegerField(_("序号"))
    digest = models.BinaryField(_("摘要"), max_length=32, unique=True, editable=False)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.ISSUED)
    redeemed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="cards", verbose_name=_("兑换人")
    )
    redeemed_at = models.DateTimeField(_("兑换时间"), null=True)

    class Meta:
        verbose_name = _("卡券")
        verbose_name_plural = pgettext_lazy("plural", "卡券")
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="card_number_once_per_batch"),
            models.CheckConstraint(
                condition=Q(state="redeemed", redeemed_by__isnull=False, redeemed_at__isnull=False)
                | Q(~Q(state="redeemed"), redeemed_by=None, redeemed_at=None),
                name="card_redeemed_has_member",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}-{self.number:05d}"


class CardMove(models.Model):
    """One change of a card's state."""

    id = models.BigAutoField(primary_key=True)
    card = models.ForeignKey(Card, on_delete=models.PROTECT, related_name="moves", verbose_name=_("卡券"))
    from_state = models.CharField(_("原状态"), max_length=10, choices=Card.State)
    to_state = models.CharField(_("新状态"), max_length=10, choices=Card.State)
    at = models.DateTimeField(_("时间"))
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    note = models.CharField(_("备注"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("卡券状态记录")
        verbose_name_plural = pgettext_lazy("plural", "卡券状态记录")

    def __str__(self) -> str:
        return f"{self.card_id}: {self.from_state} → {self.to_state}"


MOST_FETCHES = 3


class CardRelease(models.Model):
    """The one way out of a batch's codes: a file that two people let go, or the stock of a SKU."""

    class Way(models.TextChoices):
        FILE = "file", _("导出文件")
        STOCK = "stock", _("放入库存")

    class State(models.TextChoices):
        ASKED = "asked", _("待批准")
        APPROVED = "approved", _("待下载")
        DONE = "done", _("已完成")
        REFUSED = "refused", _("已驳回")

    MOVES = {
        State.ASKED: {State.APPROVED, State.REFUSED},
        State.APPROVED: {State.DONE, State.REFUSED},
        State.DONE: set(),
        State.REFUSED: set(),
    }

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(CardBatch, on_delete=models.PROTECT, related_name="releases", verbose_name=_("卡券批次"))
    way = models.CharField(_("方式"), max_length=10, choices=Way)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.ASKED)
    reason = models.CharField(_("原因"), max_length=200)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("申请人"))
    asked_at = models.DateTimeField(_("申请时间"))
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("批准人")
    )
    decided_at = models.DateTimeField(_("批准时间"), null=True)
    done_at = models.DateTimeField(_("完成时间"), null=True)
    # Of a file: how often it was downloaded, and until when the codes are kept for a download that broke off.
    fetches = models.PositiveSmallIntegerField(_("下载次数"), default=0, db_default=0)
    kept_until = models.DateTimeField(_("卡号保留至"), null=True)

    class Meta:
        verbose_name = _("卡号导出")
        verbose_name_plural = pgettext_lazy("plural", "卡号导出")
        constraints = [
            models.UniqueConstraint(
                fields=["batch"], condition=~Q(state="refused"), name="card_release_once_per_batch"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None, decided_at=None)
                | Q(apart("decided_by", "asked_by"), decided_at__isnull=False),
                name="card_release_second_person",
                violation_error_message=_("批准人不能是申请人"),
            ),
            models.CheckConstraint(
                condition=Q(way="stock", state="done")
                | Q(way="file", state="asked", decided_at=None)
                | Q(way="file", state__in=["approved", "done", "refused"], decided_at__isnull=False),
                name="card_release_file_was_approved",
            ),
            models.CheckConstraint(
                condition=Q(state="done", done_at__isnull=False) | Q(~Q(state="done"), done_at=None),
                name="card_release_done_has_time",
            ),
            models.CheckConstraint(
                condition=Q(fetches=0, kept_until=None)
                | Q(way="file", state="done", fetches__range=(1, MOST_FETCHES), kept_until__isnull=False),
                name="card_release_fetched_a_few_times",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.way}"
