"""A Hashid as primary key: an integer in the table, another text in sessions."""

from hashid_field import HashidAutoField

from users.base import UserBase


class HashidUser(UserBase):
    id = HashidAutoField(primary_key=True, salt="pepper")
