"""What vendors look like on v3's wire: requests, answers, and where a field lies in the row."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from billfold.door.wire import (
    NOT_BLANK,
    Amount,
    Country,
    Currency,
    Name,
    Short,
    Stamp,
    Wire,
)
from billfold.funding.bank_accounts import AccountType as BankAccountType
from billfold.funding.bank_accounts import OwnerType
from billfold.payables import vendors
from billfold.payables.vendor_bank_accounts import NamedValue
from billfold.payables.vendors import (
    AccountType,
    BankAccountStatus,
    NetworkStatus,
    PayByType,
    PaymentPurpose,
    TaxIdType,
)

# Requests. A Patch holds what may be sent alone; absent and null differ there.

Line1 = Annotated[str, Meta(min_length=1, max_length=1000, pattern=NOT_BLANK)]
ShortName = Annotated[str, Meta(max_length=40)]
Days = Annotated[int, Meta(ge=0, le=60)]


class AddressRequest(Wire):
    line1: Line1
    city: Name
    zip_or_postal_code: Name
    country: Country
    line2: Short | None = None
    state_or_province: Short | None = None


class AddressPatch(Wire):
    line1: Line1 | UnsetType = UNSET
    city: Name | UnsetType = UNSET
    zip_or_postal_code: Name | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    line2: Short | None | UnsetType = UNSET
    state_or_province: Short | None | UnsetType = UNSET


class VendorBankAccountRequest(Wire):
    name_on_account: Name
    account_number: Annotated[str, Meta(min_length=4, max_length=40, pattern=r"^[A-Za-z0-9]+$(?!\n)")]
    routing_number: Short | None = None
    type: BankAccountType | None = None
    owner_type: OwnerType | None = None
    payment_currency: Currency | None = None
    regulatory_fields: Annotated[list[NamedValue], Meta(max_length=50)] = []


class CardRequest(Wire):
    remit_email: Short | None | UnsetType = UNSET


class PaymentInformationRequest(Wire):
    payee_name: Name | None | UnsetType = UNSET
    email: Short | None | UnsetType = UNSET
    bank_country: Country | None | UnsetType = UNSET
    payment_currency: Currency | None | UnsetType = UNSET
    payment_purpose: PaymentPurpose | None | UnsetType = UNSET
    virtual_card: CardRequest | None | UnsetType = UNSET


class NewPaymentInformation(PaymentInformationRequest):
    bank_account: VendorBankAccountRequest | None = None


class AdditionalInfoRequest(Wire):
    tax_id: Short | None | UnsetType = UNSET
    tax_id_type: TaxIdType | None | UnsetType = UNSET
    track1099: bool | None | UnsetType = UNSET
    lead_time_in_days: Annotated[int, Meta(ge=0, le=999)] | None | UnsetType = UNSET
    combine_payments: bool | None | UnsetType = UNSET
    payment_term_id: Short | None | UnsetType = UNSET
    company_name: Short | None | UnsetType = UNSET


class AutoPayRequest(Wire):
    enabled: bool | None | UnsetType = UNSET
    bank_account_id: Short | None | UnsetType = UNSET
    max_amount: Decimal | None | UnsetType = UNSET
    days_before_due_date: Days | None | UnsetType = UNSET


class VendorRequest(Wire):
    name: Name
    address: AddressRequest
    short_name: ShortName | None = None
    account_number: Short | None = None
    account_type: AccountType = AccountType.NONE
    email: Short | None = None
    phone: Short | None = None
    payment_information: NewPaymentInformation | None = None
    additional_info: AdditionalInfoRequest | None = None
    bill_currency: Currency = vendors.HOME_CURRENCY
    auto_pay: AutoPayRequest | None = None


class VendorPatchRequest(Wire):
    name: Name | UnsetType = UNSET
    address: AddressPatch | UnsetType = UNSET
    short_name: ShortName | None | UnsetType = UNSET
    account_number: Short | None | UnsetType = UNSET
    account_type: AccountType | None | UnsetType = UNSET
    email: Short | None | UnsetType = UNSET
    phone: Short | None | UnsetType = UNSET
    payment_information: PaymentInformationRequest | None | UnsetType = UNSET
    additional_info: AdditionalInfoRequest | None | UnsetType = UNSET
    bill_currency: Currency | None | UnsetType = UNSET
    auto_pay: AutoPayRequest | None | UnsetType = UNSET


# Where a field of the wire lies in the row.
ADDRESS = {
    "line1": "address_line1", "line2": "address_line2", "city": "address_city",
    "state_or_province": "address_state", "zip_or_postal_code": "address_zip",
    "country": "address_country",
}  # fmt: skip
TOP = {
    name: name
    for name in (
        "name", "short_name", "account_number", "account_type", "email", "phone", "bill_currency"
    )
}  # fmt: skip
PAYMENT = {
    "payee_name": "payee_name", "email": "remittance_email", "bank_country": "bank_country",
    "payment_currency": "payment_currency", "payment_purpose": "payment_purpose",
}  # fmt: skip
INFO = {
    "tax_id_type": "tax_id_type", "track1099": "track_1099", "combine_payments": "combine_payments",
    "lead_time_in_days": "lead_time_in_days", "payment_term_id": "payment_term_id",
    "company_name": "company_name",
}  # fmt: skip
CARD = {"remit_email": "card_remit_email"}
# What an optional column holds that cannot be empty: null puts it back to that.
EMPTY: dict[str, Any] = {
    "account_type": AccountType.NONE, "bill_currency": vendors.HOME_CURRENCY, "track_1099": False,
    "combine_payments": False,
}  # fmt: skip


# Answers.


class AddressView(Wire):
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    zip_or_postal_code: str | None = None
    country: str | None = None
    country_name: str | None = None


class VendorBankAccountView(Wire):
    """`accountNumber` shows its last four digits."""

    name_on_account: str
    account_number: str
    status: str
    routing_number: str | None = None
    type: BankAccountType | None = None
    owner_type: OwnerType | None = None
    payment_currency: str | None = None
    regulatory_fields: list[NamedValue] = []


class CardView(Wire):
    status: str
    remit_email: str | None = None


class PaymentInformation(Wire):
    payee_name: str | None
    pay_by_type: PayByType
    pay_by_sub_type: str
    virtual_card: CardView
    email: str | None = None
    last_payment_date: date | None = None
    bank_country: str | None = None
    payment_currency: str | None = None
    bank_account: VendorBankAccountView | None = None
    payment_purpose: PaymentPurpose | None = None


class AdditionalInfo(Wire):
    track1099: bool
    combine_payments: bool
    tax_id: str | None = None
    tax_id_type: TaxIdType | None = None
    lead_time_in_days: int | None = None
    payment_term_id: str | None = None
    company_name: str | None = None


class AutoPay(Wire):
    enabled: bool


class Balance(Wire):
    amount: Amount
    last_updated_date: Stamp


class VendorView(Wire):
    id: str
    archived: bool
    name: str
    account_type: AccountType
    address: AddressView
    payment_information: PaymentInformation
    additional_info: AdditionalInfo
    bill_currency: str
    bank_account_status: BankAccountStatus
    network_status: NetworkStatus
    recurring_payments: bool
    auto_pay: AutoPay
    balance: Balance
    created_time: Stamp
    updated_time: Stamp
    short_name: str | None = None
    account_number: str | None = None
    email: str | None = None
    phone: str | None = None


class VendorList(Wire):
    results: list[VendorView]
    next_page: str | None = None
    prev_page: str | None = None


class BulkVendors(Wire):
    vendors: list[VendorView]
