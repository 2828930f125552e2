"""A user model that has taken groups and permissions out: `manage.py check` is content, and superusers may do all."""

from django.contrib.auth.models import AbstractUser


class PlainUser(AbstractUser):
    groups = None
    user_permissions = None
