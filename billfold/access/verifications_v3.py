"""Risk verification as the v3 API says it."""

from typing import Literal

from billfold.access import risk, verifications
from billfold.access.mfa import PhoneType
from billfold.access.roles import Permission
from billfold.access.verifications import Decision, ProcessingStatus, Verification
from billfold.door.gates import SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import Name, Nothing, Wire
from billfold.kit.errors import NOT_POSSIBLE
from billfold.kit.work import Work

operations = Operations("risk-verifications")


class VerificationView(Wire):
    """Before it was asked for both are UNDEFINED, and there is no reference."""

    processing_status: ProcessingStatus
    decision: Decision
    reference_id: str | None = None


class PhoneStatus(Wire):
    has_phone: bool


class RiskPhoneRequest(Wire):
    """`phoneNumber` ends in ten digits."""

    phone_number: Name
    phone_type: Literal["MOBILE", "WORK", "HOME"]


def view(verification: Verification | None) -> VerificationView:
    if verification is None:
        return VerificationView(ProcessingStatus.UNDEFINED, Decision.UNDEFINED)
    return VerificationView(verification.processing_status, verification.status, verification.reference)


@operations.get("/connect/v3/risk-verifications", SIGNED_IN, may=Permission.PROVE_IDENTITY)
def get_risk_verifications(work: Work) -> VerificationView:
    """How far the organization's verification has come, and what was decided."""
    return view(verifications.of_organization(work))


@operations.post(
    "/connect/v3/risk-verifications", SIGNED_IN, status=200, may=Permission.VERIFY_ORGANIZATION,
    refuses=[NOT_POSSIBLE],
)  # fmt: skip
def initiate_risk_verifications(work: Work, request: Nothing = Nothing()) -> VerificationView:
    """Have the organization verified; asked again, it tells the state.

    Needs a phone of the signed-in user, the organization's owner and its tax number."""
    return view(verifications.initiate(work))


@operations.get("/connect/v3/risk-verifications/phone", SIGNED_IN, may=Permission.PROVE_IDENTITY)
def get_risk_verification_phone(work: Work) -> PhoneStatus:
    """Whether the signed-in user has a phone for it; it has nothing to do with those of MFA."""
    return PhoneStatus(risk.phone_of(work, work.user_id) is not None)


@operations.post(
    "/connect/v3/risk-verifications/phone", SIGNED_IN, status=200, may=Permission.PROVE_IDENTITY
)
def create_risk_verification_phone(work: Work, request: RiskPhoneRequest) -> None:
    """Give the signed-in user a phone, in the place of the one before. The answer is empty."""
    risk.set_phone(work, work.user_id, request.phone_number, PhoneType(request.phone_type))
