"""Made-up notifications, one for each event type: what the test endpoint sends.

Every documented field is there; ids lead nowhere.
"""

from collections.abc import Callable
from typing import Any

from billfold.events.catalog import SPEND_TYPES, TYPES

USER, NOWHERE = "00601TESTUSER000test", "{}01TESTNOTHING0test"
UUID = "3f0c9b52-7d1e-4c7a-9a41-{:012d}"

Body = dict[str, Any]


def _id(prefix: str) -> str:
    return NOWHERE.format(prefix)


def _vendor(now: str) -> Body:
    return {
        "id": _id("009"), "name": "Test Vendor", "shortName": "Test", "archived": False,
        "email": "vendor@test.example", "phone": "415-555-0100", "networkStatus": "NOT_CONNECTED",
        "accountNumber": "10020030",
        "address": {
            "line1": "1 Test Street", "line2": "Floor 2", "city": "Reno", "stateOrProvince": "NV",
            "zipOrPostalCode": "89501", "country": "US",
        },
        "paymentInformation": {
            "payeeName": "Test Vendor", "email": "pay@test.example", "payByType": "CHECK",
            "lastPaymentDate": now[:10], "virtualCard": {"status": "UNKNOWN"},
        },
        "additionalInfo": {
            "taxId": "00-0000000", "taxIdType": "EIN", "track1099": False, "leadTimeInDays": 5,
            "combinePayments": True, "companyName": "Test Vendor Inc",
        },
        "recurringPayments": False, "billCurrency": "USD",
        "balance": {"amount": 228.99, "lastUpdatedDate": now}, "autoPay": {"enabled": False},
        "createdTime": now, "updatedTime": now,
    }  # fmt: skip


def _autopay(now: str) -> Body:
    return {
        "vendor": {"id": _id("009"), "name": "Test Vendor"}, "createdBy": USER, "updatedTime": now,
        "fundingAccount": {"id": _id("bac"), "type": "BANK_ACCOUNT"},
        "errors": [{"code": "3", "message": "The bank account is inactive.", "timestamp": now}],
    }  # fmt: skip


def _bill(now: str) -> Body:
    return {
        "id": _id("00n"), "vendorId": _id("009"), "vendorName": "Test Vendor",
        "invoice": {"invoiceNumber": "TEST-1", "invoiceDate": f"{now[:10]}T00:00:00.000Z"},
        "amount": 228.99, "createdTime": now, "updatedTime": now, "createdBy": USER,
        "archived": False, "description": "A test", "dueDate": now[:10], "paymentStatus": "UNPAID",
        "payFromChartOfAccountId": _id("0ca"),
        "classifications": {
            "chartOfAccountId": _id("0ca"), "accountingClassId": _id("cls"),
            "departmentId": _id("0de"), "locationId": _id("loc"),
        },
        "purchaseOrderNumber": "PO-TEST",
    }  # fmt: skip


def _payment(now: str) -> Body:
    return {
        "id": _id("stp"), "billIds": [_id("00n")], "transactionNumber": "P00000001",
        "status": "SCHEDULED", "createdBy": USER, "createdTime": now, "updatedTime": now,
        "processDate": now[:10],
        "funding": {
            "amount": 228.99, "currency": "USD",
            "fundingAccount": {
                "id": _id("bac"), "type": "BANK_ACCOUNT", "name": "Test Bank",
                "accountNumber": "*****0100",
            },
        },
        "disbursement": {
            "amount": 228.99, "currency": "USD", "arrivesByDate": now[:10],
            "disbursementAccount": {},
        },
        "vendor": {"id": _id("009"), "name": "Test Vendor"}, "billingType": "BDC",
    }  # fmt: skip


def _failed_payment(now: str) -> Body:
    return {
        "bills": [{"id": _id("00n"), "amount": 228.99}], "transactionNumber": "P00000001",
        "createdBy": USER, "createdTime": now, "updatedTime": now,
        "fundingAccount": {"id": _id("bac"), "type": "BANK_ACCOUNT"},
        "vendor": {"id": _id("009"), "name": "Test Vendor"},
    }  # fmt: skip


def _mass_payment(now: str) -> Body:
    return {
        "paymentBatchId": _id("bbq"), "batchStatus": "COMPLETED",
        "count": {"scheduled": 0, "failed": 0, "completed": 2, "total": 2}, "updatedTime": now,
    }  # fmt: skip


def _bank_account(now: str) -> Body:
    return {
        "id": _id("bac"), "archived": False, "accountNumber": "*****0100",
        "nameOnAccount": "Test Company", "routingNumber": "322271627", "bankName": "Test Bank",
        "status": "VERIFIED", "createdBy": USER, "type": "CHECKING", "ownerType": "BUSINESS",
        "createdTime": now, "updatedTime": now, "default": {"payables": True, "receivables": False},
    }  # fmt: skip


def _card_account(now: str) -> Body:
    return {
        "id": _id("cat"), "archived": False, "createdTime": now, "updatedTime": now,
        "createdBy": USER, "nameOnAccount": "Test Company", "brand": "Visa", "type": "CREDIT_CARD",
        "status": "VERIFIED", "last4": "0100", "expiration": {"month": 12, "year": 2031},
        "default": {"payables": False},
    }  # fmt: skip


