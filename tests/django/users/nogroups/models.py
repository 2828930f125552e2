"""A user model without groups and permissions: `manage.py check` accepts it, and superusers have every permission."""

from django.contrib.auth.models import AbstractUser


class PlainUser(AbstractUser):
    groups = None
    user_permissions = None
