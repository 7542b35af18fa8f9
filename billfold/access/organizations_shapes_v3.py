"""What organizations look like on v3's wire: requests, answers, and where a field lies in the row."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from billfold.access import partners
from billfold.access.organizations import (
    AccountType,
    Address,
    Organization,
    Owner,
    TaxIdType,
    mailing_address_of,
)
from billfold.door.wire import NOT_BLANK, Country, Name, Short, Stamp, Wire, sent, stamp
from billfold.kit.places import country_name
from billfold.kit.work import Work

# Requests. A Patch holds what may be sent alone; absent and null differ there.

Line1 = Annotated[str, Meta(min_length=1, max_length=1000, pattern=NOT_BLANK)]
Industry = Annotated[str, Meta(max_length=500)]
# BILL names four and there are more: any of that form is kept (`organizations.yaml`, unknown).
BusinessCategory = Annotated[str, Meta(max_length=100, pattern=r"^[A-Z][A-Z0-9_]*$(?!\n)")]


class OrganizationAddressRequest(Wire):
    line1: Line1
    city: Name
    zip_or_postal_code: Name
    country: Country
    line2: Short | None = None
    state_or_province: Short | None = None


class OrganizationAddressPatch(Wire):
    line1: Line1 | UnsetType = UNSET
    city: Name | UnsetType = UNSET
    zip_or_postal_code: Name | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    line2: Short | None | UnsetType = UNSET
    state_or_province: Short | None | UnsetType = UNSET


class OwnerRequest(Wire):
    name: Short | None | UnsetType = UNSET
    date_of_birth: date | None | UnsetType = UNSET


class OrganizationOptionsRequest(Wire):
    """With `mailingAddressSameAsPhysical` the address is the mailing address, also when it changes."""

    mailing_address_same_as_physical: bool | UnsetType = UNSET
    individual_transfer_out: bool | UnsetType = UNSET
    individual_transfer_in: bool | UnsetType = UNSET


class _OrganizationInput(Wire):
    phone: Short | None | UnsetType = UNSET
    company_owner: OwnerRequest | UnsetType = UNSET
    tax_id: Short | None | UnsetType = UNSET
    tax_id_type: TaxIdType | None | UnsetType = UNSET
    industry: Industry | None | UnsetType = UNSET
    business_category: BusinessCategory | None | UnsetType = UNSET
    account_type: AccountType | None | UnsetType = UNSET
    processing_options: OrganizationOptionsRequest | UnsetType = UNSET


class OrganizationRequest(_OrganizationInput, kw_only=True):
    name: Name
    address: OrganizationAddressRequest
    mailing_address: OrganizationAddressRequest | UnsetType = UNSET


class OrganizationPatchRequest(_OrganizationInput):
    name: Name | UnsetType = UNSET
    address: OrganizationAddressPatch | UnsetType = UNSET
    mailing_address: OrganizationAddressPatch | UnsetType = UNSET


# Where a field of the wire lies in the row.
TOP = ("name", "phone", "tax_id_type", "industry", "business_category", "account_type")
ADDRESS = {"state_or_province": "state", "zip_or_postal_code": "zip"}
OPTIONS = {"mailing_address_same_as_physical": "mailing_is_physical"}

NO_ADDRESS, NO_OWNER = Address(), Owner()


def details(
    request: OrganizationRequest | OrganizationPatchRequest, before: Organization | None = None
) -> dict[str, Any]:
    """The columns that a request sets, but for the tax number, which the rule seals.

    Objects merge with what was there before. A mailing address that was the physical one stays where it
    is when that is no longer so; while it is, none of its own is kept."""
    asked = sent(request)
    address, mailing, owner = NO_ADDRESS, NO_ADDRESS, NO_OWNER
    columns = {name: asked[name] for name in TOP if name in asked}
    columns |= _columns(asked.get("processing_options"), OPTIONS)
    physical = columns.get("mailing_is_physical", before is not None and before.mailing_is_physical)
    if before:
        address, mailing, owner = before.address, mailing_address_of(before), before.owner
    columns["address"] = replace(address, **_columns(asked.get("address"), ADDRESS))
    if not physical:
        columns["mailing_address"] = replace(mailing, **_columns(asked.get("mailing_address"), ADDRESS))
    columns["owner"] = replace(owner, **_columns(asked.get("company_owner"), {}))
    return columns


def _columns(part: Struct | None, columns: dict[str, str]) -> dict[str, Any]:
    fields = sent(part).items() if part is not None else ()
    return {columns.get(name, name): value for name, value in fields}


# Answers.


class OrganizationAddress(Wire):
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    zip_or_postal_code: str | None = None
    country: str | None = None
    country_name: str | None = None


class CompanyOwner(Wire):
    name: str | None = None
    date_of_birth: date | None = None


class OrganizationOptions(Wire):
    mailing_address_same_as_physical: bool
    individual_transfer_out: bool
    individual_transfer_in: bool


class OrganizationView(Wire):
    """`partnerName` is told in the organizations of partners who want that."""

    id: str
    archived: bool
    name: str
    address: OrganizationAddress
    processing_options: OrganizationOptions
    created_time: Stamp
    updated_time: Stamp
    mailing_address: OrganizationAddress | None = None
    company_owner: CompanyOwner | None = None
    phone: str | None = None
    tax_id: str | None = None
    tax_id_type: TaxIdType | None = None
    industry: str | None = None
    business_category: str | None = None
    account_type: AccountType | None = None
    partner_name: str | None = None


class OrganizationList(Wire):
    results: list[OrganizationView]
    next_page: str | None = None
    prev_page: str | None = None


def view(work: Work, organization: Organization) -> OrganizationView:
    return views(work, [organization])[0]


def views(work: Work, some: Sequence[Organization]) -> list[OrganizationView]:
    partner_names = partners.shown_names(work, some)
    return [_view(work, each, partner_names.get(each.partner_id)) for each in some]


def _view(work: Work, organization: Organization, partner_name: str | None) -> OrganizationView:
    mailing, owner = mailing_address_of(organization), organization.owner
    return OrganizationView(
        id=organization.id,
        archived=organization.archived,
        name=organization.name,
        address=_address_view(organization.address),
        processing_options=OrganizationOptions(
            organization.mailing_is_physical, organization.individual_transfer_out,
            organization.individual_transfer_in,
        ),
        created_time=stamp(organization.created_time),
        updated_time=stamp(organization.updated_time),
        mailing_address=None if mailing == NO_ADDRESS else _address_view(mailing),
        company_owner=None if owner == NO_OWNER else CompanyOwner(owner.name, owner.date_of_birth),
        phone=organization.phone,
        tax_id=work.secrets.open(organization.tax_id, organization.id) if organization.tax_id else None,
        tax_id_type=organization.tax_id_type,
        industry=organization.industry,
        business_category=organization.business_category,
        account_type=organization.account_type,
        partner_name=partner_name,
    )  # fmt: skip


def _address_view(address: Address) -> OrganizationAddress:
    return OrganizationAddress(
        address.line1, address.line2, address.city, address.state, address.zip, address.country,
        country_name(address.country) if address.country else None,
    )  # fmt: skip
