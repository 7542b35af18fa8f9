"""Risk verification: whether an organization may move money, and how that is found out.

A sandbox decides by itself, on the clock: an hour after it was asked for, and by the end of the tax
number, so that a client can bring about every decision (`risk_verifications.yaml` leaves the time to
us). In production the operator decides (`billfold signup`, `billfold verify`).
"""

from datetime import timedelta
from enum import StrEnum

from billfold.access import organizations
from billfold.access.organizations import Organization
from billfold.access.risk import phone_of
from billfold.kit.callers import SYSTEM_USER
from billfold.kit.errors import NOT_FOUND, NOT_POSSIBLE, NOT_VERIFIED, Refusal
from billfold.kit.lifecycle import Lifecycle
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

DECIDE, REVIEWED = "risk.decide", "risk.reviewed"
TAKES = timedelta(hours=1)


class Decision(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    REVIEW = "REVIEW"
    HOLD = "HOLD"
    APPROVE = "APPROVE"
    DECLINE = "DECLINE"
    PENDING = "PENDING"
    UNDEFINED = "UNDEFINED"


class ProcessingStatus(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    NOT_STARTED = "NOT_STARTED"
    UNDEFINED = "UNDEFINED"


D = Decision
VERIFICATION = Lifecycle(
    "Risk verification",
    {
        D.UNDEFINED: {D.IN_PROGRESS, D.APPROVE},
        # The older name of waiting for information.
        D.PENDING: {D.IN_PROGRESS, D.APPROVE, D.REVIEW, D.HOLD, D.DECLINE},
        D.IN_PROGRESS: {D.APPROVE, D.REVIEW, D.HOLD, D.DECLINE},
        D.REVIEW: {D.APPROVE, D.DECLINE, D.HOLD},
        D.HOLD: {D.APPROVE, D.DECLINE},
        D.APPROVE: set(),
        D.DECLINE: set(),
    },
    event="risk-verification.updated",
)

# By the last four digits of the tax number: what a sandbox decides, one after the other.
STORIES: dict[str, tuple[Decision, ...]] = {
    "0001": (D.REVIEW,),
    "0002": (D.REVIEW, D.DECLINE),
    "0003": (D.HOLD,),
    "0004": (D.HOLD, D.APPROVE),
    "0005": (D.HOLD, D.DECLINE),
    "0006": (D.DECLINE,),
}
APPROVED = (D.APPROVE,)
# With these money may be moved; a review is made at the first payment.
MAY_PAY = {D.APPROVE, D.REVIEW}


@table("risk_verifications", by=["created_time"], audited=True)
class Verification(Owned, frozen=True):
    """An organization has one at most. `step` counts the decisions that were made."""

    status: Decision
    reference: str
    requested_by: str
    step: int = 0

    @property
    def processing_status(self) -> ProcessingStatus:
        if self.status is D.IN_PROGRESS:
            return ProcessingStatus.IN_PROGRESS
        return ProcessingStatus.COMPLETE


def of_organization(work: Work) -> Verification | None:
    found = work.rows(Verification)
    return found[0] if found else None


def initiate(work: Work) -> Verification:
    """Begin; while it runs, and when it is decided, the state is told and nothing changes.

    Raises BDC_1143 (422) while something is missing: the phone of the user, the owner, the tax number
    (`risk_verifications.yaml`)."""
    organization = organizations.hold_own(work)  # Two at once shall not each begin one.
    if found := of_organization(work):
        return found
    missing = [
        name
        for name, there in (
            ("phone of the user", phone_of(work, work.user_id)),
            ("companyOwner.name", organization.owner.name),
            ("taxId", organization.tax_id),
        )
        if not there
    ]
    if missing:
        raise Refusal(NOT_POSSIBLE, f"risk verification: missing {', '.join(missing)}")
    made = _add(work, D.IN_PROGRESS)
    work.tell(VERIFICATION.event, made)
    if work.policy.decides_risk:
        work.plan(work.now + TAKES, DECIDE, made.id)
    return made


def vouch(work: Work) -> None:
    """Whoever runs this server knows the organization: it may move money from now on."""
    found = of_organization(work)
    if found is None:
        _add(work, D.APPROVE)
    elif found.status is not D.APPROVE:
        VERIFICATION.move(work, work.hold(Verification, found.id), D.APPROVE)


def vouch_for(work: Work, organization_id: str) -> None:
    """The same, for an organization that signed up itself or was made by a partner. Raises BDC_1205."""
    if work.connection.first(Organization, id=organization_id) is None:
        raise Refusal(NOT_FOUND, organization_id)
    because = "whoever runs this server vouches for an organization"
    work.for_organization(organization_id, SYSTEM_USER, because=because)
    before = of_organization(work)
    vouch(work)
    if before is None and (made := of_organization(work)):
        work.tell(VERIFICATION.event, made)


def decide(work: Work, verification_id: str) -> None:
    """The next decision of a sandbox's story, an hour after the one before."""
    found = work.hold(Verification, verification_id)
    story = _story_of(work, organizations.own(work))
    if found.step >= len(story):
        return
    VERIFICATION.move(work, found, story[found.step], step=found.step + 1)
    if found.step < len(story):
        work.plan(work.now + TAKES, DECIDE, found.id)


def may_pay(work: Work) -> bool:
    found = of_organization(work)
    return found is not None and found.status in MAY_PAY


def is_declined(work: Work) -> bool:
    found = of_organization(work)
    return found is not None and found.status is D.DECLINE


def check_may_pay(work: Work) -> None:
    """Raises BDC_1150 (422) where the organization may not move money; what is to be reviewed is
    reviewed at the first payment, an hour later in a sandbox."""
    found = of_organization(work)
    if found is None or found.status not in MAY_PAY:
        state = found.status if found else "not begun"
        raise Refusal(NOT_VERIFIED, f"its risk verification is {state}")
    if found.status is D.REVIEW and work.policy.decides_risk:
        held = work.hold(Verification, found.id)  # Two first payments at once are reviewed once.
        # Where the story goes on the next decision is on its way already.
        if held.status is D.REVIEW and held.step == len(_story_of(work, organizations.own(work))):
            work.change(held, step=held.step + 1)
            work.plan(work.now + TAKES, REVIEWED, held.id)


def finish_review(work: Work, verification_id: str) -> None:
    """The review at the first payment ends well, unless something else was decided meanwhile."""
    found = work.hold(Verification, verification_id)
    if found.status is D.REVIEW:
        VERIFICATION.move(work, found, D.APPROVE)


def _add(work: Work, status: Decision) -> Verification:
    reference = work.ids.uuid(work.now)
    return work.add(
        Verification, id=work.ids.uuid(work.now), status=status, reference=reference,
        requested_by=work.user_id,
    )  # fmt: skip


def _story_of(work: Work, organization: Organization) -> tuple[Decision, ...]:
    tax_id = work.secrets.open(organization.tax_id, organization.id) if organization.tax_id else ""
    digits = "".join(filter(str.isdigit, tax_id))
    return STORIES.get(digits[-4:], APPROVED)
