"""A site in several languages, whose log-in page has another path in each."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    *i18n_patterns(path("accounts/login/", auth.LoginView.as_view(), name="login")),
    path("members/", login_required(lambda request: HttpResponse("in"))),
]
