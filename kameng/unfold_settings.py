"""How the admin looks. What it holds is in kameng/desk.py; both are read by unfold."""

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

# Steps between the tokens of the shop (assets/css/tokens.css): surface, ink and deep teal, from light to dark.
BASE = {
    "50": "#F6F7F5",
    "100": "#EDF0EE",
    "200": "#DDE2E0",
    "300": "#C3CAC8",
    "400": "#A3AFAC",
    "500": "#667270",
    "600": "#55605E",
    "700": "#3B4745",
    "800": "#29322F",
    "900": "#18201F",
    "950": "#101615",
}
PRIMARY = {
    "50": "#EAF6F3",
    "100": "#D0EBE5",
    "200": "#A3D8CD",
    "300": "#79CDBB",
    "400": "#4FC7B0",
    "500": "#4FC7B0",
    "600": "#0B6E5F",
    "700": "#095C4F",
    "800": "#084A40",
    "900": "#063A32",
    "950": "#06231E",
}

UNFOLD = {
    "SITE_TITLE": _("卡盟后台"),
    "SITE_HEADER": _("卡盟后台"),
    "SITE_SYMBOL": "storefront",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}],
    "STYLES": [lambda request: static("desk.css")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "SHOW_LANGUAGES": True,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "base": BASE,
        "primary": PRIMARY,
        "font": {
            "subtle-light": "var(--color-base-500)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-600)",
            "default-dark": "var(--color-base-300)",
            "important-light": "#17201F",
            "important-dark": "#E8EDEB",
        },
    },
    "DASHBOARD_CALLBACK": "insights.views.add_board",
    "ENVIRONMENT": "kameng.desk.environment",
    "LOGIN": {"form": "accounts.desk_sign_in.SignInForm"},
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "kameng.desk.navigation"},
    "COMMAND": {"search_callback": "kameng.desk.found", "show_history": True},
}
