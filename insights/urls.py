from django.urls import path

from insights import comeback_views as views

app_name = "insights"
urlpatterns = [
    path("", views.comeback, name="comeback"),
    path("choice/", views.choice, name="choice"),
]
