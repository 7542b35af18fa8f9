"""Organizations as the v3 API says them: their profile, their plan, and what they were charged."""

import csv
import io
from datetime import date
from typing import Annotated, Any

from msgspec import Meta

from billfold.access import billing, organizations
from billfold.access.billing import BillingStatement, PaymentStatus, Plan
from billfold.access.organizations import Organization
from billfold.access.organizations_shapes_v3 import (
    OrganizationPatchRequest,
    OrganizationView,
    details,
    view,
)
from billfold.access.roles import Permission
from billfold.door.arrival import Arrival
from billfold.door.gates import DOWNLOADS, SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import Amount, Query, Wire
from billfold.kit import listing
from billfold.kit.errors import INVALID_FIELD, MALFORMED, NOT_FOUND, Refusal
from billfold.kit.listing import Asked
from billfold.kit.money import to_amount
from billfold.kit.work import Work

operations = Operations("organizations")

BASE = "/connect/v3/organizations"
ONE = f"{BASE}/{{organization_id}}"
CSV = "/downloads/billing-statements/{billing_statement_id}/csv"
MANAGE = Permission.MANAGE_ORGANIZATION


class IndustryList(Wire):
    results: list[str]


class PlanTerm(Wire):
    """Without a tier it is the price of all the rest."""

    type: str
    name: str
    price: Amount
    tier: int | None = None
    quantity: int | None = None


class PricePlan(Wire):
    id: str
    name: str
    monthly_price: Amount
    allow_trial: bool
    price_varies_per_user: bool
    plan_terms: list[PlanTerm]


class BillingPeriod(Wire):
    start_date: date
    end_date: date


class StatementView(Wire):
    id: str
    amount: Amount
    billing_period: BillingPeriod
    description: str
    invoice_date: date
    invoice_number: str
    payment_status: PaymentStatus
    payment_date: date | None = None


class StatementList(Wire):
    results: list[StatementView]
    next_page: str | None = None
    prev_page: str | None = None


class ChargeView(Wire):
    quantity: int
    description: str
    type: str
    amount: Amount


class DownloadLink(Wire):
    csv: str


class StatementDetail(StatementView, kw_only=True):
    download_link: DownloadLink
    statement_details: list[ChargeView]


class StatementQuery(Query):
    """A range of invoice dates, which comes unpaged, or a page."""

    max: Annotated[int, Meta(ge=1, le=listing.MAX_LIMIT)] | None = None
    page: str = ""
    invoice_date_from: date | None = None
    invoice_date_to: date | None = None


def _own(work: Work, organization_id: str) -> Organization:
    """The session's organization; every other is "not found"."""
    if organization_id != work.organization_id:
        raise Refusal(NOT_FOUND, organization_id)
    return organizations.own(work)


@operations.get(f"{BASE}/industries", SIGNED_IN, may=Permission.SIGNED_IN)
def list_industries(work: Work) -> IndustryList:
    """What the industry of an organization can be."""
    return IndustryList(list(organizations.INDUSTRIES))


@operations.get(ONE, SIGNED_IN, may=MANAGE, refuses=[NOT_FOUND])
def get_organization(work: Work, organization_id: str) -> OrganizationView:
    """The session's organization."""
    return view(work, _own(work, organization_id))


@operations.patch(ONE, SIGNED_IN, may=MANAGE, refuses=[NOT_FOUND, INVALID_FIELD])
def update_organization(
    work: Work, organization_id: str, request: OrganizationPatchRequest
) -> OrganizationView:
    """Change what is sent; objects merge."""
    _own(work, organization_id)
    before = organizations.hold_own(work)  # Two changes of one object shall not undo each other.
    return view(work, organizations.change(work, details(request, before), request.tax_id))


@operations.get(f"{ONE}/price-plan", SIGNED_IN, may=MANAGE, refuses=[NOT_FOUND])
def get_price_plan(work: Work, organization_id: str) -> PricePlan:
    """The plan of the organization, as its partner has chosen it, and what it would cost."""
    return _plan_view(billing.plan_of(_own(work, organization_id).price_plan))


def _plan_view(plan: Plan) -> PricePlan:
    terms = [
        PlanTerm(each.type, each.name, each.price, each.tier, each.quantity) for each in plan.terms
    ]
    return PricePlan(
        plan.id,
        plan.name,
        to_amount(plan.monthly_cents),
        plan.allows_trial,
        plan.varies_per_user,
        terms,
    )


@operations.get(f"{ONE}/billing-statements", SIGNED_IN, may=MANAGE, refuses=[NOT_FOUND, MALFORMED])
def list_billing_statements(work: Work, organization_id: str, query: StatementQuery) -> StatementList:
    """What the organization was charged, month by month: a page, or all of a range of dates."""
    _own(work, organization_id)
    first, last = query.invoice_date_from, query.invoice_date_to
    if first is None and last is None:
        asked = Asked(max=query.max or listing.MAX_DEFAULT, page=query.page)
        page = listing.find(work, BillingStatement, {}, asked)
        return StatementList([_view(each) for each in page.rows], page.next_page, page.prev_page)
    if first is None or last is None:
        raise Refusal(MALFORMED, "invoiceDateFrom and invoiceDateTo: must both be sent")
    if query.max is not None or query.page:
        raise Refusal(MALFORMED, "max and page: must not be sent with invoice dates")
    return StatementList([_view(each) for each in billing.between(work, first, last)])


@operations.get(
    f"{ONE}/billing-statements/{{billing_statement_id}}", SIGNED_IN, may=MANAGE, refuses=[NOT_FOUND]
)
def get_billing_statement_detail(
    work: Work, organization_id: str, billing_statement_id: str, arrival: Arrival
) -> StatementDetail:
    """One statement, with its charges, and where it lies as a file."""
    _own(work, organization_id)
    statement = work.find(BillingStatement, billing_statement_id)
    base = work.policy.public_url or arrival.addressed()
    return StatementDetail(
        **_fields(statement),
        download_link=DownloadLink(base + CSV.format(billing_statement_id=statement.id)),
        statement_details=[
            ChargeView(each.quantity, each.description, each.type, to_amount(each.amount_cents))
            for each in statement.charges
        ],
    )


@operations.get(CSV, DOWNLOADS, may=MANAGE, media=b"text/csv; charset=utf-8", refuses=[NOT_FOUND])
def download_billing_statement(work: Work, billing_statement_id: str) -> bytes:
    """A statement's charges, a line each, with the headings that they have in the API."""
    statement = work.find(BillingStatement, billing_statement_id)
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow(("invoiceNumber", "invoiceDate", "type", "description", "quantity", "amount"))
    for each in statement.charges:
        lines.writerow(
            (statement.invoice_number, statement.invoice_date, each.type, each.description,
             each.quantity, to_amount(each.amount_cents))
        )  # fmt: skip
    return file.getvalue().encode()


def _view(statement: BillingStatement) -> StatementView:
    return StatementView(**_fields(statement))


def _fields(statement: BillingStatement) -> dict[str, Any]:
    return {
        "id": statement.id, "amount": to_amount(statement.amount_cents),
        "billing_period": BillingPeriod(statement.period_start, statement.period_end),
        "description": statement.description, "invoice_date": statement.invoice_date,
        "invoice_number": statement.invoice_number, "payment_status": statement.payment_status,
        "payment_date": statement.payment_date,
    }  # fmt: skip
