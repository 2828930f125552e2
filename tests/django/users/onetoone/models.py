"""A primary key that refers to another table."""

from django.db import models

from users.base import UserBase


class Person(models.Model):
    name = models.CharField(max_length=150)


class Account(UserBase):
    person = models.OneToOneField(Person, models.CASCADE, primary_key=True)

    def save(self, *arguments, **options):
        if self.person_id is None:
            self.person = Person.objects.create(name=self.username)
        super().save(*arguments, **options)
