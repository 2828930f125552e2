"""No is_active column, no permissions."""

from users.base import BareBase


class BareUser(BareBase):
    pass
