"""Addresses of the test site."""

from django.conf import settings
from django.contrib.auth import views as auth
from django.urls import path, re_path
from urllib.parse import urlsplit

from accounts import views

# A visitor whom the Rust service sent here can go back there, even if it has an address of its own.
rust = {"success_url_allowed_hosts": {urlsplit(settings.RUST_URL).netloc}}

urlpatterns = [
    path("", views.home, name="home"),
    path("account/", views.account, name="account"),
    path("api/me", views.me, name="me"),
    path("cart/", views.cart, name="cart"),
    path("permission/", views.permission, name="permission"),
    path("user/", views.user, name="user"),
    path("visit/", views.visit, name="visit"),
    path("whoami/", views.whoami, name="whoami"),
    path("accounts/login/", auth.LoginView.as_view(**rust), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(**rust), name="logout"),
    path("accounts/password_change/", auth.PasswordChangeView.as_view(), name="password_change"),
    path("accounts/password_change/done/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
    re_path("^protected/", views.protected, name="protected"),
]

if "rest_framework" in settings.INSTALLED_APPS:
    from accounts import api

    urlpatterns += [path("items", api.Items.as_view()), path("staff", api.Staff.as_view())]
