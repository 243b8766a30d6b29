from allauth.account.views import password_change
from django.contrib import admin
from django.urls import include, path, re_path

from accounts import desk_door
from accounts.services.factors import factor_first
from common.admin import AutocompleteView
from common.api.views import NoSuchEndpoint
from insights.views import fairness_csv, fairness_rows, fairness_view
from membership.earning_views import invited
from shop.views import api_docs

api = [
    path("", include("accounts.api")),
    path("", include("catalog.api")),
    path("", include("catalog.api_reviews")),
    path("", include("membership.api")),
    path("", include("membership.api_tiers")),
    path("", include("orders.api")),
    path("", include("orders.api_disputes")),
    path("", include("payments.api")),
    path("", include("wallet.api")),
    path("schema/", api_docs.Schema.as_view(), name="schema"),
    path("docs/", api_docs.docs, name="docs"),
    re_path("", NoSuchEndpoint.as_view(), name="nothing"),
]
urlpatterns = [
    path("api/", include((api, "api"))),
    # Before the admin's own view of that address, which admin:autocomplete names.
    path(
        "admin/autocomplete/",
        admin.site.admin_view(AutocompleteView.as_view(admin_site=admin.site)),
        name="admin_autocomplete",
    ),
    path("admin/fairness/", admin.site.admin_view(fairness_view), name="fairness"),
    path("admin/fairness/<slug:table>/", admin.site.admin_view(fairness_rows), name="fairness_rows"),
    path("admin/fairness/<slug:table>/csv/", admin.site.admin_view(fairness_csv), name="fairness_csv"),
    # As above: the admin's own view asks for a password only.
    path("admin/login/", desk_door.sign_in, name="desk_sign_in"),
    path(
        "admin/password_change/",
        admin.site.admin_view(factor_first(desk_door.change_password)),
        name="desk_password_change",
    ),
    path("admin/", admin.site.urls),
    # As the next line's, for whoever has a second factor after showing it.
    path("account/password/change/", factor_first(password_change), name="account_change_password"),
    path("account/", include("allauth.account.urls")),
    path("account/security/", include("allauth.mfa.urls")),
    path("member/", include("membership.urls")),
    # Short: it is read aloud and printed.
    path("i/<slug:code>/", invited, name="membership_invited"),
    path("", include("payments.urls")),
    # settings.MEDIA_URL: covers are the only files that visitors may fetch.
    path("media/", include("catalog.urls")),
    path("comeback/", include("insights.urls")),
    path("messages/", include("notifications.urls")),
    path("", include("shop.urls")),
]

handler400 = "shop.views.errors.bad_request"
handler403 = "shop.views.errors.forbidden"
handler404 = "shop.views.errors.not_found"
handler500 = "shop.views.errors.server_error"
