"""What notifications say, held against the contract; and who tells each of the 26 types."""

import ast
import json
import re
import uuid
from pathlib import Path

import pytest
import yaml

import billfold
from billfold import demo_world
from billfold.access import verifications
from billfold.events.catalog import SPEND_TYPES, TYPES, version_said
from billfold.events.emitters import TELLERS
from billfold.events.outbox import Event, said
from billfold.events.samples_v3 import sample
from billfold.funding.bank_accounts import BankAccount, Status
from billfold.kit.lifecycle import LIFECYCLES
from tests.desk import EVENTS, V3, Desk
from tests.receiver import Receiver
from tests.test_webhooks import SUBSCRIPTIONS, subscribes

CONTRACT = yaml.safe_load((Path(__file__).parent / "contract" / "webhooks.yaml").read_text())
NOTIFICATIONS = {
    "vendor.": "VendorNotification", "autopay.": "AutopayFailedNotification",
    "bill.": "BillNotification", "payment.updated": "PaymentUpdatedNotification",
    "payment.failed": "PaymentFailedNotification", "bank-account.": "BankAccountNotification",
    "card-account.": "CardAccountNotification", "invoice.": "InvoiceNotification",
    "risk-verification.": "RiskVerificationNotification",
    "spend.transaction.": "SpendTransactionNotification",
    "spend.reimbursement.": "SpendReimbursementNotification",
    "spend.three-ds-challenge.": "SpendThreeDsChallengeNotification",
}  # fmt: skip
# Documented fields that are not there, each with its reason.
ABSENT = {
    "vendor.paymentNetworkId": "only of a vendor that is connected to the network",
    "vendor.rppsId": "only of a vendor that is connected to the network",
    "payment.funding.fundingAccount.last4": "of a card account, which has no accountNumber",
}
NOW = "2027-01-04T17:00:00.000+00:00"


def fields_of(schema: dict, at: str = "") -> dict[str, str]:
    """Every documented field by its path, with its type."""
    found = {}
    for name, said_of in schema.items():
        if not isinstance(said_of, dict) or name == "metadata":
            continue
        path = f"{at}{name}"
        found[path] = said_of.get("type", "")
        inner = said_of.get("fields") or (said_of.get("items") or {}).get("fields") or {}
        found |= fields_of(inner, f"{path}.")
    return found


