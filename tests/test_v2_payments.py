"""v2's payments, its entities in bulk, and what of both is refused."""

import pytest

from billfold import demo_world
from billfold.access.roles import RoleType
from billfold.events.outbox import Event
from billfold.funding.bank_accounts import BankAccount
from tests.contract.full import assert_full
from tests.desk import V3
from tests.test_v2_entities import BANK, NULLID, bill, changes, lists, makes, reads

VENDOR = demo_world.VENDOR_ID
ACCOUNT = demo_world.BANK_ACCOUNT_ID
NOBODY = "00901NOBODYS0000none"


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def owes(desk, number="1", vendor=VENDOR) -> str:
    return makes(desk, "Bill", **bill(vendor, number))["id"]


def pays(desk, *bills: str, amount=10, **more) -> list[dict]:
    parts = [{"billId": each, "amount": amount} for each in bills]
    return desk.call_v2("PayBills", {"billPays": parts} | more)["sentPays"]


def money_of(desk, id: str) -> tuple:
    seen = reads(desk, "Bill", id)
    amounts = [seen[f"{name}Amount"] for name in ("scheduled", "paid", "due")]
    return (*amounts, seen["paymentStatus"])


# Paying


def test_a_payment_goes_its_way_and_is_read_in_both_versions(desk):
    bill_id = owes(desk)
    (made,) = pays(desk, bill_id, processDate="2027-1-6", description="January", bankAccountId=ACCOUNT)
    assert_full("SentPay", "v2", made)
    assert (made["status"], made["amount"], made["processDate"]) == ("1", 10, "2027-01-06")
    assert (made["isOnline"], made["paymentType"], made["fundingType"]) == (True, "1", "2")
    assert (made["bankAccountId"], made["vendorId"]) == (ACCOUNT, VENDOR)
    assert made["description"] == "January" and made["createdBy"] == demo_world.USER_ID
    (part,) = made["billPays"]
    assert (part["billId"], part["amount"], part["paymentStatus"]) == (bill_id, "10.00", "1")
    assert part["sentPayId"] == made["id"]
    assert money_of(desk, bill_id) == (10, None, 10, "4")
    v3 = desk.call("GET", f"{V3}/payments/{made['id']}")
    assert (v3["amount"], v3["singleStatus"], v3["billId"]) == (10, "SCHEDULED", bill_id)
    assert (v3["transactionNumber"], v3["confirmationNumber"]) == (made["txnNumber"], made["name"])
    assert reads(desk, "SentPay", made["id"]) == made

    desk.advance(days=3)
    desk.signs_in()
    paid = reads(desk, "SentPay", made["id"])
    assert (paid["status"], paid["billPays"][0]["paymentStatus"]) == ("2", "2")
    assert money_of(desk, bill_id) == (0, 10, 0, "0")
    seen = reads(desk, "Bill", bill_id)
    assert seen["lastPaymentDate"] == seen["fullPaymentDate"] == "2027-01-06"
    code, words = desk.refused_v2("CancelAPPayment", {"sentPayId": made["id"]})
    assert code == "BDC_1143" and made["id"] in words
    assert reads(desk, "SentPay", made["id"]) == paid


def test_a_scheduled_payment_is_cancelled_and_its_bill_is_open_again(desk):
    bill_id = owes(desk)
    (made,) = pays(desk, bill_id)
    assert made["processDate"] == "2027-01-05"
    desk.signs_in(trusted=False)
    gone = desk.call_v2("CancelAPPayment", {"sentPayId": made["id"]})
    assert (gone["status"], gone["billPays"][0]["paymentStatus"]) == ("3", "3")
    assert money_of(desk, bill_id) == (0, None, 10, "1")
    assert desk.call("GET", f"{V3}/payments/{made['id']}")["singleStatus"] == "CANCELED"


