"""What comes in and goes out of the floor, and how a row becomes an answer."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

# Bodies.

Id = Annotated[str, Meta(min_length=20, max_length=20)]
Date = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Text = Annotated[str, Meta(max_length=4000)]


class ClassificationsRequest(Struct):
    chartOfAccountId: str | None = None
    departmentId: str | None = None
    locationId: str | None = None
    itemId: str | None = None


class LineRequest(Struct):
    amount: Annotated[float, Meta(ge=0)]
    description: Text | None = None
    quantity: float | None = None
    price: float | None = None
    classifications: ClassificationsRequest | None = None


class InvoiceRequest(Struct):
    invoiceNumber: Annotated[str, Meta(min_length=1, max_length=21)]
    invoiceDate: Date


class BillRequest(Struct):
    vendorId: Id
    dueDate: Date
    billLineItems: Annotated[list[LineRequest], Meta(min_length=1, max_length=1000)]
    invoice: InvoiceRequest
    description: str | None = None
    purchaseOrderNumber: str | None = None
    paymentTermId: Id | None = None
    payFromChartOfAccountId: Id | None = None


# Answers.


class Address(Struct):
    line1: str | None
    line2: str | None
    city: str | None
    stateOrProvince: str | None
    zipOrPostalCode: str | None
    country: str | None
    countryName: str | None


class BankAccount(Struct):
    bankName: str | None
    lastFour: str | None


class PaymentInformation(Struct):
    payeeName: str | None
    payByType: str | None
    payBySubType: str | None
    bankAccount: BankAccount


class AdditionalInfo(Struct):
    taxIdType: str | None
    taxId: str | None
    track1099: bool
    companyName: str | None


class AutoPay(Struct):
    enabled: bool


class Balance(Struct):
    amount: float
    lastUpdatedDate: str


class Vendor(Struct):
    id: str
    archived: bool
    name: str
    shortName: str | None
    accountNumber: str | None
    accountType: str | None
    email: str | None
    phone: str | None
    address: Address
    paymentInformation: PaymentInformation
    additionalInfo: AdditionalInfo
    networkStatus: str | None
    rppsId: str | None
    billCurrency: str | None
    autoPay: AutoPay
    balance: Balance
    createdTime: str
    updatedTime: str


class Classifications(Struct):
    chartOfAccountId: str | None
    departmentId: str | None
    locationId: str | None
    itemId: str | None


class Line(Struct):
    id: str
    amount: float
    quantity: float | None
    price: float | None
    description: str | None
    classifications: Classifications


class Invoice(Struct):
    invoiceNumber: str
    invoiceDate: str


class Bill(Struct):
    id: str
    archived: bool
    vendorId: str
    vendorName: str
    amount: float
    billCurrency: str
    approvalStatus: str
    paymentStatus: str
    paidAmount: float
    dueAmount: float
    creditAmount: float
    fundingAmount: float
    exchangeRate: float
    description: str | None
    dueDate: str
    invoice: Invoice
    purchaseOrderNumber: str | None
    payFromChartOfAccountId: str | None
    payFromBankAccountId: str | None
    paymentTermId: str | None
    createdBy: str
    createdTime: str
    updatedTime: str
    billLineItems: list[Line]
    approvers: list[str]
    creditApplications: list[str]


encode = msgspec.json.Encoder().encode
decode_bill = msgspec.json.Decoder(BillRequest).decode


def vendor_view(row: tuple) -> Vendor:
    return Vendor(
        row[0], bool(row[2]), row[3], row[4], row[5], row[6], row[7], row[8],
        Address(row[9], row[10], row[11], row[12], row[13], row[14], row[15]),
        PaymentInformation(row[16], row[17], row[18], BankAccount(row[19], row[20])),
        AdditionalInfo(row[21], row[22], bool(row[23]), row[24]), row[25], row[26], row[27],
        AutoPay(bool(row[28])), Balance(row[29] / 100, row[31]), row[30], row[31],
    )  # fmt: skip


def line_view(row: tuple) -> Line:
    return Line(
        row[0], row[3] / 100, None if row[4] is None else float(row[4]),
        None if row[5] is None else row[5] / 100, row[6],
        Classifications(row[7], row[8], row[9], row[10]),
    )  # fmt: skip


def bill_view(row: tuple, lines: list[tuple]) -> Bill:
    return Bill(
        row[0], False, row[2], row[3], row[4] / 100, row[5], row[6], row[7], row[8] / 100,
        row[9] / 100, row[10] / 100, row[11] / 100, 1, row[13], row[14], Invoice(row[15], row[16]),
        row[17], row[18], row[19], row[20], row[21], row[22], row[23],
        [line_view(line) for line in lines], [], [],
    )  # fmt: skip
