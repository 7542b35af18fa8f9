"""Gates: what a caller must show before anything else is looked at."""

from collections.abc import Callable
from dataclasses import dataclass

from billfold.access import sessions
from billfold.access.sessions import Session
from billfold.door.arrival import Arrival
from billfold.kit.addresses import is_loopback
from billfold.kit.errors import (
    MALFORMED,
    MISSING_HEADER,
    NO_SUCH_API,
    SESSION_INVALID,
    UNTRUSTED,
    Refusal,
)
from billfold.kit.work import Work


@dataclass(frozen=True, slots=True)
class Gate:
    """`check` gives the session, or None where none is needed, or refuses."""

    name: str
    headers: tuple[str, ...]
    check: Callable[[Work, Arrival], Session | None]

    def admit(self, work: Work, arrival: Arrival) -> Session | None:
        session = self.check(work, arrival)
        if session is not None:
            work.caller = arrival.caller = session.caller
        return session


def _anyone(work: Work, arrival: Arrival) -> None:
    return None


def _signed_in(work: Work, arrival: Arrival) -> Session:
    """401 without a session; one that has ended and one that never was cannot be told apart."""
    session_id = arrival.headers.get(b"sessionid")
    key = arrival.headers.get(b"devkey")
    if not session_id or not key:
        raise Refusal(SESSION_INVALID)
    return sessions.recognise(work, session_id.decode("latin-1"), key.decode("latin-1"))


def _trusted(work: Work, arrival: Arrival) -> Session:
    """403 without MFA, where the operation moves money."""
    session = _signed_in(work, arrival)
    if not session.trusted:
        raise Refusal(UNTRUSTED)
    return session


def _events(work: Work, arrival: Arrival) -> Session:
    """connect-events tells a header that is missing (400) from one that is wrong (401)."""
    missing = [name for name in ("devKey", "sessionId") if not arrival.header(name)]
    if missing:
        raise Refusal.of([(MISSING_HEADER, name) for name in missing])
    return _signed_in(work, arrival)


def _control(work: Work, arrival: Arrival) -> None:
    """Sandboxes only, this machine only, and no web page: its Host or Origin would be another's."""
    if not work.policy.controlled or not _is_local(arrival):
        raise Refusal(NO_SUCH_API, arrival.path)
    has_body = arrival.header("content-length") not in ("", "0")
    if has_body and not arrival.header("content-type").startswith("application/json"):
        raise Refusal(MALFORMED, "content-type: must be application/json")


def _is_local(arrival: Arrival) -> bool:
    hosts = [arrival.header("host")] if arrival.header("host") else []
    if origin := arrival.header("origin"):
        hosts.append(origin.partition("://")[2])  # Of "null", which any page may send, nothing is left.
    return is_loopback(arrival.peer) and all(is_loopback(_name_of(host)) for host in hosts)


def _name_of(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] or host


PUBLIC = Gate("public", (), _anyone)
SIGNED_IN = Gate("signed in", ("sessionId", "devKey"), _signed_in)
TRUSTED = Gate("trusted", ("sessionId", "devKey"), _trusted)
EVENTS = Gate("events", ("sessionId", "devKey"), _events)
CONTROL = Gate("control", (), _control)