def test_bills_are_paid_together_where_the_vendor_says_so_and_one_by_one_elsewhere(desk):
    together = pays(desk, owes(desk, "1"), owes(desk, "2"))
    assert [len(each["billPays"]) for each in together] == [2]
    vendor = makes(desk, "Vendor", name="Acme", enabledCombinePayments=False, address1="1 Way")["id"]
    apart = pays(desk, owes(desk, "1", vendor), owes(desk, "2", vendor), vendorId=vendor)
    assert [len(each["billPays"]) for each in apart] == [1, 1]
    assert {each["paymentType"] for each in apart} == {"0"}
    found = lists(desk, "SentPay", ("vendorId", "=", vendor), nested=True)
    assert sorted(found, key=lambda each: each["id"]) == sorted(apart, key=lambda each: each["id"])
    assert "billPays" not in lists(desk, "SentPay")[0]


@pytest.mark.parametrize("field, op, value, found", [
    ("status", "=", "1", 1), ("status", "=", 3, 1), ("status", "in", "1,3", 2),
    ("status", "!=", "1", 1), ("amount", "=", 10, 1), ("amount", ">", "9.99", 1),
    ("amount", "<", 10, 1), ("amount", "nin", "10", 1),
    ("processDate", ">=", "2027-01-06", 1), ("isOnline", "=", True, 2), ("isOnline", "!=", "true", 0),
    ("paymentType", "=", "1", 2), ("paymentType", "=", "4", 0), ("isActive", "=", "1", None),
])  # fmt: skip
def test_payments_are_found_by_each_field(desk, field, op, value, found):
    pays(desk, owes(desk, "1"), processDate="2027-01-06")
    (other,) = pays(desk, owes(desk, "2"), amount=4)
    desk.call_v2("CancelAPPayment", {"sentPayId": other["id"]})
    if found is None:
        asked = {"start": 0, "max": 9, "filters": [{"field": field, "op": op, "value": value}]}
        assert desk.refused_v2("List/SentPay", asked)[0] == "BDC_1130"
    else:
        assert len(lists(desk, "SentPay", (field, op, value))) == found


@pytest.mark.parametrize("more, code, words", [
    ({"bankAccountId": "bac01NOBODYS0000none"}, "BDC_1129", "bankAccountId, bac01NOBODYS0000none."),
    ({"cardAccountId": "cat01NOBODYS0000none"}, "BDC_1129", "cardAccountId, cat01NOBODYS0000none."),
    ({"vendorId": NOBODY}, "BDC_1129", f"vendorId, {NOBODY}."),
    ({"processDate": "soon"}, "BDC_1129", "processDate, soon."),
    ({"processDate": "2027-01-04"}, "BDC_1152", "2027-01-04"), ({"amount": 10.01}, "BDC_1159", ""),
    ({"amount": 0}, "BDC_1129", "billPays[0].amount, 0."),
    ({"amount": 1.001}, "BDC_1143", "billPays[0].amount"),
    ({"isFasterPayment": True}, "BDC_1143", "isFasterPayment"),
    ({"deliveryType": 10}, "BDC_1143", "deliveryType"),
    ({"billCredits": [{"billId": "a", "amount": 1}]}, "BDC_1143", "billCredits"),
])  # fmt: skip
def test_a_payment_that_is_refused_leaves_nothing(desk, more, code, words):
    bill_id = owes(desk)
    part = {"billId": bill_id, "amount": more.get("amount", 10)}
    found = desk.refused_v2("PayBills", more | {"billPays": [part]})
    assert found[0] == code and words in found[1]
    assert money_of(desk, bill_id) == (0, None, 10, "1") and lists(desk, "SentPay") == []


def test_one_bill_that_is_not_there_refuses_them_all(desk):
    bill_id = owes(desk)
    parts = [{"billId": bill_id, "amount": 10}, {"billId": "00n01NOBODYS0000none", "amount": 1}]
    code, words = desk.refused_v2("PayBills", {"billPays": parts})
    assert code == "BDC_1129" and "billPays[1].billId, 00n01NOBODYS0000none." in words
    assert money_of(desk, bill_id) == (0, None, 10, "1")
    for wrong in ([], [parts[0]] * 201):
        assert desk.refused_v2("PayBills", {"billPays": wrong})[0] == "BDC_1119"
    assert desk.refused_v2("PayBills", {"billPays": [{"billId": bill_id}]})[0] == "BDC_1108"


