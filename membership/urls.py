from django.urls import path

from membership import views

app_name = "membership"
urlpatterns = [
    path("", views.center, name="center"),
    path("decisions/", views.decisions, name="decisions"),
    path("birthday/", views.birthday, name="birthday"),
    path("rules/", views.rules, name="rules"),
    path("rules/<int:number>/", views.rules, name="rules_version"),
]
