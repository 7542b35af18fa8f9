"""Credentials: keys and tokens that whoever runs this server makes, lists and ends; shown once each."""

import sqlalchemy as sa

from billfold.access import keys, partners, sessions, users
from billfold.access.keys import Key, KeyKind
from billfold.access.organizations import Console, Organization
from billfold.access.partners import Partner, PartnerUser
from billfold.access.sessions import Session
from billfold.access.users import Login, User
from billfold.kit.environment import stored_clock
from billfold.kit.errors import INVALID_VALUE, NOT_FOUND, NOT_POSSIBLE, Refusal
from billfold.kit.work import Work

LISTED_MAX = 1_000
PREFIX_LENGTH_MIN = 6


def listed(work: Work, organization_id: str | None = None) -> list[Key]:
    """All of them, or an organization's; the newest first, and no more than a thousand."""
    wanted = Key.table.select().order_by(Key.c.created_time.desc(), Key.c.id).limit(LISTED_MAX)
    if organization_id is None:
        return work.connection.rows(Key, wanted, {})
    mine = wanted.where(Key.c.organization_id == sa.bindparam("organization_id"))
    return work.connection.rows(Key, mine, {"organization_id": organization_id})


def developer_key(work: Work, organization_id: str | None = None, partner_id: str | None = None) -> str:
    """Of an organization or a partner; up to four of each are active (BDC_1143)."""
    stored_clock(work)
    if organization_id:
        _hold(work, Organization, organization_id)  # Two at once shall not each count three.
    else:
        _hold(work, Partner, partner_id or "")
    secret = work.ids.token()
    keys.add_developer_key(work, secret, organization_id=organization_id, partner_id=partner_id)
    return secret


def partner(work: Work, name: str, id: str | None = None) -> tuple[str, str, str]:
    """A new partner account: its id, application key and first developer key. One that has an id
    elsewhere may have it here too, for its organizations to come after it."""
    stored_clock(work)
    if id and work.connection.first(Partner, id=id):
        raise Refusal(NOT_POSSIBLE, f"there is a partner {id} already")
    application_key, key = work.ids.token(), work.ids.token()
    return partners.add(work, name, application_key, key, id).id, application_key, key


def application_key(work: Work, partner_id: str) -> str:
    """Another one of a partner that there is."""
    stored_clock(work)
    _hold(work, Partner, partner_id)
    secret = work.ids.token()
    keys.add(work, KeyKind.APPLICATION, secret, partner_id=partner_id)
    return secret


def partner_person(work: Work, partner_id: str, username: str, password_hash: str) -> PartnerUser:
    """Somebody new who signs in as the partner; nobody who signs in to an organization already is one,
    because their password would then be another's to set."""
    stored_clock(work)
    partner = _hold(work, Partner, partner_id)
    login = Login(work.ids.new("user", work.now), username.strip().lower(), password_hash)
    if not work.connection.insert_new(login, unique="name"):
        raise Refusal(INVALID_VALUE, f"username: {username} is taken")
    return partners.add_person(work, partner, login)


def sync_token(work: Work, organization_id: str, name: str, username: str) -> str:
    """Signs in by its name for one organization, as one of its users. An older one of the same name
    ends, and its sessions with it."""
    stored_clock(work)
    _hold(work, Organization, organization_id)
    user = _user(work, organization_id, username)
    wanted = name.strip().lower()
    if users.login_of(work, wanted):
        raise Refusal(INVALID_VALUE, f"name: {name} is a person's user name")
    kind = KeyKind.SYNC_TOKEN
    for older in work.connection.where(Key, organization_id=organization_id, kind=kind, active=True):
        if (older.name or "").lower() == wanted:
            _end(work, older)
    secret = work.ids.token()
    keys.add(work, kind, secret, name=name.strip(), organization_id=organization_id, user_id=user.id)
    return secret


def console_token(work: Work, username: str, name: str, organization_ids: list[str]) -> tuple[str, str]:
    """For a person at an accountant's console: the console's id and the token. The organizations become
    the console's; the one that keeps some of their books already is taken, else a new one is made."""
    stored_clock(work)
    login = _login(work, username)
    held = [_hold(work, Organization, id) for id in sorted(set(organization_ids))]
    consoles = {each.console_id for each in held if each.console_id}
    if len(consoles) > 1:
        raise Refusal(NOT_POSSIBLE, "the organizations are clients of several consoles")
    id = consoles.pop() if consoles else work.ids.new("console", work.now)
    if work.connection.first(Console, id=id) is None:
        work.insert(Console(id, name, work.now))
        work.write()  # Before anything refers to it.
    for organization in held:
        if organization.console_id != id:
            work.connection.update(Organization, organization.id, {"console_id": id})
    secret = work.ids.token()
    keys.add(work, KeyKind.CONSOLE_TOKEN, secret, name=name, console_id=id, user_id=login.id)
    return id, secret


def api_token(work: Work, organization_id: str, username: str) -> str:
    """Of a user, for Spend & Expense."""
    stored_clock(work)
    user = _user(work, organization_id, username)
    secret = work.ids.token()
    keys.add(work, KeyKind.API_TOKEN, secret, organization_id=organization_id, user_id=user.id)
    return secret


def revoke(work: Work, which: str) -> Key:
    """End the active key that ends with four characters, or whose id begins with some more, and its
    sessions. Raises BDC_1205 for none and BDC_1143 for several."""
    stored_clock(work)
    active = work.connection.where(Key, active=True)
    found = [
        key for key in active
        if key.last4 == which or (len(which) >= PREFIX_LENGTH_MIN and key.id.startswith(which))
    ]  # fmt: skip
    if not found:
        raise Refusal(NOT_FOUND, f"no active key is {which}")
    if len(found) > 1:
        ids = ", ".join(key.id[:12] for key in found)
        raise Refusal(NOT_POSSIBLE, f"several keys are {which}: say which by its id, one of {ids}")
    return _end(work, found[0])


def _end(work: Work, key: Key) -> Key:
    """A session names the developer key it goes with, not the token that opened it: where a token ends,
    all sessions that tokens of its kind have opened for the person end, and others sign in again."""
    ended = sessions.revoke_key(work, key.id)
    whose: list[str] = []
    if key.kind is KeyKind.SYNC_TOKEN and key.user_id:
        whose = [key.user_id]
    elif key.kind is KeyKind.CONSOLE_TOKEN and key.user_id:
        whose = [user.id for user in work.connection.where(User, login_id=key.user_id)]
    for user_id in whose:
        for session in work.connection.where(Session, user_id=user_id):
            if session.kind.value == key.kind.value:
                work.connection.delete(Session, session.id)
    return ended


def _hold(work: Work, record, id: str):
    if (found := work.hold_shared(record, id)) is None:
        raise Refusal(NOT_FOUND, id)
    return found


def _login(work: Work, username: str) -> Login:
    if (login := users.login_of(work, username)) is None:
        raise Refusal(NOT_FOUND, username)
    return login


def _user(work: Work, organization_id: str, username: str) -> User:
    mine = users.users_of(work, _login(work, username))
    for user in mine:
        if user.organization_id == organization_id and not user.archived:
            return user
    raise Refusal(NOT_FOUND, f"{username} of {organization_id}")
