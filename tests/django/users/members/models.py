"""A model as in production: login by e-mail, a UUID as primary key, and custom names for all tables."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, Permission, PermissionsMixin
from django.db import models

from users.base import Manager


class MemberManager(Manager):
    def create_user(self, email, password=None, **fields):
        return super().create_user(email, password, **fields)


class Present(MemberManager):
    def get_queryset(self):
        return super().get_queryset().exclude(status="it's gone 100%")


class Member(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_column="member_id")
    email = models.EmailField(unique=True)
    password = models.CharField(max_length=128, db_column="pw")
    is_active = models.BooleanField(default=True, db_column="enabled")
    is_staff = models.BooleanField(default=False)
    status = models.CharField(max_length=40, default="here")
    groups = models.ManyToManyField(Group, through="Membership", related_name="members", related_query_name="member")
    user_permissions = models.ManyToManyField(
        Permission, db_table="member_rights", related_name="members", related_query_name="member"
    )

    USERNAME_FIELD = "email"
    objects = Present()

    class Meta:
        db_table = "member"


class Membership(models.Model):
    id = models.AutoField(primary_key=True)
    person = models.ForeignKey(Member, on_delete=models.CASCADE, db_column="person")
    team = models.ForeignKey(Group, on_delete=models.CASCADE, db_column="team")

    class Meta:
        db_table = "member_of_team"
