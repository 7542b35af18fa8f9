"""Signing in: by password, by sync token or by console token; what every version of the API does.

Who knows no right password learns nothing: not whether a user exists, not of which organization.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from billfold.access import attempts, keys, mfa, passwords, sessions, users
from billfold.access.keys import Key, KeyKind
from billfold.access.organizations import Organization
from billfold.access.sessions import Session, SessionKind
from billfold.access.users import Login, User
from billfold.kit import listing
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    BAD_ORGANIZATION,
    NOT_A_MEMBER,
    OTHER_PARTNER,
    Refusal,
)
from billfold.kit.ids import looks_like
from billfold.kit.listing import Page
from billfold.kit.work import Work


@dataclass(frozen=True, slots=True)
class Asked:
    """What is shown at the door. `console_token` stands in the place of a password."""

    username: str
    password: str
    organization_id: str
    developer_key: str
    console_token: str | None = None
    remember_me_id: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What must be known before a password is compared: nobody waits for that inside a unit."""

    key: Key
    organization: Organization | None
    user: User | None
    # Not that of a sync token's user, whose password is nobody's concern.
    login: Login | None
    # A sync token or console token that was shown and fits the name.
    token: Key | None


async def sign_in(environment: Environment, asked: Asked) -> tuple[str, Session]:
    """A new session and its id.

    Raises BDC_1101, 1102, 1103, 1106, 1107, 1110, 1111, 1123 and 1144 (`sessions.yaml`)."""
    found = await _found(environment, asked)
    # Between two units of work, because it takes its time; and always, because that tells nothing.
    hash = found.login.password_hash if found.login else None
    right = await environment.passwords.match(hash, asked.password)
    if found.token is None and (asked.console_token is not None or not right):
        await environment.write(lambda work: _count(work, asked))
        raise Refusal(BAD_CREDENTIALS)
    return await environment.write(lambda work: _open(work, asked, found))


async def organizations_of(
    environment: Environment, username: str, password: str, developer_key: str
) -> list[Organization]:
    """The organizations that a login can reach, for those who do not know their ids yet; opens no
    session, and counts as a login (`sessions.yaml`, v2_sign_in)."""
    key = await keys.admit_login(environment, KeyKind.DEVELOPER, developer_key)
    login = await passwords.prove(environment, username, password)
    return await environment.read(lambda work: list(_all_reachable(work, login.id, key)))


def reachable(
    work: Work, login_id: str, key: Key, page: str = "", most: int = 100
) -> Page[Organization]:
    """Where a person is an active user, in the order of their users' ids; with a partner's key only its
    own organizations, with any other key only those of no partner."""
    asked = listing.Asked(filters="archived:eq:false", max=most, page=page)
    found = listing.find(work, User, {"archived": listing.ARCHIVED}, asked, ("login_id", login_id))
    mine = [user for user in found.rows if not user.invited]
    those = work.connection.by_id(Organization, [user.organization_id for user in mine])
    found_there = (those.get(user.organization_id) for user in mine)
    rows = [
        each for each in found_there
        if each and not each.archived and each.partner_id == key.partner_id
    ]  # fmt: skip
    return Page(rows, found.next_page, found.prev_page)


def _all_reachable(work: Work, login_id: str, key: Key) -> Iterator[Organization]:
    page: str | None = ""
    while page is not None:
        found = reachable(work, login_id, key, page)
        yield from found.rows
        page = found.next_page


async def _found(environment: Environment, asked: Asked) -> _Found:
    """An unknown key is refused first (BDC_1102, 1103)."""
    key = await keys.admit_login(environment, KeyKind.DEVELOPER, asked.developer_key)
    return await environment.read(lambda work: _look_up(work, asked, key))


