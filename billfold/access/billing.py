"""Billing: what an organization's plan costs, and the statements of what it was charged.

Billfold charges nobody; plans are those of the sandbox and of partners, and statements are what whoever
runs the server writes to an organization.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec
import sqlalchemy as sa

from billfold.kit.tables import Owned, table
from billfold.kit.work import Work


class PaymentStatus(StrEnum):
    PAID = "PAID"
    UNPAID = "UNPAID"


class Charge(msgspec.Struct, frozen=True):
    """One line of a statement, in cents."""

    quantity: int
    description: str
    type: str
    amount_cents: int


@table("billing_statements", ids="billing_statement", by=["created_time", "invoice_date"])
class BillingStatement(Owned, frozen=True):
    """One a month. `amount_cents` is the sum of its charges."""

    amount_cents: int
    period_start: date
    period_end: date
    description: str
    invoice_date: date
    invoice_number: str
    payment_status: PaymentStatus
    charges: list[Charge]
    payment_date: date | None = None


_BETWEEN = (
    sa.select(BillingStatement.table)
    .where(BillingStatement.c.organization_id == sa.bindparam("organization_id"))
    .where(BillingStatement.c.invoice_date >= sa.bindparam("first"))
    .where(BillingStatement.c.invoice_date <= sa.bindparam("last"))
    .order_by(BillingStatement.c.invoice_date, BillingStatement.c.id)
)


def between(work: Work, first: date, last: date) -> list[BillingStatement]:
    """The caller's statements with an invoice date in a range, both ends included, oldest first."""
    values = {"organization_id": work.organization_id, "first": first, "last": last}
    return work.connection.rows(BillingStatement, _BETWEEN, values)


class Term(msgspec.Struct, frozen=True):
    """A price for so many of something; without a tier it is that of all the rest."""

    type: str
    name: str
    price: Decimal
    tier: int | None = None
    quantity: int | None = None


class Plan(msgspec.Struct, frozen=True):
    id: str
    name: str
    monthly_cents: int
    terms: tuple[Term, ...]
    allows_trial: bool = False
    varies_per_user: bool = True


def _plan(number: int, monthly_cents: int, per_user: str) -> Plan:
    return Plan(
        f"plan-{number}", f"Partner plan {number}", monthly_cents,
        (
            Term("user", "suaProcessedCount", Decimal(per_user), tier=1, quantity=5),
            Term("user", "suaProcessedCount", Decimal(per_user) - 2),
        ),
    )  # fmt: skip


# What those who host it for themselves have: everything, for nothing.
OWN_PLAN = Plan("plan-0", "Self-hosted", 0, (), varies_per_user=False)
# The five that a partner agrees on (`partner.yaml`); invented prices in dollars.
PARTNER_PLANS = {
    f"PricePlan{number}": _plan(number, number * 15_00, str(number * 2 + 6)) for number in range(1, 6)
}


def plan_of(price_plan: str | None) -> Plan:
    """The plan of an organization, by the name that its partner has set."""
    return PARTNER_PLANS[price_plan] if price_plan else OWN_PLAN
