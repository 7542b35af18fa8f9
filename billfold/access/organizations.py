"""Organizations: whose books these are. Everything a user sees belongs to one."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID, uuid5

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from billfold.access import roles
from billfold.kit.callers import SYSTEM_USER
from billfold.kit.errors import INVALID_FIELD, Refusal
from billfold.kit.places import country_name
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

# Ours: BILL's list is not published but for one of its phrases (`organizations.yaml`, unknown).
INDUSTRIES = (
    "Accounting or Bookkeeping", "Advertising or Marketing", "Agriculture or Farming",
    "Architecture or Engineering", "Art Gallery or Museum", "Automotive Repair or Dealership",
    "Cleaning or Janitorial Services", "Computer Hardware or Software", "Construction or Contracting",
    "Consulting", "Education or Training", "Entertainment or Recreation", "Event Planning",
    "Financial Services", "Government or Public Administration", "Health Care or Medical Practice",
    "Hotel or Lodging", "Insurance", "Landscaping", "Legal Services", "Manufacturing",
    "Musical Instruments and Supplies", "Non-Profit or Charity", "Personal Care or Fitness",
    "Printing or Publishing", "Property Management", "Real Estate", "Religious Organization",
    "Restaurant Caterer or Bar", "Retail Store", "Staffing or Recruiting", "Telecommunications",
    "Transportation or Logistics", "Travel Agency", "Utilities or Energy", "Veterinary Services",
    "Waste Management", "Wholesale or Distribution", "Other",
)  # fmt: skip


# Ours; what makes ids of companies those and no others.
COMPANIES = UUID("6d2a3f0e-95b1-4b7e-8f0c-2a1d6c9e4b57")


class TaxIdType(StrEnum):
    EIN = "EIN"
    SSN = "SSN"
    UNDEFINED = "UNDEFINED"


class AccountType(StrEnum):
    BUSINESS = "BUSINESS"
    EMPLOYEE_OR_INDIVIDUAL = "EMPLOYEE_OR_INDIVIDUAL"
    UNDEFINED = "UNDEFINED"


class Address(msgspec.Struct, omit_defaults=True, frozen=True):
    """Where an organization is, or where its mail goes; `country` is ISO 3166 alpha-2."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None


class Owner(msgspec.Struct, omit_defaults=True, frozen=True):
    name: str | None = None
    date_of_birth: date | None = None


@table("consoles", ids="console")
class Console(Record, frozen=True):
    """An accountant's console: the parent of the organizations whose books it keeps."""

    name: str
    created_time: datetime


@table(
    "organizations",
    sa.Index("ix_organizations_created", "partner_id", "created_time", "id"),
    sa.Index("ix_organizations_updated", "partner_id", "updated_time", "id"),
    sa.Index("ix_organizations_name", "partner_id", "name", "id"),
    ids="organization",
    audited=True,
)
class Organization(Record, frozen=True):
    """`tax_id` is sealed. `partner_id` is whose child it is, `console_id` who keeps its books."""

    name: str
    created_time: datetime
    updated_time: datetime
    # Off only by its administrator's choice: then every session of it is trusted.
    mfa_enabled: bool = True
    archived: bool = False
    partner_id: Annotated[str | None, sa.ForeignKey("partners.id")] = None
    console_id: Annotated[str | None, sa.ForeignKey("consoles.id")] = None
    address: Address = Address()
    mailing_address: Address = Address()
    mailing_is_physical: bool = False
    phone: str | None = None
    owner: Owner = Owner()
    tax_id: bytes | None = None
    tax_id_type: TaxIdType | None = None
    industry: str | None = None
    business_category: str | None = None
    account_type: AccountType | None = None
    individual_transfer_out: bool = False
    individual_transfer_in: bool = False
    price_plan: str | None = None


def found(work: Work, name: str, *, because: str, id: str | None = None, **details) -> Organization:
    """A new organization with the roles that every one begins with; the unit goes on within it."""
    id = id or work.ids.new("organization", work.now)
    work.for_organization(id, SYSTEM_USER, because=because)
    made = work.insert(Organization(id, name, work.now, work.now, **details))
    roles.add_defaults(work)
    return made


def create(
    work: Work, details: dict[str, Any], tax_id: str | UnsetType | None = UNSET, *, because: str,
    partner_id: str | None = None,
) -> Organization:  # fmt: skip
    """A new organization from its columns and its tax number, which is sealed under its id.

    Raises BDC_1119 (400) for a country that is none."""
    check(details)
    id = work.ids.new("organization", work.now)
    sealed = work.secrets.seal(tax_id, id) if isinstance(tax_id, str) and tax_id else None
    return found(work, id=id, because=because, partner_id=partner_id, tax_id=sealed, **details)


def change(work: Work, details: dict[str, Any], tax_id: str | UnsetType | None = UNSET) -> Organization:
    """Change the caller's organization. Raises BDC_1119 (400)."""
    check(details)
    organization = hold_own(work)
    if tax_id is not UNSET:
        old = organization.tax_id
        if (tax_id or None) != (work.secrets.open(old, organization.id) if old else None):
            sealed = work.secrets.seal(str(tax_id), organization.id) if tax_id else None
            details = {**details, "tax_id": sealed}
    work.change(organization, **details)
    return organization


def check(details: dict[str, Any]) -> None:
    """What no type says of columns that are sent; raises BDC_1119 (400)."""
    if (industry := details.get("industry")) and industry not in INDUSTRIES:
        raise Refusal(INVALID_FIELD, "industry: is none of those that can be listed")
    for column, name in (("address", "address"), ("mailing_address", "mailingAddress")):
        country = details[column].country if column in details else None
        if country and not country_name(country):
            raise Refusal(INVALID_FIELD, f"{name}.country: invalid value")


def company_id(organization_id: str) -> str:
    """As what Spend & Expense knows an organization: a UUID, always the same."""
    return str(uuid5(COMPANIES, organization_id))


def mailing_address_of(organization: Organization) -> Address:
    return organization.address if organization.mailing_is_physical else organization.mailing_address


def hold_own(work: Work) -> Organization:
    """Until this unit ends nobody else may change it, or what is counted by organization."""
    held = work.hold_shared(Organization, work.organization_id)
    assert held is not None, "a session's organization is gone"
    return held


def own(work: Work) -> Organization:
    """The caller's organization."""
    found = work.connection.first(Organization, id=work.organization_id)
    assert found is not None, "a session's organization is gone"
    return found


def consoles_of(work: Work, some: Iterable[Organization]) -> dict[str | None, Console]:
    """The consoles that keep the books of some organizations, by their ids."""
    found = work.connection.by_id(Console, [each.console_id for each in some if each.console_id])
    return {id: console for id, console in found.items()}
