"""Nothing documented is forgotten: an answer has every field, or there is a reason why not."""

import pytest

from billfold import demo_world
from billfold.access.partners import Partner
from tests.contract.full import assert_full
from tests.desk import V3, bill_of

ADDRESS = {
    "line1": "12 Oak St", "line2": "Back door", "city": "Reno", "stateOrProvince": "NV",
    "zipOrPostalCode": "89501", "country": "US",
}  # fmt: skip
BANK = {
    "nameOnAccount": "Dupont SA", "accountNumber": "7710020189",
    "routingNumber": "322271627", "type": "CHECKING", "ownerType": "BUSINESS", "paymentCurrency": "USD",
    "regulatoryFields": [{"name": "purpose", "value": "goods"}],
}  # fmt: skip
VENDOR = {
    "name": "Dupont", "shortName": "D", "accountNumber": "C-100", "accountType": "BUSINESS",
    "email": "ap@dupont.example", "phone": "+33 1 99 00 00 00", "address": ADDRESS,
    "paymentInformation": {
        "payeeName": "Dupont SA", "email": "pay@dupont.example", "bankCountry": "US",
        "paymentCurrency": "USD", "bankAccount": BANK,
        "paymentPurpose": {"text": "Goods", "code": {"name": "Goods", "value": "G1"}},
        "virtualCard": {"remitEmail": "card@dupont.example"},
    },
    "additionalInfo": {
        "taxId": "12-3456789", "taxIdType": "EIN", "track1099": True, "leadTimeInDays": 3,
        "combinePayments": True, "paymentTermId": demo_world.PAYMENT_TERM_ID,
        "companyName": "Dupont SA",
    },
    "billCurrency": "USD", "autoPay": {"enabled": False},
}  # fmt: skip
KINDS = {kind: id for kind, (id, _) in demo_world.CLASSIFICATIONS.items()}
BOOKED = {
    "chartOfAccountId": KINDS["chart_of_account"], "accountingClassId": KINDS["accounting_class"],
    "departmentId": KINDS["department"], "locationId": KINDS["location"], "itemId": KINDS["item"],
}  # fmt: skip
LINE = {
    "amount": 10, "quantity": 4, "price": 2.5, "description": "Strings",
    "classifications": BOOKED | {"employeeId": KINDS["employee"], "jobId": KINDS["job"]},
}  # fmt: skip


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def pays(desk, bill: str) -> None:
    """A part of a bill, and the day comes on which it is paid."""
    paid = {"billId": bill, "amount": 0.5, "processDate": "2027-01-05", "processingOptions": {}}
    account = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    desk.call("POST", f"{V3}/payments", paid | {"fundingAccount": account}, status=201)
    desk.advance(days=8)
    desk.signs_in()


def test_a_vendor_with_everything(desk):
    vendor = desk.call("POST", f"{V3}/vendors", VENDOR, status=201)
    pays(desk, desk.owes(vendor["id"], 1))
    seen = desk.call("GET", f"{V3}/vendors/{vendor['id']}")
    assert_full("Vendor", "vendors", seen)
    assert seen["paymentInformation"]["lastPaymentDate"] == "2027-01-05"
    assert contains(vendor, VENDOR | {"paymentInformation": {}})
    payment = VENDOR["paymentInformation"] | {"bankAccount": BANK | {"accountNumber": "*****0189"}}
    assert contains(vendor["paymentInformation"], payment)
    account = desk.call("GET", f"{V3}/vendors/{vendor['id']}/bank-account")
    assert_full("VendorBankAccount", "vendors", account)


def test_a_bill_with_everything(desk):
    vendor = desk.call("POST", f"{V3}/vendors", VENDOR, status=201)["id"]
    body = bill_of(vendor, 10, "1") | {
        "description": "January", "purchaseOrderNumber": "PO-1", "classifications": BOOKED,
        "paymentTermId": demo_world.PAYMENT_TERM_ID,
        "payFromChartOfAccountId": KINDS["chart_of_account"], "billLineItems": [LINE],
        "vendorCredits": [], "billApprovals": False,
    }  # fmt: skip
    bill = desk.call("POST", f"{V3}/bills", body, status=201)["id"]
    pays(desk, bill)
    bill = desk.sees(bill)
    assert_full("Bill", "bills", bill)
    del body["billApprovals"]
    assert contains(bill, body)


def test_a_bank_account_with_everything(desk):
    banks = f"{V3}/funding-accounts/banks"
    account = desk.call("GET", f"{banks}/{demo_world.BANK_ACCOUNT_ID}")
    assert_full("BankAccount", "funding_accounts", account)


def test_a_user_and_a_role_with_everything(desk):
    user = desk.call("GET", f"{V3}/users/{demo_world.USER_ID}")
    assert_full("User", "users_roles", user)
    assert_full("Role", "users_roles", desk.call("GET", f"{V3}/roles/{user['role']['id']}"))


ORGANIZATION = {
    "name": "Noodles", "address": ADDRESS, "mailingAddress": ADDRESS | {"line1": "PO Box 9"},
    "phone": "2175550100", "companyOwner": {"name": "Pat Owner", "dateOfBirth": "1980-01-01"},
    "taxId": "111222333", "taxIdType": "EIN", "industry": "Restaurant Caterer or Bar",
    "businessCategory": "LLC", "accountType": "BUSINESS", "processingOptions": {
        "mailingAddressSameAsPhysical": False, "individualTransferOut": True,
        "individualTransferIn": False,
    },
}  # fmt: skip


def test_an_organization_with_everything(desk):
    shows = {"shows_name": True}
    desk.writes(lambda work: work.connection.update(Partner, demo_world.PARTNER_ID, shows))
    body = {
        "appKey": demo_world.APPLICATION_KEY, "username": demo_world.PARTNER_USERNAME,
        "password": demo_world.PARTNER_PASSWORD,
    }  # fmt: skip
    session = desk.call("POST", f"{V3}/partner/login", body, session="")["sessionId"]
    headers, path = {"appKey": body["appKey"]}, f"{V3}/partner/organizations"
    made = desk.call("POST", path, ORGANIZATION, status=201, headers=headers, session=session)
    assert_full("Organization", "organizations", made)
    assert contains(made, ORGANIZATION)


def contains(answer, sent) -> bool:
    """Whether everything that was sent is in the answer as it was sent."""
    if isinstance(sent, dict):
        return all(name in answer and contains(answer[name], value) for name, value in sent.items())
    if isinstance(sent, list):
        return len(sent) == len(answer) and all(map(contains, answer, sent))
    return answer == sent
