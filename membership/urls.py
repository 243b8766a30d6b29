from django.urls import path

from membership import earning_views, views

app_name = "membership"
urlpatterns = [
    path("check-in/", earning_views.check_in, name="check_in"),
    path("earn/", earning_views.earn, name="earn"),
    path("feedback/", earning_views.feedback, name="feedback"),
    path("invite/", earning_views.invite, name="invite"),
    path("passes/", earning_views.passes, name="passes"),
    path("points/", earning_views.points, name="points"),
    path("task-order/", earning_views.task_order, name="task_order"),
    path("decisions/", views.decisions, name="decisions"),
    path("birthday/", views.birthday, name="birthday"),
    path("rules/", views.rules, name="rules"),
    path("rules/<int:number>/", views.rules, name="rules_version"),
]
