"""Browsers: how a person signs in to the console, on whose pages nobody types a developer key.

The rules are those of every sign-in (`sign_in.py`). Which organization is meant is asked when the
password was right, and only of who works for several; between the two pages the browser keeps a ticket.
"""

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from billfold.access import attempts, mfa, passwords, sessions, sign_in, users
from billfold.access.organizations import Organization
from billfold.access.sessions import Session, SessionKind
from billfold.access.users import Login
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import BAD_CREDENTIALS, LINK_INVALID, NOT_A_MEMBER, Refusal
from billfold.kit.secrets import digest
from billfold.kit.work import Work

TICKET_LIFE = timedelta(minutes=5)
MAC_BYTES = 32
# As which a browser is remembered: what tells one from another is the id that each has in a cookie.
DEVICE = "browser"

# The id by which this browser is remembered for a user, if it has one.
Remembers = Callable[[str], str | None]


class Ticket(msgspec.Struct, frozen=True):
    """Somebody's password was right; `password` is the digest of the hash it was compared with."""

    login_id: str
    password: str
    expires_time: datetime


@dataclass(frozen=True, slots=True)
class Homes:
    """Where a person may go on, and the ticket to it: good for five minutes, in this browser."""

    organizations: list[Organization]
    ticket: str


async def prove(environment: Environment, username: str, password: str, browser: str) -> Homes:
    """`browser` is what this one alone is known by. Raises BDC_1101, 1110, and 1111 for who works
    nowhere."""
    login = await passwords.prove(environment, username, password)

    def look(work: Work) -> Homes:
        stored_clock(work)
        ticket = Ticket(login.id, digest(login.password_hash or ""), work.now + TICKET_LIFE)
        return Homes(_homes(work, login), _signed(work, ticket, browser))

    homes = await environment.read(look)
    if not homes.organizations:
        raise Refusal(NOT_A_MEMBER, username)
    return homes


def homes_of(work: Work, ticket: str, browser: str) -> list[Organization]:
    """The organizations of a ticket's login; raises a refusal (404) for one that is old or not ours."""
    return _homes(work, _login_of(work, ticket, browser))


def open_session(
    work: Work, ticket: str, browser: str, organization_id: str, remembers: Remembers,
    older: str | None,
) -> tuple[str, Session]:  # fmt: skip
    """A new session and its id; what this browser had open before (`older`) ends.

    Raises BDC_1101, 1107, 1110 and 1111."""
    login = _login_of(work, ticket, browser)
    attempts.check(work, attempts.LOGIN, login.name)
    attempts.check(work, attempts.ORGANIZATION, organization_id)
    passwords.check_still(work, login)
    organization = work.connection.first(Organization, id=organization_id)
    if organization is None:
        raise Refusal(NOT_A_MEMBER, login.name)
    mine = users.users_of(work, login)
    user = next((each for each in mine if each.organization_id == organization_id), None)
    user = sign_in.enter(work, organization, user, login.name)
    if older:
        sessions.close_browser(work, older)
    trusted = not organization.mfa_enabled or mfa.recalls(work, user.id, remembers(user.id), DEVICE)
    return sessions.open_session(
        work, SessionKind.BROWSER, key="", organization_id=organization.id, user_id=user.id,
        role=users.role_of(work, user).type, trusted=trusted,
    )  # fmt: skip


def _homes(work: Work, login: Login) -> list[Organization]:
    """Where the person is an active user, whichever partner has made it: no key stands between."""
    mine = [user for user in users.users_of(work, login) if not user.archived and not user.invited]
    found = work.connection.by_id(Organization, [user.organization_id for user in mine])
    open = [each for each in found.values() if not each.archived]
    return sorted(open, key=lambda each: (each.name.casefold(), each.id))


def _login_of(work: Work, ticket: str, browser: str) -> Login:
    """Raises BDC_1101 where the password was changed since."""
    stored_clock(work)
    said = _read(work, ticket, browser)
    if said is None or work.now >= said.expires_time:
        raise Refusal(LINK_INVALID)
    login = work.connection.first(Login, id=said.login_id)
    if login is None or digest(login.password_hash or "") != said.password:
        raise Refusal(BAD_CREDENTIALS)
    return login


def _signed(work: Work, ticket: Ticket, browser: str) -> str:
    """Bound to the browser: taken to another one it says nothing."""
    text = msgspec.json.encode(ticket)
    return base64.urlsafe_b64encode(_mac(work, text, browser) + text).decode()


def _read(work: Work, ticket: str, browser: str) -> Ticket | None:
    """None for one that was invented, cut off, or another browser's."""
    try:
        sent = base64.urlsafe_b64decode(ticket)
    except ValueError:
        return None
    mac, text = sent[:MAC_BYTES], sent[MAC_BYTES:]
    right = hmac.compare_digest(mac, _mac(work, text, browser))
    return msgspec.json.decode(text, type=Ticket) if right else None


def _mac(work: Work, text: bytes, browser: str) -> bytes:
    return work.secrets.mac(f"console ticket {browser}", text)
