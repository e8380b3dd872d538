from django.urls import path
from orders import views

urlpatterns = [
    path("orders", views.place),
    path("async/orders", views.place_async),
    path("orders/<int:number>", views.look),
]
