from django.urls import path, re_path

from shop.views import (
    account,
    browse,
    cart,
    checkout,
    errors,
    install,
    library,
    lookup,
    orders,
    preferences,
    product,
    wallet,
)

app_name = "shop"
urlpatterns = [
    path("", browse.home, name="home"),
    path("search/", browse.results, name="search"),
    path("categories/", browse.categories, name="categories"),
    path("c/<slug:slug>/", browse.category, name="category"),
    path("p/<slug:slug>/", product.product, name="product"),
    path("cart/", cart.cart, name="cart"),
    path("cart/add/", cart.add, name="cart_add"),
    path("checkout/", checkout.checkout, name="checkout"),
    path("orders/", orders.orders, name="orders"),
    path("orders/find/", lookup.lookup, name="lookup"),
    path("orders/<public_id:public_id>/", orders.order, name="order"),
    path("orders/<public_id:public_id>/status/", orders.status, name="order_status"),
    path("orders/<public_id:public_id>/pay/", orders.pay, name="order_pay"),
    path("orders/<public_id:public_id>/cancel/", orders.cancel_order, name="order_cancel"),
    re_path(r"^orders/(?P<public_id>[\w-]+)/keys\.(?P<ending>txt|csv)$", orders.download, name="order_keys"),
    path("library/", library.library, name="library"),
    path("wallet/", wallet.wallet, name="wallet"),
    path("account/", account.account, name="account"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("manifest.webmanifest", install.manifest, name="manifest"),
    path("sw.js", install.service_worker, name="service_worker"),
    path("offline/", errors.offline, name="offline"),
]
