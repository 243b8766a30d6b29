"""What is kept about people here, and in the tables of Django and allauth."""

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat

from common.privacy import belongs, nobodys

nobodys("made by migrations", "auth.Permission", "contenttypes.ContentType")
nobodys("names of groups of staff", "auth.Group")
# accounts.services.privacy ends them all; what they hold is signed, and named by nothing but its key.
nobodys("ended when somebody leaves", "sessions.Session")
belongs(
    "admin.LogEntry",
    of=lambda user: Q(content_type__app_label="accounts", content_type__model="user", object_id=str(user.pk)),
    keep=["object_id", "change_message"],
    blank={"object_repr": ""},
)
belongs("account.EmailAddress", of="user", remove=True)
belongs("account.EmailConfirmation", of="email_address__user", secret=["key"], remove=True)
belongs("mfa.Authenticator", of="user", secret=["data"], remove=True)
belongs("accounts.ApiToken", of="user", secret=["digest", "password_mark"], remove=True)
belongs("accounts.SignInTry", of="user", secret=["mark"], remove=True)
belongs("accounts.Lockout", of="user", secret=["mark"], remove=True)
belongs("accounts.DataExport", of="user", secret=["content"], remove=True)
belongs("accounts.Erasure", of="user", keep=["hindered"])
belongs(
    "accounts.User",
    of=lambda user: Q(pk=user.pk),
    keep=["public_id"],
    blank={
        "username": Concat(Value("erased-"), Cast("pk", CharField())),
        "email": "",
        "email_verified_at": None,
        "phone": "",
        "phone_verified_at": None,
        "display_name": "",
        "password": UNUSABLE_PASSWORD_PREFIX,
        "is_active": False,
    },
    secret=["password"],
)
