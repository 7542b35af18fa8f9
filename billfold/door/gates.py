"""Gates: what a caller must show before anything else is looked at."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from billfold.access import keys, organizations, partners, roles, sessions, users
from billfold.access.keys import KeyKind
from billfold.access.roles import Permission
from billfold.access.sessions import Session, SessionKind
from billfold.door.arrival import Arrival
from billfold.door.wire import Wire, decode, decoder
from billfold.kit.addresses import is_loopback, name_in
from billfold.kit.callers import Caller
from billfold.kit.errors import (
    BAD_DEVELOPER_KEY,
    CONTROL_TOKEN,
    MALFORMED,
    MISSING_HEADER,
    NO_SUCH_API,
    SESSION_INVALID,
    UNTRUSTED,
    WRONG_KEY,
    Refusal,
)
from billfold.kit.work import Work


@dataclass(frozen=True, slots=True)
class Gate:
    """`check` gives the session, or None where none is needed, or refuses: who are you? Then the role
    of the user is asked, and last whether the session is trusted. `fresh` refuses a session that was
    idle for too long."""

    name: str
    headers: tuple[str, ...]
    check: Callable[[Work, Arrival], Session | None]
    # Only after two-step sign-in, because the operation moves money.
    trusted: bool = False
    # Who asks may stand in the body, which is then read before anybody is let in.
    reads_body: bool = False
    # Where a partner's session is meant to act, which is of no organization itself.
    enter: Callable[[Work, Arrival, Session], Caller] | None = None
    # Other sets of headers that let in as well.
    others: tuple[tuple[str, ...], ...] = ()

    def admit(
        self, work: Work, arrival: Arrival, asked: Permission | None,
        fresh: Callable[[Session, datetime], None],
    ) -> Session | None:  # fmt: skip
        session = self.check(work, arrival)
        if session is None:
            return None
        fresh(session, work.now)
        # Whatever is refused from here on, the session itself was accepted, and that renews it.
        arrival.session, arrival.admitted = session, work.now
        # A partner's session has no role in an organization; operations that let it in say so by their
        # gate.
        if asked is not None and session.kind is not SessionKind.PARTNER:
            syncs = session.kind is SessionKind.SYNC_TOKEN
            if not roles.may(session.role, asked, syncs):
                raise Refusal(roles.refusal_of(asked, syncs, self.trusted))
        if self.trusted and not session.trusted:
            raise Refusal(UNTRUSTED)
        caller = self.enter(work, arrival, session) if self.enter else session.caller
        work.caller = arrival.caller = caller
        return session


def _anyone(work: Work, arrival: Arrival) -> None:
    return None


def _signed_in(work: Work, arrival: Arrival) -> Session:
    """401 without a session; one that has ended, one that never was and a partner's, which reaches no
    organization, cannot be told apart."""
    session = _with(work, arrival, "devKey", KeyKind.DEVELOPER)
    if session.kind is SessionKind.PARTNER:
        raise Refusal(SESSION_INVALID)
    return session


def _partner(work: Work, arrival: Arrival) -> Session:
    """A session of partner/login, with the application key that made it."""
    session = _with(work, arrival, "appKey", KeyKind.APPLICATION)
    if session.kind is not SessionKind.PARTNER:
        raise Refusal(SESSION_INVALID)
    return session


class _OlderBody(Wire):
    session_id: str | None = None


_reads_older_body = decoder(_OlderBody)


def _partner_in_body(work: Work, arrival: Arrival) -> Session:
    """Until June 2024 the session of a partner stood in the body of login-as-user. Clients from before
    still send it there, and no header."""
    if not arrival.header("sessionId"):
        try:
            found = decode(_reads_older_body, arrival.body).session_id
        except Refusal:
            found = None  # Nobody is told what is wrong with a body before they are let in.
        arrival.in_body = {"sessionId": found or ""}
    return _partner(work, arrival)


def _child(work: Work, arrival: Arrival, session: Session) -> Caller:
    """One of the partner's organizations, which a header names; all others are not found."""
    organization_id = arrival.header("organizationId")
    if not organization_id:
        raise Refusal(MISSING_HEADER, "organizationId")
    assert session.partner_id is not None
    organization = partners.child(work, session.partner_id, organization_id)
    return Caller(organization.id, session.user_id, session.trusted, session.id)


def _downloads(work: Work, arrival: Arrival) -> Session:
    """A link in an answer is followed with the session alone."""
    session_id = arrival.header("sessionId")
    session = sessions.by_id(work, session_id) if session_id else None
    if session is None or session.kind is SessionKind.PARTNER:
        raise Refusal(SESSION_INVALID)
    return session


def _any_session(work: Work, arrival: Arrival) -> Session:
    return _partner(work, arrival) if arrival.credential("appKey") else _signed_in(work, arrival)


