"""People: one account across the platform, whatever storefront they came through."""

import hashlib

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.indexes import OpClass
from django.db import models, transaction
from django.db.models.functions import Lower, Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.names import NameValidator, plain_name
from audit.services import record
from common import clock
from common.ids import public_id
from tenancy.models import MAIN_ID, Storefront


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username__iexact=plain_name(username or ""))

    def create_user(self, username: str, password: str | None = None, **fields) -> "User":
        """A saved user. For registrations use accounts.services.register, which tells the other rooms."""
        fields.setdefault("date_joined", clock.now())
        fields.setdefault("home_storefront_id", MAIN_ID)
        user = self.model(username=plain_name(username), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields) -> "User":
        """The same with every right, as the command makes the first of the staff. Audited, with nobody as the actor."""
        with transaction.atomic():
            user = self.create_user(username, password, **fields, is_staff=True, is_superuser=True)
            record(action="user.superuser", at=clock.now(), target=user)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    username = models.CharField(
        _("用户名"),
        max_length=150,
        unique=True,
        validators=[NameValidator()],
        error_messages={"unique": _("这个用户名已被使用")},
    )
    email = models.EmailField(_("邮箱"), blank=True)
    email_verified_at = models.DateTimeField(_("邮箱验证时间"), null=True, blank=True)
    phone = models.CharField(_("手机号"), max_length=20, blank=True)
    phone_verified_at = models.DateTimeField(_("手机验证时间"), null=True, blank=True)
    display_name = models.CharField(_("昵称"), max_length=60, blank=True)
    home_storefront = models.ForeignKey(
        Storefront, on_delete=models.PROTECT, related_name="+", verbose_name=_("注册店铺")
    )
    is_staff = models.BooleanField(_("可登录后台"), default=False)
    is_active = models.BooleanField(_("启用"), default=True)
    date_joined = models.DateTimeField(_("注册时间"))
    password_changed_at = models.DateTimeField(_("密码修改时间"), null=True, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []

    class Meta:
        verbose_name = _("用户")
        verbose_name_plural = pgettext_lazy("plural", "用户")
        permissions = [
            ("block_user", _("停用和启用用户")),
            ("reset_password", _("为用户设置临时密码")),
            ("reset_factors", _("移除用户的两步验证")),
            ("manage_staff", _("管理员工及其权限")),
            ("export_people", _("导出用户资料")),
        ]
        indexes = [
            # Staff search by the beginning of a name, in any case: `istartswith` compares UPPER(…) with LIKE.
            models.Index(OpClass(Upper("username"), "text_pattern_ops"), name="user_username_start"),
            models.Index(OpClass(Upper("display_name"), "text_pattern_ops"), name="user_display_name_start"),
            models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="user_email_start"),
            models.Index(OpClass(Upper("phone"), "text_pattern_ops"), name="user_phone_start"),
        ]
        constraints = [
            models.UniqueConstraint(
                Lower("username"), name="user_name_any_case", violation_error_message=_("这个用户名已被使用")
            ),
            models.UniqueConstraint(
                Lower("email"),
                condition=models.Q(email_verified_at__isnull=False) & ~models.Q(email=""),
                name="user_verified_email",
                violation_error_message=_("这个邮箱已被使用"),
            ),
            models.UniqueConstraint(
                fields=["phone"],
                condition=models.Q(phone_verified_at__isnull=False) & ~models.Q(phone=""),
                name="user_verified_phone",
                violation_error_message=_("这个手机号已被使用"),
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.username

    def set_password(self, raw_password: str | None) -> None:
        """Also notes when; a fresh hash of the same password saves the password alone, and that moment with it is lost."""
        super().set_password(raw_password)
        if self.pk is not None:
            self.password_changed_at = clock.now()

    @property
    def password_mark(self) -> str:
        """Changes with the password and tells nothing of it; what carries it ends with the password."""
        return hashlib.sha256(self.password.encode()).hexdigest()


class ApiToken(models.Model):
    """Lets a program act for a member, until it is revoked or the password changes. `digest` is the token's SHA-256."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("用户"))
    name = models.CharField(_("名称"), max_length=60)
    digest = models.CharField(_("摘要"), max_length=64, unique=True)
    password_mark = models.CharField(_("密码标记"), max_length=64)
    created_at = models.DateTimeField(_("创建时间"))
    last_used_at = models.DateTimeField(_("最近使用"), null=True)
    revoked_at = models.DateTimeField(_("撤销时间"), null=True)

    class Meta:
        verbose_name = _("API 令牌")
        verbose_name_plural = pgettext_lazy("plural", "API 令牌")

    def __str__(self) -> str:
        return self.name


class SignInTry(models.Model):
    """One try to sign in. `mark` is the fingerprint of the typed name; `counted` the address as limits count it."""

    class Door(models.TextChoices):
        SHOP = "shop", _("商城")
        DESK = "desk", _("后台")
        API = "api", _("接口")
        AGAIN = "again", _("确认本人")

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("用户"))
    mark = models.CharField(_("用户名指纹"), max_length=64)
    address = models.GenericIPAddressField(_("网络地址"))
    counted = models.CharField(_("计数地址"), max_length=50)
    door = models.CharField(_("入口"), max_length=10, choices=Door)
    right = models.BooleanField(_("成功"))
    at = models.DateTimeField(_("时间"), db_index=True)

    class Meta:
        verbose_name = _("登录记录")
        verbose_name_plural = pgettext_lazy("plural", "登录记录")
        indexes = [models.Index(fields=["mark", "counted", "at"], name="sign_in_try_of_whom")]

    def __str__(self) -> str:
        return f"{self.door} {self.address}"


class Lockout(models.Model):
    """A name that is shut out from one network address until a moment, or until somebody opens the door again."""

    class By(models.TextChoices):
        MAIL = "mail", _("重设密码")
        STAFF = "staff", _("员工")

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("用户"))
    mark = models.CharField(_("用户名指纹"), max_length=64)
    address = models.CharField(_("网络地址"), max_length=50)
    since = models.DateTimeField(_("锁定时间"))
    until = models.DateTimeField(_("锁定到"), db_index=True)
    ended_at = models.DateTimeField(_("解锁时间"), null=True)
    ended_by = models.CharField(_("解锁方式"), max_length=10, choices=By, blank=True)

    class Meta:
        verbose_name = _("登录锁定")
        verbose_name_plural = pgettext_lazy("plural", "登录锁定")
        permissions = [("unlock_sign_in", _("解除登录锁定"))]
        indexes = [models.Index(fields=["mark", "address", "-until"], name="lockout_of_whom")]

    def __str__(self) -> str:
        return f"{self.user or self.mark[:8]} {self.address}"


class DataExport(models.Model):
    """A copy of everything that is kept about somebody, made once and kept for a few days. `content` is a zip of JSON files."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等待中")
        MAKING = "making", _("生成中")
        READY = "ready", _("可下载")

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="data_exports", verbose_name=_("用户"))
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField(_("申请时间"))
    # When a worker last gave a sign of life.
    moved_at = models.DateTimeField(_("最近进展"))
    done = models.PositiveSmallIntegerField(_("已完成"), default=0)
    total = models.PositiveSmallIntegerField(_("总数"), default=0)
    content = models.BinaryField(_("内容"), null=True)
    until = models.DateTimeField(_("保留到"), null=True)

    class Meta:
        verbose_name = _("数据副本")
        verbose_name_plural = pgettext_lazy("plural", "数据副本")
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(state__in=["waiting", "making"]), name="data_export_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="ready") | models.Q(content__isnull=False, until__isnull=False),
                name="data_export_ready_has_content",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class Erasure(models.Model):
    """Somebody's wish to be forgotten: carried out when its time of reflection is over, unless taken back before."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等待期")
        CANCELLED = "cancelled", _("已取消")
        DONE = "done", _("已注销")

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="erasures", verbose_name=_("用户"))
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField(_("申请时间"))
    due_at = models.DateTimeField(_("执行时间"))
    ended_at = models.DateTimeField(_("结束时间"), null=True)
    # Why it could not be done when it was due.
    hindered = models.CharField(_("推迟原因"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("注销申请")
        verbose_name_plural = pgettext_lazy("plural", "注销申请")
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=models.Q(state="waiting"), name="erasure_one_at_a_time"),
            models.CheckConstraint(
                condition=models.Q(state="waiting", ended_at=None)
                | (~models.Q(state="waiting") & models.Q(ended_at__isnull=False)),
                name="erasure_ended_has_time",
            ),
        ]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="erasure_due")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.state}"
