"""The closed list of event types, by the level at which they can be subscribed to (`webhooks.yaml`)."""

from enum import StrEnum

from billfold.kit.ids import looks_like


class Level(StrEnum):
    """Whose events a subscription hears: an organization's own, those of every organization that a
    partner has made, or those of a company of Spend & Expense."""

    ORGANIZATION = "ORGANIZATION"
    PARTNER = "PARTNER"
    SPEND = "SPEND"


VERSIONS = ("1",)

TYPES = (
    "vendor.created", "vendor.updated", "vendor.archived", "vendor.restored", "autopay.failed",
    "bill.created", "bill.updated", "bill.archived", "bill.restored",
    "payment.updated", "payment.failed", "mass-payment.updated",
    "bank-account.created", "bank-account.updated", "card-account.created", "card-account.updated",
    "invoice.created", "invoice.updated", "invoice.archived", "invoice.restored",
    "risk-verification.updated",
)  # fmt: skip
SPEND_TYPES = (
    "spend.transaction.updated", "spend.reimbursement.created", "spend.reimbursement.updated",
    "spend.reimbursement.deleted", "spend.three-ds-challenge.created",
)  # fmt: skip


def level_of(owner_id: str) -> Level:
    """The level of an owner, whose id says what it is; a company's is a UUID."""
    if looks_like("organization", owner_id):
        return Level.ORGANIZATION
    return Level.PARTNER if looks_like("partner", owner_id) else Level.SPEND


def types_for(level: Level) -> tuple[str, ...]:
    """What can be subscribed to at a level."""
    return SPEND_TYPES if level is Level.SPEND else TYPES


def version_said(event_type: str) -> str | int:
    """What a notification's metadata says; an oddity of invoices, whose samples have a number."""
    return int(VERSIONS[0]) if event_type.startswith("invoice.") else VERSIONS[0]
