"""Users for the tests, whatever AUTH_USER_MODEL is."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType


def set_user(username, password=None, password_column=None, groups=None, permissions=None, **fields):
    """Creates the user, or changes the user of that name.

    `password_column` is stored as it stands; `groups` maps each name to its permissions; `fields` are attributes.
    """
    user = find_user(username) or get_user_model()(**{get_user_model().USERNAME_FIELD: username})
    for name, value in fields.items():
        setattr(user, name, value)
    if password is not None:
        user.set_password(password)
    if password_column is not None:
        user.password = password_column
    user.save()
    if permissions is not None:
        user.user_permissions.set(permissions_of(permissions))
    if groups is not None:
        user.groups.set([group(name, held) for name, held in groups.items()])
    return user


def find_user(username):
    model = get_user_model()
    return model._base_manager.filter(**{model.USERNAME_FIELD: username}).first()


def group(name, permissions):
    made, _ = Group.objects.get_or_create(name=name)
    made.permissions.set(permissions_of(permissions))
    return made


def permissions_of(names):
    """The permissions of those names, "app_label.codename"; those that do not exist are created."""
    wanted = [tuple(name.split(".", 1)) for name in names]
    among = Permission.objects.filter(codename__in=[codename for _, codename in wanted])
    there = {}
    for found in among.select_related("content_type").order_by("-pk"):
        there[found.content_type.app_label, found.codename] = found
    for app_label, codename in wanted:
        if (app_label, codename) not in there:
            content_type, _ = ContentType.objects.get_or_create(app_label=app_label, model="item")
            there[app_label, codename] = Permission.objects.create(
                content_type=content_type, codename=codename, name=f"{app_label}.{codename}"[:255]
            )
    return [there[name] for name in wanted]


def describe_user(user, has_perms=()):
    """The row and what Django derives from it."""
    fallbacks = getattr(user, "get_session_auth_fallback_hash", lambda: [])
    return {
        "pk": user._meta.pk.value_to_string(user),
        "username": user.get_username(),
        "password": user.password,
        "session_auth_hash": user.get_session_auth_hash(),
        "fallback_hashes": list(fallbacks()),
        "is_active": user.is_active,
        "is_staff": getattr(user, "is_staff", False),
        "is_superuser": getattr(user, "is_superuser", False),
        "has_perms": {name: user.has_perm(name) for name in has_perms},
        "table": user._meta.db_table,
    }
