from django.urls import path

from payments.views import notify, pay, payer, top_up

app_name = "payments"
urlpatterns = [
    # No slash at the end: gateways call exactly this and follow no redirect.
    path("pay/notify/<slug:channel>", notify.notify, name="notify"),
    path("pay/return/<str:public_id>", pay.come_back, name="return"),
    path("pay/<str:public_id>/", pay.payment, name="payment"),
    path("pay/<str:public_id>/status/", pay.status, name="status"),
    path("pay/<str:public_id>/recheck/", pay.recheck, name="recheck"),
    path("pay/<str:public_id>/switch/", pay.switch, name="switch"),
    path("pay/<str:public_id>/payer/", payer.ask, name="payer"),
    path("pay/<str:public_id>/payer/told/", payer.told, name="payer_told"),
    path("wallet/topup/", top_up.choose, name="top_up"),
    path("wallet/topup/<str:public_id>/", top_up.show, name="top_up_detail"),
]
