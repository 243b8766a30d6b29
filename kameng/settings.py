"""Settings, all from the environment. README.md has the table of variables."""

from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from common.strength import password_weakness, ring_keys, ring_names, shared, weakness
from kameng.api_settings import REST_FRAMEWORK as REST_FRAMEWORK
from kameng.api_settings import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from kameng.policy_settings import ADMIN_CONTENT_SECURITY_POLICY as ADMIN_CONTENT_SECURITY_POLICY
from kameng.policy_settings import CONTENT_SECURITY_POLICY as CONTENT_SECURITY_POLICY
from kameng.unfold_settings import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# "production" is the default, so that forgetting the variable is the safe mistake.
KAMENG_ENV = env.str("KAMENG_ENV", "production")
if KAMENG_ENV not in {"production", "development", "test"}:
    raise ImproperlyConfigured(f"KAMENG_ENV must be production, development or test, not {KAMENG_ENV!r}")
PRODUCTION = KAMENG_ENV == "production"
DEBUG = env.bool("DEBUG", False)
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG shows secrets to visitors: it cannot be on in production")


HOW_TO = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def secret(name: str, minimum: int) -> str:
    """The value of a secret variable; refuses to start in production when it is missing, short, known or easy to guess."""
    value = env.str(name, "")
    if not PRODUCTION:
        return value or f"{name.lower()}-for-development-only-".ljust(max(minimum, 50), "x")
    if fault := weakness(value, least=minimum):
        raise ImproperlyConfigured(
            f"{name} {fault}. It must be set to at least {minimum} random characters in production. {HOW_TO}"
        )
    return value


def between(name: str, default: int, least: int, most: int) -> int:
    """A number that guards something: whatever sets it, it goes on guarding."""
    value = env.int(name, default)
    if not least <= value <= most:
        raise ImproperlyConfigured(f"{name} must be between {least} and {most}")
    return value


SECRET_KEY = secret("SECRET_KEY", 50)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# "name:base64 of 32 bytes,name:…": the first wraps new data keys, the others still unwrap. Read by common.crypto.
KEY_RING = env.str("KEY_RING", "")
FINGERPRINT_KEY = secret("FINGERPRINT_KEY", 32)
# Who may read /metrics: `Authorization: Bearer <token>`. Empty: nobody.
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
if PRODUCTION:
    for number, value in enumerate(SECRET_KEY_FALLBACKS, start=1):
        if fault := weakness(value, least=50):
            raise ImproperlyConfigured(f"SECRET_KEY_FALLBACKS: number {number} {fault}. It still signs: take it out")
    if METRICS_TOKEN and (fault := weakness(METRICS_TOKEN, least=24)):
        raise ImproperlyConfigured(f"METRICS_TOKEN {fault}. {HOW_TO}")

PUBLIC_URL = env.str("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[] if PRODUCTION else ["*"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])
# How many proxies of ours stand before the web process; X-Forwarded-For is believed only that far.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)
# A folder through which tests kill processes at chosen places (common.failpoints).
FAILPOINTS = env.str("FAILPOINTS", "")
if FAILPOINTS and KAMENG_ENV != "test":
    raise ImproperlyConfigured("FAILPOINTS kills processes: it is for KAMENG_ENV=test only")
OUTGOING_ALLOW = env.list("OUTGOING_ALLOW", default=[])
if PRODUCTION and OUTGOING_ALLOW:
    raise ImproperlyConfigured("OUTGOING_ALLOW opens private addresses: it is for development only")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "csp",
    "pgtrigger",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "common",
    "events",
    "tenancy",
    "audit",
    "accounts",
    "wallet",
    "catalog",
    "membership",
    "marketing",
    "orders",
    "payments",
    "notifications",
    "insights",
    "shop",
]