def test_a_refusal_of_business_is_told_as_in_v3(desk):
    parts = [{"billId": owes(desk), "amount": 10.01}]
    assert desk.refused_v2("PayBills", {"billPays": parts})[0] == "BDC_1159"
    told = desk.reads(lambda work: work.rows(Event))
    assert [each.event_type for each in told] == ["bill.created", "payment.failed"]


def test_without_a_primary_account_one_must_be_named(desk):
    bill_id = owes(desk)
    desk.writes(lambda work: work.change(work.hold(BankAccount, ACCOUNT), default_payables=False))
    code, words = desk.refused_v2("PayBills", {"billPays": [{"billId": bill_id, "amount": 1}]})
    assert code == "BDC_1151" and "primary" in words
    assert pays(desk, bill_id, bankAccountId=ACCOUNT)


def test_who_has_not_passed_the_second_step_pays_nothing_and_sees_no_bank_account(desk):
    bill_id = owes(desk)
    desk.signs_in(trusted=False)
    parts = {"billPays": [{"billId": bill_id, "amount": 10}]}
    listed = {"start": 0, "max": 1}
    for call, data in (
        ("PayBills", parts), ("Crud/Read/VendorBankAccount", {"id": demo_world.VENDOR_BANK_ID}),
        ("List/VendorBankAccount", listed), ("Crud/Delete/VendorBankAccount", {"id": "a"}),
        ("Crud/Create/VendorBankAccount", {"obj": BANK | {"vendorId": VENDOR}}),
        ("Bulk/Crud/Delete/VendorBankAccount", {"bulk": []}),
    ):  # fmt: skip
        code, words = desk.refused_v2(call, data)
        assert code == "BDC_1361" and "Untrusted session" in words, call
    desk.signs_in(username=demo_world.username(RoleType.CLERK))
    assert desk.refused_v2("PayBills", parts)[0] == "BDC_1150"
    assert money_of(desk, bill_id) == (0, None, 10, "1")


def test_what_of_a_vendor_only_a_trusted_session_changes(desk):
    vendor = makes(desk, "Vendor", name="Acme", email="a@acme.example", address2="2")["id"]
    desk.signs_in(trusted=False)
    same = changes(desk, "Vendor", vendor, email="a@acme.example", address2="2", address3="", phone="1")
    assert same["phone"] == "1"
    for name in ("email", "address2", "address3", "address4"):
        obj = {"entity": "Vendor", "id": vendor, name: "other", "phone": "2"}
        assert desk.refused_v2("Crud/Update/Vendor", {"obj": obj})[0] == "BDC_1361"
    assert reads(desk, "Vendor", vendor) == same


# In bulk


