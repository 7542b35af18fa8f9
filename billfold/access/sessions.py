"""Sessions: who has signed in, for which organization, and how long ago something was last asked."""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import sqlalchemy as sa

from billfold.access import keys
from billfold.access.keys import Key
from billfold.access.roles import RoleType
from billfold.kit.callers import Caller
from billfold.kit.environment import Environment, StoredClock
from billfold.kit.errors import SESSION_INVALID, Refusal, Unavailable
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

IDLE_MAX = timedelta(minutes=35)
SYNC_TOKEN_IDLE_MAX = timedelta(hours=48)
# Writing every use would make a write of every read.
NOTED_EVERY = timedelta(minutes=1)
USES_MAX = 50_000


class SessionKind(StrEnum):
    PASSWORD = "PASSWORD"
    CONSOLE_TOKEN = "CONSOLE_TOKEN"
    SYNC_TOKEN = "SYNC_TOKEN"
    PARTNER = "PARTNER"
    LOGIN_AS_USER = "LOGIN_AS_USER"
    # A person at the console's pages. It goes with no key: no headers of the API's open it.
    BROWSER = "BROWSER"
    # Nobody signs in with a token of Spend & Expense: each request shows it, and no such row is kept.
    API_TOKEN = "API_TOKEN"


@table(
    "sessions",
    sa.Index("ix_sessions_user", "user_id", "id"),
    sa.Index("ix_sessions_key", "key", "id"),
)
class Session(Record, frozen=True):
    """`id` and `key` are digests: whoever reads the table can open no session.

    `role` is the user's, kept here so that the gate reads one row. A partner's session is of no
    organization; one that a partner opened for a user goes with any developer key of `partner_id`; a
    browser's has an empty `key`, which is no key's digest."""

    key: str
    kind: SessionKind
    organization_id: str
    user_id: str
    role: RoleType
    trusted: bool
    created_time: datetime
    used_time: datetime
    partner_id: str | None = None

    @property
    def caller(self) -> Caller:
        return Caller(self.organization_id, self.user_id, self.trusted, self.id)

    @property
    def idle_max(self) -> timedelta:
        return SYNC_TOKEN_IDLE_MAX if self.kind is SessionKind.SYNC_TOKEN else IDLE_MAX


# The clock comes with the session, so that all processes of an environment agree about the time.
WITH_CLOCK = (
    sa.select(Session.table, StoredClock.c.version, StoredClock.c.offset_ms, StoredClock.c.still)
    .join_from(Session.table, StoredClock.table, sa.true())
    .where(Session.c.id == sa.bindparam("id"))
)


def recognise(work: Work, session_id: str, key: str) -> Session:
    """The session of these headers; foreign and invented ones cannot be told apart (BDC_1109)."""
    session = by_id(work, session_id)
    if session.kind is SessionKind.LOGIN_AS_USER:
        _check_partner_key(work, session, key)
    elif session.key != _digest(key):
        raise Refusal(SESSION_INVALID)
    return session


def by_id(work: Work, session_id: str) -> Session:
    """Without its key: for downloads, which show nothing else (`organizations.yaml`)."""
    session = _found(work, session_id)
    if session.kind is SessionKind.BROWSER:
        raise Refusal(SESSION_INVALID)
    return session


def of_browser(work: Work, token: str) -> Session:
    """The session of this cookie, in which no other kind is taken (BDC_1109)."""
    session = _found(work, token)
    if session.kind is not SessionKind.BROWSER:
        raise Refusal(SESSION_INVALID)
    return session


def _found(work: Work, session_id: str) -> Session:
    found = work.connection.values(WITH_CLOCK, id=_digest(session_id))
    if not found:
        raise Refusal(SESSION_INVALID)
    *fields, version, offset_ms, still = found[0]
    work.follow(version, offset_ms, still)
    return Session(*fields)


def _check_partner_key(work: Work, session: Session, key: str) -> None:
    """A session that a partner opened for a user goes with every developer key of the partner."""
    found = keys.find(work, keys.KeyKind.DEVELOPER, key)
    if found is None or found.partner_id != session.partner_id:
        raise Refusal(SESSION_INVALID)


# The same keys and sessions come again and again.
_digest = lru_cache(20_000)(digest)


class Uses:
    """When each session was last used, as this process saw it; written now and then, behind the answer.

    A session ends 35 minutes after its last use, one of a sync token 48 hours (`sessions.yaml`); what
    another process saw in the last minute may not be known here yet.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._last: OrderedDict[str, datetime] = OrderedDict()
        self._writing: dict[str, asyncio.Task] = {}

    def check(self, session: Session, now: datetime) -> None:
        used = max(session.used_time, self._last.get(session.id, session.used_time))
        if now - used >= session.idle_max:
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


def open_session(
    work: Work, kind: SessionKind, *, key: str, organization_id: str, user_id: str, role: RoleType,
    trusted: bool = False, partner_id: str | None = None,
) -> tuple[str, Session]:  # fmt: skip
    """The new session and its id, which nobody sees again; older sessions stay as they are.

    Raises BDC_1103 where its key was switched off meanwhile: whoever does that ends only the sessions
    that there are."""
    if kind is not SessionKind.BROWSER:
        keys.check_still(work, key)
    token = work.ids.token()
    session = Session(
        digest(token),
        key,
        kind,
        organization_id,
        user_id,
        role,
        trusted,
        work.now,
        work.now,
        partner_id,
    )
    return token, work.insert(session)


def trust(work: Work) -> None:
    """The caller's session has passed two-step sign-in and stays trusted until it ends."""
    work.connection.update(Session, own(work).id, {"trusted": True})


def own(work: Work) -> Session:
    """The session with which the caller was let in."""
    assert work.caller is not None
    session = work.connection.first(Session, id=work.caller.session_id)
    if session is None:
        raise Refusal(SESSION_INVALID)  # It was ended after it was let in.
    return session


def key_of(work: Work, session: Session) -> Key:
    key = work.connection.first(Key, id=session.key)
    assert key is not None, "a session's key is gone"
    return key


def close_session(work: Work) -> None:
    assert work.caller is not None
    work.connection.delete(Session, work.caller.session_id)


def close_browser(work: Work, token: str) -> None:
    """End the session of a cookie, if it is one."""
    found = work.connection.first(Session, id=digest(token))
    if found and found.kind is SessionKind.BROWSER:
        work.connection.delete(Session, found.id)


def end_all(work: Work, user_id: str) -> None:
    """The user was archived, or has another password: whoever is signed in is signed out."""
    work.connection.delete_all(Session, _ids(work, user_id=user_id))


def set_role(work: Work, user_id: str, role: RoleType) -> None:
    """Sessions go by the user's new role at once."""
    work.connection.set_all(Session, _ids(work, user_id=user_id), {"role": role})


def revoke_key(work: Work, id: str) -> Key:
    """Switch a key off; the sessions that were made with it end."""
    key = keys.switch_off(work, id)
    work.connection.delete_all(Session, _ids(work, key=id))
    return key


def _ids(work: Work, **equal: str) -> list[str]:
    return [session.id for session in work.connection.where(Session, **equal)]