MIDDLEWARE = [
    "shop.probes.ProbeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "common.middleware.ClientAddressMiddleware",
    "common.middleware.OneMomentMiddleware",
    "common.device.DeviceMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "common.middleware.LanguageMiddleware",
    "shop.middleware.MaintenanceMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "common.middleware.AdminPolicyMiddleware",
    "tenancy.middleware.StorefrontMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.PrivateAccountMiddleware",
    "accounts.middleware.SignInLimitMiddleware",
    "accounts.middleware.DeskFactorMiddleware",
    "shop.middleware.NulMiddleware",
]

ROOT_URLCONF = "kameng.urls"
WSGI_APPLICATION = "kameng.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shop.context.site",
            ],
        },
    }
]

DATABASES = {"default": env.db("DATABASE_URL", "postgres://kameng@127.0.0.1:5432/kameng")}
DATABASES["default"].update(
    ENGINE="django.db.backends.postgresql",
    CONN_MAX_AGE=env.int("CONN_MAX_AGE", 60),
    CONN_HEALTH_CHECKS=True,
)
# Every connection tells which master keys its program has, so that a rotation sees who could not read what it writes.
APPLICATION = "kameng"
RING_NAMES = "+".join(ring_names(KEY_RING) or ["development"])
DATABASES["default"]["OPTIONS"] = {
    "application_name": f"{APPLICATION} {RING_NAMES}"[:63],
    "connect_timeout": 5,
} | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
if PRODUCTION:
    passwords = {
        "DATABASE_URL": DATABASES["default"].get("PASSWORD") or "",
        "REDIS_URL": unquote(urlsplit(REDIS_URL).password or ""),
    }
    for name, value in passwords.items():
        if fault := password_weakness(value):
            raise ImproperlyConfigured(f"{name}: its password {fault}")
    fallbacks = {f"SECRET_KEY_FALLBACKS {number}": value for number, value in enumerate(SECRET_KEY_FALLBACKS, start=1)}
    named = {"SECRET_KEY": SECRET_KEY, "FINGERPRINT_KEY": FINGERPRINT_KEY, "METRICS_TOKEN": METRICS_TOKEN}
    if pair := shared({**named, **fallbacks, **ring_keys(KEY_RING), **passwords}):
        raise ImproperlyConfigured(f"{pair[0]} and {pair[1]} must not be the same: who learns one would have both")
# Redis is a convenience: short waits, and an error counts as a miss.
REDIS_TIMEOUT = 0.2
CACHES = {"default": {"BACKEND": "common.cache.ForgivingRedisCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SESSION_COOKIE_SAMESITE = "Lax"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
if KAMENG_ENV == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

ACCOUNT_LOGIN_METHODS = {"username", "email"}
# One password field: browsers make and keep passwords, and a wrong one is reset by mail.
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "add_email": "accounts.forms.AddEmailForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
}
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
# Whoever finds an open session changes neither mail nor second factors with it.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True

MFA_ADAPTER = "accounts.mfa.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Mail is optional here, and only a verified address speaks for an account: an unverified one protects nobody by waiting.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_FORMS = {
    "authenticate": "accounts.mfa.AuthenticateForm",
    "reauthenticate": "accounts.mfa.ReauthenticateForm",
    "activate_totp": "accounts.mfa.ActivateTotpForm",
    "add_webauthn": "accounts.mfa.AddPasskeyForm",
    "edit_webauthn": "accounts.mfa.EditPasskeyForm",
    "authenticate_webauthn": "accounts.mfa.AuthenticatePasskeyForm",
    "login_webauthn": "accounts.mfa.LoginPasskeyForm",
    "reauthenticate_webauthn": "accounts.mfa.ReauthenticatePasskeyForm",
}
# How many numbers a browser tries at most when a limit asks for proof of work: about a second on a phone.
PUZZLE_NUMBERS = 40_000
# Whether the admin asks everybody for a second factor. Off in demo shops, whose logins are printed.
STAFF_SECOND_FACTOR = env.bool("STAFF_SECOND_FACTOR", PRODUCTION)
if PRODUCTION and not STAFF_SECOND_FACTOR:
    raise ImproperlyConfigured("STAFF_SECOND_FACTOR cannot be off in production: a password alone would open the admin")

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("简体中文")), ("en", _("English"))]
LANGUAGE_COOKIE_NAME = "lang"
THEME_COOKIE_NAME = "theme"
# Which member's link brought a visitor; read when they register.
INVITE_COOKIE_NAME = "invite"
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
# Tests serve straight from the sources: nothing is collected for them.
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = KAMENG_ENV == "test"
MEDIA_URL = "/media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / "var" / "media"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if KAMENG_ENV == "test"
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
if env.str("MAIL_SINK", ""):
    # A folder that keeps what would have been sent, one file a mail.
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = env.str("MAIL_SINK")
if PRODUCTION and EMAIL_BACKEND.endswith("console.EmailBackend"):
    raise ImproperlyConfigured(
        "EMAIL_URL is missing: mails, and the links in them that open accounts, would go to the log"
    )
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "kameng@localhost")

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 900
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Longer than the longest task (see CELERY_TASK_TIME_LIMIT), or Redis would hand a running task out again.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1800}
CELERY_TIMEZONE = TIME_ZONE