def _with(work: Work, arrival: Arrival, name: str, kind: KeyKind) -> Session:
    """A key that nobody knows is told from a session that has ended (BDC_1102, `common.yaml`)."""
    session_id, key = arrival.credential("sessionId"), arrival.credential(name)
    if not session_id or not key:
        raise Refusal(SESSION_INVALID)
    try:
        return sessions.recognise(work, session_id, key)
    except Refusal:
        raise Refusal(
            SESSION_INVALID if keys.is_known(work, kind, key) else BAD_DEVELOPER_KEY
        ) from None


def _events(work: Work, arrival: Arrival) -> Session:
    """At the level for which there are all credentials: an organization's, a partner's, or that of
    Spend & Expense. A header that is missing (400) is told from one that is wrong (401), and a wrong
    key from a session that has ended (BDC_1102 and 1109, `webhooks.yaml`)."""
    there = {name for name in EVENTS_HEADERS if arrival.header(name)}
    for needed, check in EVENTS_LEVELS:
        if there.issuperset(needed):
            try:
                return check(work, arrival)
            except Refusal as refusal:
                if refusal.problems[0][0] is BAD_DEVELOPER_KEY:
                    raise Refusal(WRONG_KEY, needed[0]) from None  # Which is 400 everywhere else.
                raise
    partners = "appKey" in there and "devKey" not in there
    asked = ("appKey" if partners else "devKey", "sessionId")
    raise Refusal.of([(MISSING_HEADER, name) for name in asked if name not in there])


def _spends(work: Work, arrival: Arrival) -> Session:
    return users.session_of_token(work, arrival.header("apiToken"))


EVENTS_LEVELS: tuple[tuple[tuple[str, ...], Callable[[Work, Arrival], Session]], ...] = (
    (("devKey", "sessionId"), _signed_in),
    (("appKey", "sessionId"), _partner),
    (("apiToken",), _spends),
)
EVENTS_HEADERS = {name for needed, _ in EVENTS_LEVELS for name in needed}


def _subscriber(work: Work, arrival: Arrival, session: Session) -> Caller:
    """Whose subscriptions these are: the organization's, the partner's or the company's. No two levels
    share an owner, so that nothing of one is found at another."""
    match session.kind:
        case SessionKind.PARTNER:
            owner_id = session.partner_id or ""
        case SessionKind.API_TOKEN:
            owner_id = organizations.company_id(session.organization_id)
        case _:
            return session.caller
    return Caller(owner_id, session.user_id, session.trusted, session.id)


def _control(work: Work, arrival: Arrival) -> None:
    """Sandboxes only; without a token this machine only, and no web page: its Host or Origin would be
    another's."""
    policy = work.policy
    if not policy.controlled:
        raise Refusal(NO_SUCH_API, arrival.path)
    if not _is_local(arrival) and not _has_token(policy.control_token, arrival):
        if policy.control_token:
            raise Refusal(CONTROL_TOKEN)
        raise Refusal(NO_SUCH_API, f"{arrival.path} from elsewhere than localhost, without a token")
    has_body = arrival.header("content-length") not in ("", "0")
    if has_body and not arrival.header("content-type").startswith("application/json"):
        raise Refusal(MALFORMED, "content-type: must be application/json")


def _has_token(token: str, arrival: Arrival) -> bool:
    scheme, _, said = arrival.header("authorization").partition(" ")
    same = hmac.compare_digest(said.strip().encode(), token.encode())
    return bool(token) and scheme.lower() == "bearer" and same


def _is_local(arrival: Arrival) -> bool:
    hosts = [arrival.header("host")] if arrival.header("host") else []
    if origin := arrival.header("origin"):
        hosts.append(origin.partition("://")[2])  # Of "null", which any page may send, nothing is left.
    return is_loopback(arrival.peer) and all(is_loopback(name_in(host)) for host in hosts)


PUBLIC = Gate("public", (), _anyone)
SIGNED_IN = Gate("signed in", ("sessionId", "devKey"), _signed_in)
TRUSTED = Gate("trusted", ("sessionId", "devKey"), _signed_in, trusted=True)
ANY_SESSION = Gate("signed in, or a partner", ("sessionId", "devKey"), _any_session)
PARTNER = Gate("partner", ("sessionId", "appKey"), _partner)
PARTNER_IN_BODY = Gate(
    "partner, or in the body", ("sessionId", "appKey"), _partner_in_body, reads_body=True
)
PARTNER_ON_CHILD = Gate(
    "partner on a child", ("sessionId", "appKey", "organizationId"), _partner, enter=_child
)
DOWNLOADS = Gate("downloads", ("sessionId",), _downloads)
EVENTS = Gate(
    "events", ("sessionId", "devKey"), _events, enter=_subscriber,
    others=(("sessionId", "appKey"), ("apiToken",)),
)  # fmt: skip
CONTROL = Gate("control", (), _control)
