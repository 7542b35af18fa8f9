"""Users: a login is a person's name and password; a user is that person in one organization."""

from datetime import datetime

import sqlalchemy as sa

from billfold.access import keys, organizations, roles, sessions
from billfold.access.keys import KeyKind
from billfold.access.roles import Role, RoleType
from billfold.access.sessions import Session, SessionKind
from billfold.kit.environment import stored_clock
from billfold.kit.errors import INVALID_VALUE, MALFORMED, NOT_POSSIBLE, WRONG_KEY, Refusal
from billfold.kit.listing import LOWER
from billfold.kit.tables import Owned, Record, small, table
from billfold.kit.work import Work

USERNAME_LENGTH_MAX = 40


@table("logins", sa.UniqueConstraint("name"), ids="user")
class Login(Record, frozen=True):
    """One person in one environment, whatever organizations they work for.

    `name` is what is typed as the user name, in small letters: an e-mail address, or the name a
    partner has chosen. Without a password nobody signs in with it: an invitation is still open, or a
    partner signs in for the user."""

    name: str
    password_hash: str | None


@table(
    "users", sa.Index("ix_users_login", "login_id", "id"), ids="user",
    by=["login_id", "created_time", "updated_time", "archived", "first_name", "last_name", "role_id"],
    begins_by=["email"],
    audited=True,
)  # fmt: skip
class User(Owned, frozen=True):
    login_id: str
    first_name: str
    last_name: str
    email: str
    role_id: str
    archived: bool = False
    # When the terms of service were accepted for or by the user.
    terms_accepted_time: datetime | None = None
    # An invitation is open: nobody signs in as this user before it is accepted.
    invited: bool = False
    # What a partner calls the user; told to nobody.
    external_reference_id: str | None = None


def login_of(work: Work, name: str) -> Login | None:
    return work.connection.first(Login, name=name.strip().lower())


def session_of_token(work: Work, token: str) -> Session:
    """What a request is let in as that shows an API token; raises BDC_1102 (401) for one that nobody
    knows, that was revoked, or whose user is not active any more."""
    stored_clock(work)
    key = keys.find(work, KeyKind.API_TOKEN, token)
    user = work.connection.first(User, id=key.user_id) if key else None
    role = work.connection.first(Role, id=user.role_id) if user else None
    if key is None or user is None or role is None or user.archived or user.invited:
        raise Refusal(WRONG_KEY, "apiToken")
    return Session(
        key.id, key.id, SessionKind.API_TOKEN, user.organization_id, user.id, role.type, False,
        work.now, work.now,
    )  # fmt: skip


def users_of(work: Work, login: Login) -> list[User]:
    """In every organization, because a sign-in chooses one of them."""
    return work.connection.where(User, login_id=login.id)


def add_user(
    work: Work, *, first_name: str, last_name: str, email: str, role_id: str | None = None,
    username: str | None = None, external_reference_id: str | None = None, invited: bool = False,
) -> User:  # fmt: skip
    """A user of the caller's organization who has accepted the terms; with a login of the same name
    if there is one, else with a new one that has no password yet.

    Raises BDC_1205 (404) for an unknown role and BDC_1143 (400) where the person is a user here
    already, or the user name is another's. A partner may give two users one e-mail address, because it
    tells them apart by their user names."""
    if username and "@" in username:
        raise Refusal(MALFORMED, "username: must not be an e-mail address")
    role = roles.role_of(work, role_id)
    organizations.hold_own(work)  # The same person twice at once shall not each find nobody.
    login = _login_for(work, username, email)
    here = [user for user in users_of(work, login) if user.organization_id == work.organization_id]
    if here or (not username and _with_email(work, email)):
        raise Refusal(INVALID_VALUE, f"email: {email} is a user of the organization already")
    return work.add(
        User, login_id=login.id, first_name=first_name, last_name=last_name, email=email,
        role_id=role.id, terms_accepted_time=work.now, external_reference_id=external_reference_id,
        invited=invited,
    )  # fmt: skip


def _login_for(work: Work, username: str | None, email: str) -> Login:
    """A partner's user name is one person's alone; an e-mail address may work in several
    organizations with one password."""
    name = (username or email).strip().lower()
    login = work.connection.first(Login, name=name)
    if login and username:
        raise Refusal(INVALID_VALUE, f"username: {username} is taken")
    if login is None:
        made = Login(work.ids.new("user", work.now), name, None)
        if work.connection.insert_new(made, unique="name"):
            return made
        return _login_for(work, username, email)  # Somebody else has just made it.
    return login


OF_EMAIL = (
    sa.select(User.table)
    .where(User.c.organization_id == sa.bindparam("organization_id"))
    .where(small(User.c.email) == sa.bindparam("email"))
)


def _with_email(work: Work, email: str) -> list[User]:
    """Users of the caller's organization, whatever name they sign in with."""
    values = {"organization_id": work.organization_id, "email": email.translate(LOWER)}
    return work.connection.rows(User, OF_EMAIL, values)


def change_user(work: Work, user_id: str, **fields) -> User:
    """Name, e-mail or role; raises BDC_1205 (404) for an unknown user or role, and BDC_1143 (422)
    where no active administrator would be left."""
    organizations.hold_own(work)
    user = work.hold(User, user_id)
    if (role_id := fields.get("role_id")) is not None:
        role = work.find(Role, role_id)
        if role.type is not RoleType.ADMINISTRATOR:
            _keep_an_administrator(work, user)
        sessions.set_role(work, user.id, role.type)
    work.change(user, **fields)
    return user


def set_archived(work: Work, user_id: str, archived: bool) -> User:
    """Ends the user's sessions; archiving what is archived changes nothing. Nobody archives themselves,
    or the last administrator (BDC_1143, 422)."""
    organizations.hold_own(work)
    user = work.hold(User, user_id)
    if archived and user_id == work.user_id:
        raise Refusal(NOT_POSSIBLE, f"{user_id}: nobody archives themselves")
    if archived and not user.archived:
        _keep_an_administrator(work, user)
    if work.change(user, archived=archived):
        sessions.end_all(work, user.id)
    return user


def role_of(work: Work, user: User) -> Role:
    return work.find(Role, user.role_id)


def _keep_an_administrator(work: Work, user: User) -> None:
    """The organization is held, so that two administrators cannot remove each other at once."""
    administrators = {role.id for role in work.rows(Role, type=RoleType.ADMINISTRATOR)}
    if user.role_id not in administrators or user.archived:
        return
    others = [
        other
        for id in administrators
        for other in work.rows(User, role_id=id, archived=False)
        if other.id != user.id and not other.invited
    ]
    if not others:
        raise Refusal(NOT_POSSIBLE, f"{user.id}: at least one active administrator must remain")
