"""Sessions: who has signed in, for which organization, and how long ago something was last asked."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa

from billfold.access import keys, users
from billfold.access.keys import DeveloperKey
from billfold.access.organizations import Organization
from billfold.access.users import User
from billfold.kit.environment import Environment, StoredClock
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    BAD_ORGANIZATION,
    NOT_A_MEMBER,
    SESSION_INVALID,
    Refusal,
    Unavailable,
)
from billfold.kit.ids import looks_like
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Caller, Work

IDLE_MAX = timedelta(minutes=35)
# Writing every use would make a write of every read.
NOTED_EVERY = timedelta(minutes=1)
USES_MAX = 50_000


@table("sessions", sa.Index("ix_sessions_user", "user_id", "id"))
class Session(Record, frozen=True):
    """`id` and `developer_key` are digests: whoever reads the table can open no session."""

    developer_key: str
    organization_id: str
    user_id: str
    trusted: bool
    created_time: datetime
    used_time: datetime

    @property
    def caller(self) -> Caller:
        return Caller(self.organization_id, self.user_id, self.trusted, self.id)


# The clock comes with the session, so that all processes of an environment agree about the time.
WITH_CLOCK = (
    sa.select(Session.table, StoredClock.c.version, StoredClock.c.offset_ms, StoredClock.c.still)
    .join_from(Session.table, StoredClock.table, sa.true())
    .where(Session.c.id == sa.bindparam("id"))
)


def recognise(work: Work, session_id: str, developer_key: str) -> Session:
    """The session of these headers; foreign and invented ones cannot be told apart (BDC_1109)."""
    found = work.connection.values(WITH_CLOCK, id=_digest(session_id))
    if not found:
        raise Refusal(SESSION_INVALID)
    *fields, version, offset_ms, still = found[0]
    session = Session(*fields)
    if session.developer_key != _digest(developer_key):
        raise Refusal(SESSION_INVALID)
    work.follow(version, offset_ms, still)
    return session


# The same keys and sessions come again and again.
_digest = lru_cache(20_000)(digest)


class Uses:
    """When each session was last used, as this process saw it; written now and then, behind the answer.

    A session ends 35 minutes after its last use (`sessions.yaml`); what another process saw in the
    last minute may not be known here yet.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._last: OrderedDict[str, datetime] = OrderedDict()
        self._writing: dict[str, asyncio.Task] = {}

    def check(self, session: Session, now: datetime) -> None:
        used = max(session.used_time, self._last.get(session.id, session.used_time))
        if now - used >= IDLE_MAX:
            raise Refusal(SESSION_INVALID)

    def note(self, session: Session, now: datetime) -> None:
        self._last[session.id] = now
        if len(self._last) > USES_MAX:
            self._last.popitem(last=False)
        if now - session.used_time > NOTED_EVERY and session.id not in self._writing:
            self._writing[session.id] = asyncio.create_task(self._write(session.id))

    async def close(self) -> None:
        await asyncio.gather(*self._writing.values())

    async def _write(self, session_id: str) -> None:
        used_time = self._last[session_id]
        try:
            await self.environment.write(
                lambda work: work.connection.update(Session, session_id, {"used_time": used_time})
            )
        except Unavailable:
            pass  # The next use writes it; the memory of this process is right all the while.
        finally:
            del self._writing[session_id]


@dataclass(frozen=True, slots=True)
class SignIn:
    """What must be known before a password is compared: nobody waits for that inside a unit."""

    key: DeveloperKey
    organization: Organization | None
    user: User | None
    password_hash: str | None


def prepare(work: Work, email: str, organization_id: str, developer_key: str) -> SignIn:
    key = keys.recognise(work, developer_key)
    if not looks_like("organization", organization_id):
        raise Refusal(BAD_ORGANIZATION, organization_id)
    organization = work.connection.first(Organization, id=organization_id)
    login = users.login_of(work, email)
    mine = users.users_of(work, login) if login else []
    user = next((user for user in mine if user.organization_id == organization_id), None)
    return SignIn(key, organization, user, login.password_hash if login else None)


def decide(sign_in: SignIn, password_is_right: bool) -> tuple[User, bool]:
    """The user, and whether two-step sign-in is asked of them.

    Who knows no right password learns nothing about organizations and users."""
    if not password_is_right:
        raise Refusal(BAD_CREDENTIALS)
    if sign_in.organization is None:
        raise Refusal(BAD_ORGANIZATION)
    if sign_in.user is None or sign_in.user.archived:
        raise Refusal(NOT_A_MEMBER)
    return sign_in.user, sign_in.organization.mfa_enabled and not sign_in.key.mfa_bypass


def open_session(work: Work, user: User, key: DeveloperKey, trusted: bool) -> tuple[str, Session]:
    """The new session and its id, which nobody sees again; older sessions stay as they are."""
    token = work.ids.token()
    session = Session(digest(token), key.id, user.organization_id, user.id, trusted, work.now, work.now)
    return token, work.insert(session)


def trust(work: Work) -> None:
    """The caller's session has passed two-step sign-in and stays trusted until it ends."""
    assert work.caller is not None
    work.connection.update(Session, work.caller.session_id, {"trusted": True})


def close_session(work: Work) -> None:
    assert work.caller is not None
    work.connection.delete(Session, work.caller.session_id)


def own_key(work: Work) -> DeveloperKey:
    """The developer key with which the caller's session was made."""
    assert work.caller is not None
    session = work.connection.first(Session, id=work.caller.session_id)
    assert session is not None, "a session that was admitted is gone"
    key = work.connection.first(DeveloperKey, id=session.developer_key)
    assert key is not None, "a session's developer key is gone"
    return key