def test_each_of_a_bulk_is_done_or_refused_for_itself(desk):
    good = [bill(VENDOR, number) | {"entity": "Bill"} for number in "123"]
    items = [
        {"obj": good[0]}, {"obj": good[0]}, {"obj": good[1] | {"entity": "Vendor"}}, {"obj": 1}, [],
        {"obj": good[1] | {"billLineItems": [{"amount": 1, "jobId": "job01NOBODYS0000none"}]}},
        {"obj": good[0], "allowDuplicateInvNum": True}, {"obj": good[2]},
    ]  # fmt: skip
    said = desk.call_v2("Bulk/Crud/Create/Bill", {"bulk": items})["bulk"]
    assert [each["response_status"] for each in said] == [0, 1, 1, 1, 1, 1, 0, 0]
    assert [each["response_message"] for each in said][:2] == ["Success", "Error"]
    codes = [each["response_data"].get("error_code") for each in said]
    assert codes == [None, "BDC_1171", "BDC_1118", "BDC_1124", "BDC_1124", "BDC_1119", None, None]
    assert "jobId, job01NOBODYS0000none." in said[5]["response_data"]["error_message"]
    made = [each["response_data"] for each in said if each["response_status"] == 0]
    assert lists(desk, "Bill", nested=True) == made
    asked = {"bulk": [{"id": made[0]["id"]}, {"id": NOBODY}, {}, {"id": made[2]["id"]}]}
    said = desk.call_v2("Bulk/Crud/Delete/Bill", asked)["bulk"]
    assert [each["response_data"].get("isActive") for each in said] == ["2", None, None, "2"]
    assert [each["isActive"] for each in lists(desk, "Bill")] == ["2", "1", "2"]
    said = desk.call_v2("Bulk/Crud/Undelete/Bill", {"bulk": asked["bulk"][-1:]})["bulk"]
    assert said[0]["response_data"]["isActive"] == "1"
    changed = {"obj": {"entity": "Bill", "id": made[2]["id"], "description": "New"}}
    (said,) = desk.call_v2("Bulk/Crud/Update/Bill", {"bulk": [changed]})["bulk"]
    assert said["response_data"]["description"] == "New"


def test_a_bulk_is_of_a_hundred_at_most(desk):
    one = {"obj": {"entity": "Vendor", "name": "Acme"}}
    assert desk.refused_v2("Bulk/Crud/Create/Vendor", {"bulk": [one] * 101})[0] == "BDC_1119"
    assert desk.refused_v2("Bulk/Crud/Create/Vendor", {})[0] == "BDC_1108"
    assert len(desk.call_v2("Bulk/Crud/Create/Vendor", {"bulk": [one] * 100})["bulk"]) == 100
    assert len(lists(desk, "Vendor", ("name", "=", "Acme"))) == 100


# Refusals


def a_vendor(**more) -> dict:
    return {"obj": {"entity": "Vendor", "name": "A"} | more}


def a_bill(**more) -> dict:
    return {"obj": {"entity": "Bill"} | bill(VENDOR) | more}


