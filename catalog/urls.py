from django.urls import path

from catalog import views

app_name = "catalog"
urlpatterns = [path("covers/<str:name>", views.cover, name="cover")]
