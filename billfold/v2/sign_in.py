"""Signing in by v2: the organizations of a login, sessions, and the second step of a sign-in.

The rules are v3's and so are the sessions: what was begun in one version goes on in the other. v2
names things its own way: orgId and usersId where a session begins, organizationId and userId after.
"""

from typing import Annotated

from msgspec import Meta

from billfold.access import mfa, sessions
from billfold.access.roles import Permission
from billfold.access.sign_in import Asked, organizations_of, sign_in
from billfold.door.arrival import Arrival
from billfold.door.gates import PUBLIC, SIGNED_IN
from billfold.door.wire import NOT_BLANK, Query
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    BAD_DEVELOPER_KEY,
    BAD_ORGANIZATION,
    DEVELOPER_KEY_INACTIVE,
    INVALID_VALUE,
    LOGIN_LOCKED,
    NO_PHONE,
    NOT_A_MEMBER,
    ORGANIZATION_LOCKED,
    OTHER_PARTNER,
    RATE_REACHED,
    TOKEN_EXPIRED,
    TOO_MANY_TOKENS,
)
from billfold.kit.work import Work
from billfold.v2.envelope import BASE, Calls, Data

operations = Calls()

Given = Annotated[str, Meta(min_length=1, max_length=1000, pattern=NOT_BLANK)]
PROVE = Permission.PROVE_IDENTITY


class ListOrgsForm(Query):
    user_name: Given
    password: Given


class LoginForm(Query):
    """`userName` and `password` may also be the name and the value of a sync token."""

    user_name: Given
    password: Given
    org_id: Given
    mfa_id: str = ""
    device_id: str = ""


class OrganizationView(Data):
    org_id: str
    org_name: str


class LoginView(Data):
    session_id: str
    org_id: str
    api_end_point: str
    users_id: str


class SessionView(Data):
    organization_id: str
    user_id: str


class MfaChallenge(Data):
    use_backup: bool = False


class MfaChallengeView(Data):
    challenge_id: str


class MfaAuthenticate(Data):
    challenge_id: Given
    token: Given
    device_id: Given
    machine_name: str | None = None
    remember_me: bool = False


class MfaAuthenticateView(Data):
    mfa_id: str
    machine_name: str | None


class MfaStatus(Data):
    mfa_id: Given
    device_id: Given


class MfaStatusView(Data):
    is_trusted: bool


@operations.call(
    "ListOrgs", PUBLIC,
    refuses=[BAD_CREDENTIALS, BAD_DEVELOPER_KEY, DEVELOPER_KEY_INACTIVE, LOGIN_LOCKED, RATE_REACHED],
)  # fmt: skip
async def list_orgs(
    environment: Environment, form: ListOrgsForm, arrival: Arrival
) -> list[OrganizationView]:
    """The organizations that a login can reach, for those who do not know their ids yet."""
    key = arrival.credential("devKey")
    found = await organizations_of(environment, form.user_name, form.password, key)
    return [OrganizationView(each.id, each.name) for each in found]


@operations.call(
    "Login", PUBLIC,
    refuses=[
        BAD_CREDENTIALS, BAD_DEVELOPER_KEY, DEVELOPER_KEY_INACTIVE, BAD_ORGANIZATION, NOT_A_MEMBER,
        OTHER_PARTNER, ORGANIZATION_LOCKED, LOGIN_LOCKED, INVALID_VALUE, RATE_REACHED,
    ],
)  # fmt: skip
async def login_v2(environment: Environment, form: LoginForm, arrival: Arrival) -> LoginView:
    """Sign in as a user of one organization, by password or sync token.

    `mfaId` together with the `deviceId` it was made for makes the session trusted at once; a wrong
    one does not hinder the login. `apiEndPoint` is where the later calls go, without a slash at the
    end."""
    key = arrival.credential("devKey")
    mfa.check_device(form.device_id)
    token, session = await sign_in(
        environment,
        Asked(
            form.user_name, form.password, form.org_id, key,
            remember_me_id=form.mfa_id, device=form.device_id,
        ),
    )  # fmt: skip
    end_point = (environment.policy.public_url or arrival.addressed()) + BASE
    return LoginView(token, session.organization_id, end_point, session.user_id)


@operations.call("GetSessionInfo", SIGNED_IN, may=Permission.SIGNED_IN, reads=True)
def get_session_info_v2(work: Work) -> SessionView:
    """Which organization and user the session belongs to."""
    return SessionView(work.organization_id, work.user_id)


@operations.call("Logout", SIGNED_IN, may=Permission.SIGNED_IN)
def logout_v2(work: Work) -> None:
    """End the session, for v3 as well; remembered ids survive."""
    sessions.close_session(work)


@operations.call("MFAChallenge", SIGNED_IN, may=PROVE, refuses=[NO_PHONE, RATE_REACHED])
def mfa_challenge(work: Work, request: MfaChallenge = MfaChallenge()) -> MfaChallengeView:
    """Send a six-digit token to the registered phone, or to the second one."""
    return MfaChallengeView(mfa.challenge(work, request.use_backup).id)


@operations.call(
    "MFAAuthenticate", SIGNED_IN, may=PROVE, refuses=[TOKEN_EXPIRED, TOO_MANY_TOKENS, INVALID_VALUE]
)
async def mfa_authenticate(
    environment: Environment, request: MfaAuthenticate, arrival: Arrival
) -> MfaAuthenticateView:
    """Make this session trusted; with `rememberMe` also later ones of the same device, for 30 days."""
    mfa_id = await mfa.authenticate(
        environment, arrival.caller, request.challenge_id, request.token, request.device_id,
        request.machine_name, request.remember_me,
    )  # fmt: skip
    return MfaAuthenticateView(mfa_id, request.machine_name)


@operations.call("MFAStatus", SIGNED_IN, may=PROVE, reads=True)
def mfa_status(work: Work, request: MfaStatus) -> MfaStatusView:
    """Whether an id made with `rememberMe` is still good for this user and this device."""
    return MfaStatusView(mfa.recalls(work, work.user_id, request.mfa_id, request.device_id))
