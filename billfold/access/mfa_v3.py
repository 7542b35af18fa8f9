"""Two-step sign-in as the v3 API says it."""

from billfold.access import mfa, sessions
from billfold.access.mfa import PhoneType
from billfold.door.arrival import Arrival
from billfold.door.gates import SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import Name, Wire
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    INVALID_VALUE,
    MALFORMED,
    NO_PHONE,
    TOKEN_EXPIRED,
    TOO_MANY_TOKENS,
    Problem,
    Refusal,
)
from billfold.kit.work import Work

operations = Operations("mfa")

DEVICE_LENGTH_MAX = 36


class PhoneView(Wire):
    type: PhoneType
    last4digits: str
    primary: bool


class PhoneList(Wire):
    results: list[PhoneView]


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


@operations.get("/connect/v3/mfa/phones", SIGNED_IN)
def list_mfa_phones(work: Work) -> PhoneList:
    """The user's phones for two-step sign-in, by their last four digits."""
    return PhoneList([PhoneView(each.type, each.last4, each.primary) for each in mfa.phones(work)])


@operations.post("/connect/v3/mfa/challenge", SIGNED_IN, status=200, refuses=[NO_PHONE])
def generate_challenge(work: Work, request: ChallengeRequest = ChallengeRequest()) -> ChallengeResponse:
    """Send a six-digit token to the registered phone; one sent to this session before is void."""
    return ChallengeResponse(mfa.challenge(work, request.use_backup).id)


@operations.post(
    "/connect/v3/mfa/challenge/validate", SIGNED_IN, status=200,
    refuses=[TOKEN_EXPIRED, TOO_MANY_TOKENS, INVALID_VALUE],
)  # fmt: skip
async def validate_challenge(
    environment: Environment, request: ChallengeValidateRequest, arrival: Arrival
) -> ChallengeValidateResponse:
    """Make this session trusted; with `rememberMe` also later ones of the same device, for 30 days.

    Without it an id is given out as well, because clients read one, but no login honours it."""
    device = request.device or ""
    if len(device) > DEVICE_LENGTH_MAX:
        raise Refusal(INVALID_VALUE, f"deviceId: longer than {DEVICE_LENGTH_MAX} characters")
    if request.remember_me and not device:
        raise Refusal(MALFORMED, "device: must not be blank")

    def answer(work: Work) -> Problem | str:
        if problem := mfa.answer(work, request.challenge_id, request.token):
            return problem
        if request.remember_me:
            return mfa.remember(work, device, request.machine_name)
        return work.ids.token()

    # A wrong token is refused only when it has been counted, durably.
    said = await environment.write(answer, arrival.caller)
    if isinstance(said, Problem):
        raise Refusal(said)
    return ChallengeValidateResponse(said)


@operations.post("/connect/v3/mfa/step-up", SIGNED_IN, status=200)
def step_up_session(work: Work, request: StepUpRequest = StepUpRequest()) -> StepUpResponse:
    """Make this session trusted by a remembered id; a wrong one is no error, `trusted` is false."""
    assert work.caller is not None
    if work.caller.trusted:
        return StepUpResponse(True)
    trusted = mfa.recalls(work, work.user_id, request.remember_me_id, request.device)
    if trusted:
        sessions.trust(work)
    return StepUpResponse(trusted)
