"""Users: a login is a person's e-mail and password; a user is that person in one organization."""

import sqlalchemy as sa

from billfold.kit.tables import Owned, Record, table
from billfold.kit.work import Work


@table("logins", sa.UniqueConstraint("email"), ids="user")
class Login(Record, frozen=True):
    """One person in one environment, whatever organizations they work for; e-mail in small letters."""

    email: str
    password_hash: str


@table("users", sa.Index("ix_users_login", "login_id", "id"), ids="user", by=["login_id"], audited=True)
class User(Owned, frozen=True):
    login_id: str
    first_name: str
    last_name: str
    archived: bool = False


def login_of(work: Work, email: str) -> Login | None:
    return work.connection.first(Login, email=email.strip().lower())


def users_of(work: Work, login: Login) -> list[User]:
    """In every organization, because a sign-in chooses one of them."""
    return work.connection.where(User, login_id=login.id)
