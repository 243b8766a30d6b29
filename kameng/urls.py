from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("allauth.account.urls")),
    path("member/", include("membership.urls")),
    path("", include("payments.urls")),
    # settings.MEDIA_URL: covers are the only files that visitors may fetch.
    path("media/", include("catalog.urls")),
    path("messages/", include("notifications.urls")),
    path("", include("shop.urls")),
]

handler400 = "shop.views.errors.bad_request"
handler403 = "shop.views.errors.forbidden"
handler404 = "shop.views.errors.not_found"
handler500 = "shop.views.errors.server_error"