def _invoice(now: str) -> Body:
    return {
        "id": _id("00e"), "customerId": _id("0cu"), "archived": False, "invoiceNumber": "TEST-1",
        "invoiceDate": now[:10], "dueDate": now[:10], "totalAmount": 228.99, "dueAmount": 228.99,
        "createdTime": now, "updatedTime": now, "createdBy": USER, "status": "OPEN",
        "scheduledAmount": 0, "creditAmount": 0, "salesTaxTotal": 0, "salesTaxPercentage": 0,
    }  # fmt: skip


def _risk(now: str) -> Body:
    return {"decision": "APPROVE"}


def _transaction(now: str) -> Body:
    return {
        "uuid": UUID.format(1), "fees": 0, "foreignExchangeFee": 0, "transactionType": "CLEAR",
        "parentTransactionUuid": UUID.format(2), "userUuid": UUID.format(3),
        "rawMerchantName": "TEST MERCHANT 0100", "merchantName": "Test Merchant",
        "budgetUuid": UUID.format(4), "originalAuthTransactionUuid": None, "occurredTime": now,
        "updatedTime": now, "authorizedTime": now, "complete": True, "declineReason": "",
        "amount": 228.99, "transactedAmount": 228.99, "cardUuid": UUID.format(5),
        "companyUuid": UUID.format(6),
    }  # fmt: skip


def _reimbursement(now: str) -> Body:
    return {
        "uuid": UUID.format(7), "note": "A test", "merchantName": "Test Merchant", "amount": 228.99,
        "status": "AWAITING_APPROVAL", "fulfillmentType": "ACH", "budgetUuid": UUID.format(4),
        "companyUuid": UUID.format(6), "userUuid": UUID.format(3), "occurredDate": now[:10],
        "submittedTime": now,
    }  # fmt: skip


def _challenge(now: str) -> Body:
    return {
        "merchantName": "Test Merchant", "merchantCategoryCode": "5734",
        "acsTransactionId": UUID.format(8), "userUuid": UUID.format(3), "occurredTime": now,
        "amount": 228.99, "cardUuid": UUID.format(5), "companyUuid": UUID.format(6),
    }  # fmt: skip


# By how a type begins: the name of its subject in the body, and what is said of it.
SAMPLES = {
    "vendor.": ("vendor", _vendor), "bill.": ("bill", _bill), "payment.updated": ("payment", _payment),
    "payment.failed": ("payment", _failed_payment), "bank-account.": ("bank-account", _bank_account),
    "card-account.": ("card-account", _card_account), "invoice.": ("invoice", _invoice),
    "risk-verification.": ("risk-verification", _risk),
    "spend.transaction.": ("transaction", _transaction),
    "spend.reimbursement.": ("reimbursement", _reimbursement),
    "spend.three-ds-challenge.": ("threeDsChallenge", _challenge),
    # These have no name for their subject: its fields stand beside the metadata.
    "autopay.failed": ("", _autopay), "mass-payment.updated": ("", _mass_payment),
}  # fmt: skip


def _of(event_type: str) -> tuple[str, Callable[[str], Body]]:
    return next(found for begin, found in SAMPLES.items() if event_type.startswith(begin))


# What is another of one type than of those that begin like it.
OF_TYPE: dict[str, Body] = {
    **{f"{subject}.archived": {"archived": True} for subject in ("vendor", "bill", "invoice")},
    "spend.reimbursement.deleted": {"status": "DELETED"},
}


# What the subject of each type is called in its body; empty where it has no name.
ENTITY_OF = {each: _of(each)[0] for each in (*TYPES, *SPEND_TYPES)}


def sample(event_type: str, now: str, instead: Body) -> tuple[str, Body]:
    """The subject's id, and what a notification says beside its metadata; `instead` holds what is said
    of the subject in place of what is made up."""
    entity, made = _of(event_type)
    said = _over(made(now) | OF_TYPE.get(event_type, {}), instead)
    subject_id = str(said.get("id") or said.get("uuid") or _subject_of(said))
    if not entity:
        return subject_id, said
    if event_type != "payment.failed":
        return subject_id, {entity: said}
    # Reasons stand beside the payment, not in it.
    reasons = [{"code": "BDC_1151", "message": "Bank account is inactive.", "timestamp": now}]
    return subject_id, {entity: said, "errors": reasons}


def _subject_of(said: Body) -> str:
    """Of what has no id of its own."""
    vendor = said.get("vendor")
    id = vendor.get("id") if isinstance(vendor, dict) else None
    others = (said.get(name) for name in ("paymentBatchId", "acsTransactionId"))
    return str(id or next(filter(None, others), _id("evt")))


def _over(made: Body, instead: Body) -> Body:
    """Objects are laid over objects; all else is put in the place of what was there."""
    return made | {
        name: _over(made[name], value)
        if isinstance(value, dict) and isinstance(made.get(name), dict)
        else value
        for name, value in instead.items()
    }