API_PATH = "/api/"
ADMIN_PATH = "/admin/"
ACCOUNT_PATH = "/account/"
# For each member, or each address of strangers; 0 for any number.
API_CALLS_PER_MINUTE = env.int("API_CALLS_PER_MINUTE", 600)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "shop.views.errors.stale_form"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31536000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# Mails about errors (to ADMINS, where a shop sets them) hold no variables and nothing that was typed.
DEFAULT_EXCEPTION_REPORTER_FILTER = "common.reports.SilentReports"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    # httpx logs whole addresses, and some gateways want their key in one; fido2 logs which passkey it was.
    "loggers": {"httpx": {"level": "WARNING"}, "httpcore": {"level": "WARNING"}, "fido2": {"level": "WARNING"}},
}

# Answers every page with "back in a minute"; staff and gateways are let in.
MAINTENANCE = env.bool("MAINTENANCE", False)
# How long a page that is the same for all strangers is kept; 0 switches it off. A price in it is checked again at checkout.
GUEST_PAGE_SECONDS = env.int("GUEST_PAGE_SECONDS", 0 if KAMENG_ENV == "test" else 20)

ORDER_PAY_MINUTES = env.int("ORDER_PAY_MINUTES", 15)
# Unpaid orders that one account, device or network address may have at a time: hoarding holds stock from others.
UNPAID_CAPS = {
    "account": env.int("UNPAID_CAP_ACCOUNT", 5),
    "device": env.int("UNPAID_CAP_DEVICE", 5),
    "address": env.int("UNPAID_CAP_ADDRESS", 30),
}
MAX_PIECES_PER_LINE = 20_000
# How many keys one member of staff may look at within an hour; each look is in the audit log.
KEY_REVEALS_PER_HOUR = between("KEY_REVEALS_PER_HOUR", 60, 1, 1000)
# How long the link in a mail opens a guest's order; after that contact and secret are asked for.
ORDER_LINK_DAYS = env.int("ORDER_LINK_DAYS", 90)
# The least and the most that one top-up may be, in yuan.
TOP_UP_LIMITS = (Decimal(env.str("TOP_UP_MIN", "1.00")), Decimal(env.str("TOP_UP_MAX", "50000.00")))
# Where the end of the audit chain is written down every day, beside the log: a file on another disk or host, a mail address.
AUDIT_ANCHOR_FILE = env.str("AUDIT_ANCHOR_FILE", "")
AUDIT_ANCHOR_MAIL = env.str("AUDIT_ANCHOR_MAIL", "")
# How long the plaintext of keys waits after a second person has agreed to its export, and how long it may be fetched then.
KEY_EXPORT_DELAY_HOURS = between("KEY_EXPORT_DELAY_HOURS", 24, 1, 24 * 30)
KEY_EXPORT_WINDOW_HOURS = between("KEY_EXPORT_WINDOW_HOURS", 24, 1, 24 * 7)
