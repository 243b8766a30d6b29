from django.urls import path

from shop.views import account, errors, install, pages, preferences

app_name = "shop"
urlpatterns = [
    path("", pages.home, name="home"),
    path("account/", account.account, name="account"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("manifest.webmanifest", install.manifest, name="manifest"),
    path("sw.js", install.service_worker, name="service_worker"),
    path("offline/", errors.offline, name="offline"),
]
