"""Two-step sign-in as the v3 API says it."""

from typing import Literal

from billfold.access import mfa, sessions
from billfold.access.messages import Channel
from billfold.access.mfa import PhoneType
from billfold.access.roles import Permission
from billfold.door.arrival import Arrival
from billfold.door.gates import SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import Name, Wire
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    INVALID_VALUE,
    MALFORMED,
    NO_PHONE,
    NO_SET_UP,
    PHONE_IS_SET,
    RATE_REACHED,
    TOKEN_EXPIRED,
    TOO_MANY_TOKENS,
    Problem,
    Refusal,
)
from billfold.kit.phones import us_number
from billfold.kit.work import Work

operations = Operations("mfa")

PROVE = Permission.PROVE_IDENTITY


class PhoneView(Wire):
    type: PhoneType
    last4digits: str
    primary: bool


class PhoneList(Wire):
    results: list[PhoneView]


SetupType = Literal["TEXT", "VOICE"]


class SetupRequest(Wire):
    """`primary` is deprecated; false is the backup phone."""

    phone: Name
    type: SetupType
    primary: bool = True


class SetupResponse(Wire):
    setup_id: str


class SetupValidateRequest(Wire):
    setup_id: Name
    type: SetupType
    token: Name


class SetupValidateResponse(Wire):
    status: Literal["SUCCESS", "FAILURE"]


class ChallengeRequest(Wire):
    use_backup: bool = False


class ChallengeResponse(Wire):
    challenge_id: str


class ChallengeValidateRequest(Wire):
    challenge_id: Name
    token: Name
    device: str | None = None
    machine_name: str | None = None
    remember_me: bool = False


class ChallengeValidateResponse(Wire):
    remember_me_id: str


class StepUpRequest(Wire):
    remember_me_id: str | None = None
    device: str | None = None


class StepUpResponse(Wire):
    trusted: bool


@operations.post(
    "/connect/v3/mfa/setup", SIGNED_IN, status=200, may=PROVE,
    refuses=[PHONE_IS_SET, MALFORMED, RATE_REACHED],
)  # fmt: skip
def setup(work: Work, request: SetupRequest) -> SetupResponse:
    """Register a phone, first step: send it a six-digit token.

    Where a phone is registered already the session must be trusted; that is how MFA is reset."""
    number = us_number(request.phone)
    if number is None:
        raise Refusal(MALFORMED, "phone: must be a US phone number of ten digits")
    made = mfa.set_up(work, number, Channel(request.type), request.primary)
    return SetupResponse(made.id)


@operations.post("/connect/v3/mfa/validate", SIGNED_IN, status=200, may=PROVE, older=True)
@operations.post(
    "/connect/v3/mfa/setup/validate", SIGNED_IN, status=200, may=PROVE,
    refuses=[NO_SET_UP, PHONE_IS_SET, TOKEN_EXPIRED, TOO_MANY_TOKENS],
)  # fmt: skip
async def validate(
    environment: Environment, request: SetupValidateRequest, arrival: Arrival
) -> SetupValidateResponse:
    """Register a phone, second step: answer with the token. The session is not trusted by this."""

    def finish(work: Work) -> Problem | None:
        return mfa.finish_set_up(work, request.setup_id, Channel(request.type), request.token)

    if problem := await environment.write(finish, arrival.caller):
        raise Refusal(problem)
    return SetupValidateResponse("SUCCESS")


@operations.get("/connect/v3/mfa/phones", SIGNED_IN, may=PROVE)
def list_mfa_phones(work: Work) -> PhoneList:
    """The user's phones for two-step sign-in, by their last four digits."""
    return PhoneList([PhoneView(each.type, each.last4, each.primary) for each in mfa.phones(work)])


@operations.post(
    "/connect/v3/mfa/challenge", SIGNED_IN, status=200, may=PROVE, refuses=[NO_PHONE, RATE_REACHED]
)
def generate_challenge(work: Work, request: ChallengeRequest = ChallengeRequest()) -> ChallengeResponse:
    """Send a six-digit token to the registered phone; one sent to this session before is void."""
    return ChallengeResponse(mfa.challenge(work, request.use_backup).id)


@operations.post(
    "/connect/v3/mfa/challenge/validate", SIGNED_IN, status=200, may=PROVE,
    refuses=[TOKEN_EXPIRED, TOO_MANY_TOKENS, INVALID_VALUE],
)  # fmt: skip
async def validate_challenge(
    environment: Environment, request: ChallengeValidateRequest, arrival: Arrival
) -> ChallengeValidateResponse:
    """Make this session trusted; with `rememberMe` also later ones of the same device, for 30 days.

    Without it an id is given out as well, because clients read one, but no login honours it."""
    device = request.device or ""
    if request.remember_me and not device:
        raise Refusal(MALFORMED, "device: must not be blank")
    given = await mfa.authenticate(
        environment, arrival.caller, request.challenge_id, request.token, device,
        request.machine_name, request.remember_me,
    )  # fmt: skip
    return ChallengeValidateResponse(given)


@operations.post("/connect/v3/mfa/step-up", SIGNED_IN, status=200, may=PROVE)
def step_up_session(work: Work, request: StepUpRequest = StepUpRequest()) -> StepUpResponse:
    """Make this session trusted by a remembered id; a wrong one is no error, `trusted` is false."""
    assert work.caller is not None
    if work.caller.trusted:
        return StepUpResponse(True)
    trusted = mfa.recalls(work, work.user_id, request.remember_me_id, request.device)
    if trusted:
        sessions.trust(work)
    return StepUpResponse(trusted)