@pytest.mark.parametrize("call, data, code, words", [
    ("Create/Vendor", {}, "BDC_1117", "obj"),
    ("Create/Vendor", {"obj": None}, "BDC_1117", "obj"),
    ("Create/Vendor", {"obj": {"name": "A"}}, "BDC_1117", "entity"),
    ("Create/Vendor", {"obj": {"entity": "Vendor"}}, "BDC_1117", "name"),
    ("Create/Vendor", a_vendor(entity="Bill"), "BDC_1118", "Vendor, Bill"),
    ("Create/Vendor", a_vendor(name=1), "BDC_1124", "name"),
    ("Create/Vendor", a_vendor(name="A" * 101), "BDC_1119", "name"),
    ("Create/Vendor", a_vendor(taxIdType="9"), "BDC_1119", "taxIdType, 9."),
    ("Create/Vendor", a_vendor(prefPmtMethod="55"), "BDC_1119", "prefPmtMethod, 55."),
    ("Create/Vendor", a_vendor(addressCountry="QQ"), "BDC_1119", "addressCountry, QQ."),
    ("Create/Vendor", a_vendor(billCurrency="ZZZ"), "BDC_1119", "billCurrency, ZZZ."),
    ("Create/Vendor", a_vendor(isActive="7"), "BDC_1119", "isActive, 7."),
    ("Create/Vendor", a_vendor(paymentTermId=NOBODY), "BDC_1119", f"paymentTermId, {NOBODY}."),
    ("Create/Bill", a_bill(vendorId=NOBODY), "BDC_1119", f"vendorId, {NOBODY}."),
    ("Create/Bill", a_bill(dueDate="soon"), "BDC_1119", "dueDate, soon."),
    ("Create/Bill", a_bill(dueDate=""), "BDC_1117", "dueDate"),
    ("Create/Bill", a_bill(glPostingDate="x"), "BDC_1119", "glPostingDate, x."),
    ("Create/Bill", a_bill(exchangeRate=2), "BDC_1119", "exchangeRate, 2."),
    ("Create/Bill", a_bill(invoiceNumber="9" * 22), "BDC_1143", "invoiceNumber"),
    ("Create/Bill", a_bill(billLineItems=[]), "BDC_1119", "billLineItems"),
    ("Create/Bill", a_bill(billLineItems=[{}]), "BDC_1117", "billLineItems[0].amount"),
    ("Create/Bill", a_bill(billLineItems=[{"amount": 1, "lineType": 3}]), "BDC_1119",
     "billLineItems[0].lineType, 3."),
    ("Create/Bill", a_bill(payFromBankAccountId=NOBODY), "BDC_1119",
     f"payFromBankAccountId, {NOBODY}."),
    ("Create/VendorBankAccount", {"obj": BANK}, "BDC_1117", "vendorId"),
    ("Create/VendorBankAccount", {"obj": BANK | {"vendorId": NOBODY}}, "BDC_1119",
     f"vendorId, {NOBODY}."),
    ("Update/Vendor", a_vendor(), "BDC_1117", "id"),
    ("Update/Vendor", a_vendor(id="short"), "BDC_1119", "id, short."),
    ("Update/Vendor", a_vendor(id=NOBODY), "BDC_1120", NOBODY),
    ("Update/Vendor", a_vendor(id=VENDOR, name=""), "BDC_1117", "name"),
    ("Read/Vendor", {}, "BDC_1108", "id"),
    ("Read/Vendor", {"id": "short"}, "BDC_1129", "id, short."),
    ("Read/Vendor", {"id": NULLID}, "BDC_1129", f"id, {NULLID}."),
    ("Read/Vendor", {"id": NOBODY}, "BDC_1120", NOBODY),
    ("Delete/Vendor", {"id": NOBODY}, "BDC_1120", NOBODY),
    ("Undelete/Vendor", {"id": NOBODY}, "BDC_1120", NOBODY),
    ("Read/Bill", {"id": VENDOR}, "BDC_1129", VENDOR),
])  # fmt: skip
def test_what_is_wrong_is_told_by_its_code_and_nothing_is_written(desk, call, data, code, words):
    before = lists(desk, "Vendor"), lists(desk, "Bill"), lists(desk, "VendorBankAccount")
    found = desk.refused_v2(f"Crud/{call}", data)
    assert found[0] == code and words in found[1]
    assert (lists(desk, "Vendor"), lists(desk, "Bill"), lists(desk, "VendorBankAccount")) == before


def test_an_invoice_number_is_a_vendors_once_unless_the_caller_says_so(desk):
    owes(desk)
    again = {"obj": bill(VENDOR) | {"entity": "Bill"}}
    code, words = desk.refused_v2("Crud/Create/Bill", again)
    assert code == "BDC_1171" and "uplicate invoice number" in words
    made = desk.call_v2("Crud/Create/Bill", again | {"allowDuplicateInvNum": True})
    other = owes(desk, "2")
    obj = {"entity": "Bill", "id": other, "invoiceNumber": "1"}
    assert desk.refused_v2("Crud/Update/Bill", {"obj": obj})[0] == "BDC_1171"
    allowed = {"obj": obj, "allowDuplicateInvNum": "true"}
    assert desk.call_v2("Crud/Update/Bill", allowed)["invoiceNumber"] == "1"
    assert changes(desk, "Bill", made["id"], description="kept")["invoiceNumber"] == "1"


def test_a_calls_that_no_entity_has_is_none(desk):
    for call in (
        "Undelete/VendorBankAccount",
        "Update/VendorBankAccount",
        "Create/SentPay",
        "Read/Moon",
    ):
        answer = desk.answer_v2(f"Crud/{call}", {"id": NOBODY}, status=404)
        assert answer["response_data"]["error_code"] == "BDC_1121"
