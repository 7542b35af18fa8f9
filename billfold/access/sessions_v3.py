"""Sessions as the v3 API says them."""

from typing import Annotated

from msgspec import Meta

from billfold.access import mfa, sessions
from billfold.access.mfa import Status
from billfold.door.arrival import Arrival
from billfold.door.gates import PUBLIC, SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import NOT_BLANK, Nothing, Wire
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    BAD_DEVELOPER_KEY,
    BAD_ORGANIZATION,
    DEVELOPER_KEY_INACTIVE,
    MALFORMED,
    NOT_A_MEMBER,
    SESSION_INVALID,
    Refusal,
)
from billfold.kit.work import Work

operations = Operations("sessions")

Given = Annotated[str, Meta(min_length=1, max_length=1000, pattern=NOT_BLANK)]


class LoginRequest(Wire):
    """`devKey` belongs here; a header of that name is taken where it is missing."""

    username: Given
    password: Given
    organization_id: Given
    dev_key: Given | None = None
    remember_me_id: str | None = None
    device: str | None = None


class LoginResponse(Wire):
    session_id: str
    organization_id: str
    user_id: str
    trusted: bool


class SessionInfo(Wire):
    organization_id: str
    user_id: str
    mfa_status: Status
    mfa_bypass: bool


@operations.post(
    "/connect/v3/login",
    PUBLIC,
    status=200,
    refuses=[
        BAD_CREDENTIALS,
        BAD_DEVELOPER_KEY,
        DEVELOPER_KEY_INACTIVE,
        BAD_ORGANIZATION,
        NOT_A_MEMBER,
    ],
)
async def login(environment: Environment, request: LoginRequest, arrival: Arrival) -> LoginResponse:
    """Sign in as a user of one organization.

    A remembered id of `mfa/challenge/validate` together with its device makes the session trusted
    at once; a wrong one does not hinder the login. `trusted` says whether money may be moved."""
    dev_key = request.dev_key or arrival.header("devKey")
    if not dev_key:
        raise Refusal(MALFORMED, "devKey: must not be blank")

    def prepare(work: Work) -> sessions.SignIn:
        stored_clock(work)
        return sessions.prepare(work, request.username, request.organization_id, dev_key)

    sign_in = await environment.read(prepare)
    # Between two units of work, because it takes its time.
    right = await environment.passwords.match(sign_in.password_hash, request.password)
    user, needs_mfa = sessions.decide(sign_in, right)

    def open_session(work: Work) -> LoginResponse:
        trusted = not needs_mfa or mfa.recalls(work, user.id, request.remember_me_id, request.device)
        token, session = sessions.open_session(work, user, sign_in.key, trusted)
        return LoginResponse(token, session.organization_id, session.user_id, session.trusted)

    return await environment.write(open_session)


@operations.get("/connect/v3/login/session", SIGNED_IN, refuses=[SESSION_INVALID])
def get_session_info(work: Work) -> SessionInfo:
    """Which organization and user the session belongs to, and how far two-step sign-in has come."""
    bypass = sessions.own_key(work).mfa_bypass
    return SessionInfo(work.organization_id, work.user_id, mfa.status(work), bypass)


@operations.post("/connect/v3/logout", SIGNED_IN, status=200, refuses=[SESSION_INVALID])
def logout(work: Work, request: Nothing = Nothing()) -> None:
    """End the session; the answer is empty. Remembered ids survive, they are for the next login."""
    sessions.close_session(work)
