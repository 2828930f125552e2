"""A site in several languages: its login page has another path in each, and all its pages are for members."""

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.urls import path, re_path

log_in = path("accounts/login/", auth.LoginView.as_view(), name="login")

urlpatterns = [
    *i18n_patterns(log_in, prefix_default_language=getattr(settings, "PREFIX_DEFAULT_LANGUAGE", True)),
    re_path("", login_required(lambda request: HttpResponse("in"))),
]
