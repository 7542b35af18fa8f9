"""Sessions as the v3 API says them."""

from typing import Annotated

from msgspec import Meta

from billfold.access import mfa, organizations, sessions
from billfold.access.mfa import Status
from billfold.access.roles import Permission
from billfold.access.sign_in import Asked, reachable, sign_in
from billfold.access.users import User
from billfold.door.arrival import Arrival
from billfold.door.gates import ANY_SESSION, PUBLIC, SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import NOT_BLANK, Nothing, Query, Wire
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    BAD_DEVELOPER_KEY,
    BAD_ORGANIZATION,
    DEVELOPER_KEY_INACTIVE,
    LOGIN_LOCKED,
    MALFORMED,
    NOT_A_MEMBER,
    ORGANIZATION_LOCKED,
    OTHER_PARTNER,
    RATE_REACHED,
    SESSION_INVALID,
    Refusal,
)
from billfold.kit.work import Work

operations = Operations("sessions")

Given = Annotated[str, Meta(min_length=1, max_length=1000, pattern=NOT_BLANK)]


class LoginRequest(Wire):
    """`devKey` belongs here; a header of that name is taken where it is missing. A password is needed
    unless there is a console token."""

    username: Given
    organization_id: Given
    password: Given | None = None
    dev_key: Given | None = None
    console_api_token: Given | None = None
    remember_me_id: str | None = None
    device: str | None = None


class LoginResponse(Wire):
    session_id: str
    organization_id: str
    user_id: str
    trusted: bool


class Named(Wire):
    id: str
    name: str


class LoginOrganization(Wire):
    """`consoleOrganization` is the parent of an organization whose books a console keeps."""

    organization: Named
    console_organization: Named | None = None


class LoginOrganizations(Wire):
    results: list[LoginOrganization]
    next_page: str | None = None
    prev_page: str | None = None


class PageQuery(Query):
    page: str = ""


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
        OTHER_PARTNER,
        ORGANIZATION_LOCKED,
        LOGIN_LOCKED,
        RATE_REACHED,
    ],
)
async def login(environment: Environment, request: LoginRequest, arrival: Arrival) -> LoginResponse:
    """Sign in as a user of one organization, by password, sync token or console token.

    A remembered id of `mfa/challenge/validate` together with its device makes the session trusted
    at once; a wrong one does not hinder the login. `trusted` says whether money may be moved."""
    dev_key = request.dev_key or arrival.header("devKey")
    missing = [] if dev_key else ["devKey"]
    if not request.password and not request.console_api_token:
        missing.insert(0, "password")
    if missing:
        raise Refusal.of([(MALFORMED, f"{name}: must not be blank") for name in missing])
    token, session = await sign_in(
        environment,
        Asked(
            request.username, request.password or "", request.organization_id, dev_key,
            request.console_api_token, request.remember_me_id, request.device,
        ),
    )  # fmt: skip
    return LoginResponse(token, session.organization_id, session.user_id, session.trusted)


@operations.get(
    "/connect/v3/login/session", SIGNED_IN, may=Permission.SIGNED_IN, refuses=[SESSION_INVALID]
)
def get_session_info(work: Work) -> SessionInfo:
    """Which organization and user the session belongs to, and how far two-step sign-in has come."""
    bypass = sessions.key_of(work, sessions.own(work)).mfa_bypass
    return SessionInfo(work.organization_id, work.user_id, mfa.status(work), bypass)


@operations.get(
    "/connect/v3/login/organizations", SIGNED_IN, may=Permission.SIGNED_IN, refuses=[SESSION_INVALID]
)
def list_all_organizations(work: Work, query: PageQuery) -> LoginOrganizations:
    """The organizations that the session's user can reach, a hundred a page."""
    login_id = work.find(User, work.user_id).login_id
    page = reachable(work, login_id, sessions.key_of(work, sessions.own(work)), query.page)
    consoles = organizations.consoles_of(work, page.rows)
    results = [
        LoginOrganization(
            Named(each.id, each.name),
            Named(console.id, console.name) if (console := consoles.get(each.console_id)) else None,
        )
        for each in page.rows
    ]
    return LoginOrganizations(results, page.next_page, page.prev_page)


@operations.post(
    "/connect/v3/logout", ANY_SESSION, status=200, may=Permission.SIGNED_IN, refuses=[SESSION_INVALID]
)
def logout(work: Work, request: Nothing = Nothing()) -> None:
    """End the session; the answer is empty. Remembered ids survive, they are for the next login.

    A partner's session goes with its appKey."""
    sessions.close_session(work)
