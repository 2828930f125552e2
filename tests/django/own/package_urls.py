"""The pages of known packages, beside those of the test site: of the packages that are installed."""

from django.conf import settings
from django.urls import include, path
from testsite.urls import urlpatterns as pages

urlpatterns = [*pages]

if "loginas" in settings.INSTALLED_APPS:
    from django.contrib import admin

    urlpatterns += [path("admin/", include("loginas.urls")), path("admin/", admin.site.urls)]
if "django_su" in settings.INSTALLED_APPS:
    urlpatterns += [path("su/", include("django_su.urls"))]
if "two_factor" in settings.INSTALLED_APPS:
    from two_factor.urls import urlpatterns as two_factor

    urlpatterns += [path("", include(two_factor))]
if "user_sessions" in settings.INSTALLED_APPS:
    urlpatterns += [path("", include("user_sessions.urls", "user_sessions"))]
