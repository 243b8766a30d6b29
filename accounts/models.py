"""People: one account across the platform, whatever storefront they came through."""

import hashlib

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.names import NameValidator, plain_name
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
        return self.create_user(username, password, **fields, is_staff=True, is_superuser=True)


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
            ("manage_staff", _("管理员工及其权限")),
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