def _look_up(work: Work, asked: Asked, key: Key) -> _Found:
    stored_clock(work)
    if asked.organization_id and not looks_like("organization", asked.organization_id):
        raise Refusal(BAD_ORGANIZATION, asked.organization_id)
    _check_locks(work, asked)
    organization = work.connection.first(Organization, id=asked.organization_id)
    if asked.console_token is not None:
        token = _console_token(work, asked, organization)
    else:
        token = _sync_token(work, asked)
    login = users.login_of(work, asked.username)
    if token and token.kind is KeyKind.SYNC_TOKEN:
        user = work.connection.first(User, id=token.user_id)
        return _Found(key, organization, user, None, token)
    mine = users.users_of(work, login) if login else []
    user = next((user for user in mine if user.organization_id == asked.organization_id), None)
    return _Found(key, organization, user, login, token)


def _sync_token(work: Work, asked: Asked) -> Key | None:
    """Its name is the user name, its value the password, and it is good for one organization."""
    token = keys.find(work, KeyKind.SYNC_TOKEN, asked.password)
    if token is None or token.organization_id != asked.organization_id:
        return None
    same = (token.name or "").lower() == asked.username.strip().lower()
    return token if same else None


def _console_token(work: Work, asked: Asked, organization: Organization | None) -> Key | None:
    """Good for the clients of its console, together with the e-mail of the person it was made for."""
    token = keys.find(work, KeyKind.CONSOLE_TOKEN, asked.console_token or "")
    login = users.login_of(work, asked.username)
    if token is None or login is None or token.user_id != login.id:
        return None
    mine = organization is not None and organization.console_id == token.console_id
    return token if mine else None


def _check_locks(work: Work, asked: Asked) -> None:
    attempts.check(work, attempts.LOGIN, asked.username)
    if asked.organization_id:
        attempts.check(work, attempts.ORGANIZATION, asked.organization_id)


def _count(work: Work, asked: Asked) -> None:
    attempts.fail(work, attempts.LOGIN, asked.username)
    if asked.organization_id:
        attempts.fail(work, attempts.ORGANIZATION, asked.organization_id)


def _open(work: Work, asked: Asked, found: _Found) -> tuple[str, Session]:
    # Looked at again: of a thousand guesses at once only those before the fifth wrong one count.
    _check_locks(work, asked)
    if found.token is None:
        assert found.login is not None, "a password was right that is nobody's"
        passwords.check_still(work, found.login)
    attempts.succeed(work, attempts.LOGIN, asked.username)
    organization = found.organization
    if organization is None:
        raise Refusal(BAD_ORGANIZATION, asked.organization_id)
    if organization.partner_id != found.key.partner_id:
        raise Refusal(OTHER_PARTNER)
    user = enter(work, organization, found.user, asked.username)
    kind = _KINDS[found.token.kind] if found.token else SessionKind.PASSWORD
    trusted = kind is not SessionKind.SYNC_TOKEN and (
        not organization.mfa_enabled
        or found.key.mfa_bypass
        or mfa.recalls(work, user.id, asked.remember_me_id, asked.device)
    )
    return sessions.open_session(
        work, kind, key=found.key.id, organization_id=organization.id, user_id=user.id,
        role=users.role_of(work, user).type, trusted=trusted,
    )  # fmt: skip


def enter(work: Work, organization: Organization, user: User | None, username: str) -> User:
    """Go on in the organization as the user, held, whose password or token was right just now.

    Raises BDC_1111 for one that is not active there."""
    nobody = Refusal(NOT_A_MEMBER, f"{username}, {organization.id}")
    if user is None or user.organization_id != organization.id or organization.archived:
        raise nobody
    work.for_organization(organization.id, user.id, because="the user has just proved who they are")
    user = work.hold(User, user.id)  # As it is now: its role is kept in the session.
    if user.archived or user.invited:
        raise nobody
    return user


_KINDS = {
    KeyKind.SYNC_TOKEN: SessionKind.SYNC_TOKEN,
    KeyKind.CONSOLE_TOKEN: SessionKind.CONSOLE_TOKEN,
}