def paths_of(body: object, at: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    if isinstance(body, dict):
        for name, value in body.items():
            path = f"{at}{name}"
            found[path] = value
            found |= paths_of(value[0] if isinstance(value, list) and value else value, f"{path}.")
    return found


def documented(event_type: str) -> dict[str, str]:
    name = next(found for begin, found in NOTIFICATIONS.items() if event_type.startswith(begin))
    return fields_of(CONTRACT["schemas"][name])


OF = {
    "string": str,
    "boolean": bool,
    "number": (int, float),
    "integer": int,
    "array": list,
    "object": dict,
}


@pytest.mark.parametrize("event_type", [each for each in (*TYPES, *SPEND_TYPES) if "mass" not in each])
def test_a_made_up_notification_has_every_documented_field(event_type):
    _, body = sample(event_type, NOW, {})
    found, wanted = paths_of(body), documented(event_type)
    assert set(wanted) - set(found) <= set(ABSENT)
    assert set(found) <= set(wanted) | {f"{at}.{name}" for at, name in BESIDE}
    for path, value in found.items():
        if (kind := OF.get(wanted.get(path, ""))) and value is not None:
            assert isinstance(value, kind), path


def test_a_made_up_notification_is_of_its_type():
    """(`webhooks.yaml`): archived true and false tell those apart; what was deleted is DELETED."""
    for event_type in (*TYPES, *SPEND_TYPES):
        _, body = sample(event_type, NOW, {})
        subject = next(iter(body.values()))
        subject = subject if isinstance(subject, dict) else body
        assert subject.get("archived", False) is event_type.endswith(".archived"), event_type
        assert (subject.get("status") == "DELETED") is event_type.endswith(".deleted"), event_type
    _, body = sample("vendor.archived", NOW, {"archived": False})
    assert body["vendor"]["archived"] is False  # What is sent is said.


# The contract says of these objects only what is in them in words.
BESIDE = {
    ("card-account.expiration", "month"), ("card-account.expiration", "year"),
    ("card-account.default", "payables"),
}  # fmt: skip


def test_a_mass_payment_as_the_contract_says_it():
    """It is said in one line there, in another file."""
    payments = yaml.safe_load((Path(__file__).parent / "contract" / "payments.yaml").read_text())
    line = payments["webhook"]["mass-payment.updated"].partition(";")[0]
    _, body = sample("mass-payment.updated", NOW, {})
    assert (
        line == "paymentBatchId, batchStatus, count{scheduled, failed, completed, total}, updatedTime"
    )
    assert list(body) == ["paymentBatchId", "batchStatus", "count", "updatedTime"]
    assert list(body["count"]) == ["scheduled", "failed", "completed", "total"]


def test_versions_are_texts_but_of_invoices():
    assert {version_said(each) for each in TYPES if each.startswith("invoice.")} == {1}
    assert {version_said(each) for each in TYPES if not each.startswith("invoice.")} == {"1"}


@pytest.fixture
def told(desk):
    """What was told of each type, as it was rendered."""
    desk.signs_in()

    def read() -> dict[str, list[dict]]:
        found: dict[str, list[dict]] = {}
        for each in desk.reads(lambda w: [(e.event_type, said(w, e)) for e in w.rows(Event)]):
            found.setdefault(each[0], []).append(json.loads(each[1]))
        return found

    return read


def test_what_is_really_told_is_documented(desk, told):
    """Every field that is there, and its type, of each subject that is told of today."""
    full = {
        "shortName": "Ac", "email": "a@acme.example", "phone": "415-555-0100", "accountNumber": "0042",
        "additionalInfo": {"taxId": "12-3456789", "taxIdType": "EIN", "companyName": "Acme Inc"},
    }  # fmt: skip
    vendor = desk.vendor("Acme", **full)
    bill = desk.owes(vendor, "228.99", "202601", description="Strings")
    bank = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    body = {"fundingAccount": bank, "payments": [{"billId": bill, "amount": "228.99"}]}
    desk.call("POST", f"{V3}/payments/bulk", body, status=201)
    desk.refused("POST", f"{V3}/payments/bulk", body)
    tells = lambda work: work.tell("bank-account.updated", work.find(BankAccount, bank["id"]))
    desk.writes(tells)
    desk.advance(days=10)
    seen = told()
    assert set(seen) == {
        "vendor.created", "bill.created", "bill.updated", "payment.updated", "payment.failed",
        "bank-account.updated",
    }  # fmt: skip
    for event_type, bodies in seen.items():
        wanted = documented(event_type)
        for body in bodies:
            found = paths_of(body)
            beside = ("payment.disbursement.disbursementAccount.",)
            undocumented = {
                each for each in found if each not in wanted and not each.startswith(beside)
            }
            assert not undocumented, (event_type, undocumented)
            for path, value in found.items():
                if kind := OF.get(wanted.get(path, "")):
                    assert isinstance(value, kind), (event_type, path)
            assert_made_up_alike(event_type, body)
    (heard,) = seen["bank-account.updated"]
    assert heard["bank-account"]["accountNumber"].startswith("*****")
    assert heard["bank-account"]["archived"] is False
    assert seen["vendor.created"][0]["vendor"]["accountNumber"] == "0042"


# Texts of which only the form is compared: moments and dates.
FORMS = [re.compile(form) for form in (r"\d{4}-\d\d-\d\dT[\d:.]{12}\S+", r"\d{4}-\d\d-\d\d")]


def assert_made_up_alike(event_type: str, body: dict) -> None:
    """A made-up notification says moments and dates where a real one does."""
    form = lambda value: next((each for each in FORMS if each.fullmatch(str(value))), None)
    made_up = paths_of(sample(event_type, NOW, {})[1])
    for path, value in paths_of(body).items():
        if path in made_up:
            assert form(value) is form(made_up[path]), (event_type, path, value)


def test_a_bank_account_is_archived_until_it_is_verified(desk, told):
    """(`webhooks.yaml`, BankAccountNotification): while PENDING, and again when NOT_VERIFIED."""
    for status, archived in (
        (Status.PENDING, True),
        (Status.VERIFIED, False),
        (Status.NOT_VERIFIED, True),
    ):

        def change(work, status=status):
            account = work.hold(BankAccount, demo_world.BANK_ACCOUNT_ID)
            work.change(account, status=status)
            work.tell("bank-account.updated", account)

        desk.writes(change)
        heard = told()["bank-account.updated"][-1]["bank-account"]
        assert (heard["status"], heard["archived"]) == (status, archived)


def test_the_contracts_example_is_what_is_delivered(desk):
    """To the order of its fields; ids and times alone are another's."""
    desk.signs_in()
    receiver = Receiver(desk)
    subscribes(desk, desk.runner.run(receiver.open()), "bill.created")
    vendor = desk.vendor("Acme")
    number = {"invoice": {"invoiceNumber": "202601", "invoiceDate": "2026-12-15"}}
    desk.owes(vendor, 228.99, dueDate="2026-12-31", **number)
    desk.advance(seconds=1)
    ((_, headers, body, _),) = receiver.got
    desk.runner.run(receiver.close())
    example = json.loads(CONTRACT["example_delivery"]["body"])
    heard = json.loads(body)
    assert list(heard) == list(example) and list(heard["bill"]) == list(example["bill"])
    assert list(heard["metadata"]) == list(example["metadata"])
    theirs = {"id", "vendorId", "createdTime", "updatedTime", "createdBy"}
    for name in set(example["bill"]) - theirs:
        assert heard["bill"][name] == example["bill"][name], name
    for name in ("createdTime", "updatedTime"):
        assert len(heard["bill"][name]) == len(example["bill"][name])
        assert heard["bill"][name].endswith("+00:00")
    assert heard["metadata"]["version"] == example["metadata"]["version"]
    assert b" " not in body and headers["content-type"] == "application/json"
    assert set(CONTRACT["example_delivery"]["headers"]) == {"Content-Type", "x-bill-sha-signature"}


# Who tells


def test_each_type_is_told_where_it_is_said_to_be():
    """The table of docs/events.md is what the rules do: found by reading them."""
    root = Path(billfold.__file__).parent
    told: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "work.tell":
                for each in ast.walk(node.args[0]):
                    if isinstance(each, ast.Constant) and each.value in TELLERS:
                        told.setdefault(each.value, set()).add(str(path.relative_to(root)))
            if isinstance(node, ast.keyword) and node.arg == "event":
                event = getattr(node.value, "value", None)
                if event in TELLERS:
                    told.setdefault(event, set()).add(str(path.relative_to(root)))
    assert {each.event for each in LIFECYCLES} <= set(told)
    assert told == {type: {each.file} for type, each in TELLERS.items() if each.file}
    assert set(TELLERS) == {*TYPES, *SPEND_TYPES} and len(TELLERS) == 26


def test_once_for_a_subject_and_type_in_a_transaction(desk, told):
    vendor = desk.vendor("Acme")

    def changes(work):
        from billfold.payables import vendors

        for name in ("One", "Two"):
            vendors.update_vendor(work, vendor, {"name": name})

    desk.writes(changes)
    (heard,) = told()["vendor.updated"]
    assert heard["vendor"]["name"] == "Two"


def test_a_vendors_bank_account_tells_of_the_vendor(desk, told):
    vendor = desk.vendor("Acme")
    bank = {
        "nameOnAccount": "Acme", "accountNumber": "12345678", "routingNumber": "021000021",
        "type": "CHECKING", "ownerType": "BUSINESS",
    }  # fmt: skip
    path = f"{V3}/vendors/{vendor}/bank-account"
    desk.call("POST", path, bank)
    desk.answer("DELETE", path)
    ways = [each["vendor"]["paymentInformation"]["payByType"] for each in told()["vendor.updated"]]
    assert ways == ["ACH", "CHECK"]


def test_every_decision_about_an_organization_is_told(desk, told):
    """Also that of whoever runs the server, for one that had none."""

    def forget(work):
        (found,) = work.rows(verifications.Verification)
        work.remove(work.hold(verifications.Verification, found.id))

    desk.writes(forget)
    vouch = lambda work: verifications.vouch_for(work, demo_world.ORGANIZATION_ID)
    desk.writes(vouch, None)
    desk.writes(vouch, None)
    assert told()["risk-verification.updated"] == [{"risk-verification": {"decision": "APPROVE"}}]


def test_a_payment_that_cannot_be_made_is_told_of_by_either_call(desk: Desk, told):
    """POST /v3/payments and /bulk; neither for a shape, nor for a session that is not trusted."""
    bill = desk.owes(demo_world.VENDOR_ID, 10)
    bank = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    one = {
        "vendorId": demo_world.VENDOR_ID, "billId": bill, "amount": 11, "fundingAccount": bank,
        "processDate": "2027-01-11", "processingOptions": {"createBill": False},
    }  # fmt: skip
    many = {"fundingAccount": bank, "payments": [{"billId": bill, "amount": 11}]}
    assert desk.refused("POST", f"{V3}/payments", one)[0] == 422
    assert desk.refused("POST", f"{V3}/payments/bulk", many)[0] == 422
    assert desk.refused("POST", f"{V3}/payments", {**one, "amount": "x"})[0] == 400
    desk.signs_in(trusted=False)
    assert desk.refused("POST", f"{V3}/payments", one)[0] == 403
    heard = told()["payment.failed"]
    assert len(heard) == 2 and all("id" not in each["payment"] for each in heard)
    assert {each["errors"][0]["code"] for each in heard} == {"BDC_1159"}


def test_a_payment_that_cannot_be_made_has_every_documented_field(desk: Desk, told):
    """And is told of once a request: the vendor is left out where the bills are of two."""
    first, second = desk.owes(demo_world.VENDOR_ID, 10), desk.owes(desk.vendor("Other"), 10)
    bank = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    for bills, more in (([first], {}), ([first], {"transactionNumber": "T-1"}), ([first, second], {})):
        lines = [{"billId": bill, "amount": 11} for bill in bills]
        body = {"fundingAccount": bank, "payments": lines} | more
        assert desk.refused("POST", f"{V3}/payments/bulk", body)[0] == 422
    one, named, of_two = told()["payment.failed"]
    wanted = documented("payment.failed")
    assert set(paths_of(one)) == set(wanted)
    assert named["payment"]["transactionNumber"] == "T-1"
    absent = {"payment.vendor", "payment.vendor.id", "payment.vendor.name"}
    assert set(wanted) - set(paths_of(of_two)) == absent


def test_the_history_says_the_body_as_a_text(desk):
    desk.signs_in()
    made = subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    desk.vendor('Quo"te')
    (event,) = desk.call("GET", f"{EVENTS}/events/subscription/{made['id']}")["results"]
    assert isinstance(event["payload"], str)
    assert json.loads(event["payload"])["vendor"]["name"] == 'Quo"te'
    assert uuid.UUID(event["id"]) and SUBSCRIPTIONS
