"""v2's entities: whole objects both ways between the versions, lists, bulk, and what is refused."""

import pytest

from billfold import demo_world
from tests.contract.full import assert_full
from tests.contract.reading import HERE, read_yaml
from tests.desk import V3, bill_of
from tests.test_full_objects import contains

NULLID = "0" * 20
KINDS = {kind: id for kind, (id, _) in demo_world.CLASSIFICATIONS.items()}
VENDOR = {
    "entity": "Vendor", "name": "Dupont", "shortName": "D", "nameOnCheck": "Dupont SA",
    "companyName": "Dupont SA", "accNumber": "C-100", "taxId": "12-3456789", "taxIdType": "1",
    "track1099": True, "address1": "12 Oak St", "address2": "Back door", "address3": "Floor 3",
    "address4": "Box 4", "addressCity": "Reno", "addressState": "NV", "addressZip": "89501",
    "addressCountry": "US", "email": "ap@dupont.example", "fax": "1", "phone": "2",
    "paymentEmail": "pay@dupont.example", "paymentPhone": "3", "description": "Strings",
    "contactFirstName": "Ada", "contactLastName": "Dupont", "accountType": "1",
    "paymentTermId": demo_world.PAYMENT_TERM_ID, "sendNotifications": False,
    "externalBillPayIn12m": 4, "since": 1999, "payDaysBefore": 3, "enabledCombinePayments": False,
    "billCurrency": "USD", "billSyncPref": "1", "prefPmtMethod": "7", "paymentPurpose": "Goods",
    "bankCountry": "US", "sendInviteForPrivateVendor": False,
    "vendorVCardRemitEmail": "card@dupont.example", "orgVCardStatus": "2", "prefRemitEmail": "1",
    "remitEmail": "remit@dupont.example",
}  # fmt: skip
LINE = {
    "entity": "BillLineItem", "amount": 10, "chartOfAccountId": KINDS["chart_of_account"],
    "departmentId": KINDS["department"], "locationId": KINDS["location"], "jobId": KINDS["job"],
    "itemId": KINDS["item"], "employeeId": KINDS["employee"], "actgClassId": KINDS["accounting_class"],
    "jobBillable": True, "description": "Strings", "lineType": "2", "quantity": 4, "unitPrice": 2.5,
    "lineOrder": 7,
}  # fmt: skip
WHOLE_BILL = {
    "entity": "Bill", "invoiceNumber": "1", "invoiceDate": "2027-01-04", "dueDate": "2027-02-04",
    "glPostingDate": "2027-01-05", "description": "January", "poNumber": "PO-1",
    "payFromBankAccountId": demo_world.BANK_ACCOUNT_ID,
    "payFromChartOfAccountId": KINDS["chart_of_account"],
    "paymentTermId": demo_world.PAYMENT_TERM_ID, "chartOfAccountId": KINDS["chart_of_account"],
    "departmentId": KINDS["department"], "locationId": KINDS["location"],
    "actgClassId": KINDS["accounting_class"], "useBillDesc": True, "defaultInvoiceNumber": True,
    "billLineItems": [LINE],
}  # fmt: skip
BANK = {
    "entity": "VendorBankAccount", "nameOnAcct": "Dupont SA", "accountNumber": "7710020189",
    "routingNumber": "322271627", "isSavings": True, "isPersonalAcct": True, "paymentCurrency": "USD",
    "regulatory1": "goods",
}  # fmt: skip


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def makes(desk, entity: str, /, **obj) -> dict:
    return desk.call_v2(f"Crud/Create/{entity}", {"obj": {"entity": entity} | obj})


def reads(desk, entity: str, id: str) -> dict:
    return desk.call_v2(f"Crud/Read/{entity}", {"id": id})


def changes(desk, entity: str, id: str, /, **obj) -> dict:
    return desk.call_v2(f"Crud/Update/{entity}", {"obj": {"entity": entity, "id": id} | obj})


def bill(vendor: str, number: str = "1", **more) -> dict:
    return {
        "vendorId": vendor, "invoiceNumber": number, "invoiceDate": "2027-01-04",
        "dueDate": "2027-02-04", "billLineItems": [{"entity": "BillLineItem", "amount": 10}],
    } | more  # fmt: skip


# Whole objects


def test_a_vendor_with_everything_is_answered_and_read_as_it_was_sent(desk):
    made = makes(desk, "Vendor", **VENDOR)
    assert_full("Vendor", "v2", made)
    assert contains(made, VENDOR)
    assert reads(desk, "Vendor", made["id"]) == made
    v3 = desk.call("GET", f"{V3}/vendors/{made['id']}")
    assert contains(v3, {
        "name": "Dupont", "shortName": "D", "accountNumber": "C-100", "accountType": "BUSINESS",
        "email": "ap@dupont.example", "phone": "2", "archived": False,
        "address": {
            "line1": "12 Oak St", "line2": "Back door", "city": "Reno", "stateOrProvince": "NV",
            "zipOrPostalCode": "89501", "country": "US", "countryName": "United States",
        },
        "paymentInformation": {
            "payeeName": "Dupont SA", "email": "pay@dupont.example", "bankCountry": "US",
            "payByType": "CHECK", "paymentPurpose": {"text": "Goods"},
            "virtualCard": {"remitEmail": "card@dupont.example"},
        },
        "additionalInfo": {
            "taxId": "12-3456789", "taxIdType": "EIN", "track1099": True, "leadTimeInDays": 3,
            "combinePayments": False, "paymentTermId": demo_world.PAYMENT_TERM_ID,
            "companyName": "Dupont SA",
        },
    })  # fmt: skip


def test_a_vendor_of_which_only_the_name_is_sent_is_as_the_contract_says_of_a_fresh_one(desk):
    made = makes(desk, "Vendor", name="Acme")
    told = read_yaml(HERE / "v2.yaml")["schemas"]["Vendor"]
    fresh = {name: each["fresh"] for name, each in told.items() if "fresh" in each}
    fresh = {name: NULLID if value == "NULLID" else value for name, value in fresh.items()}
    # Typed as texts, though numbers were seen.
    fresh |= {"vendorBankAccountStatus": "-1", "unmodifiedBillsCount": "0"}
    assert {name: made[name] for name in fresh} == fresh and len(fresh) > 70
    assert made["nameOnCheck"] == "Acme" and made["createdTime"] == "2027-01-04T17:00:00.000+0000"


def test_a_vendor_of_v3_is_read_in_v2_and_changed_in_part(desk):
    id = desk.vendor("Acme", email="a@acme.example", paymentInformation={"payeeName": "Acme Inc"})
    seen = reads(desk, "Vendor", id)
    assert (seen["address1"], seen["addressCountry"], seen["nameOnCheck"]) == (
        "12 Oak St",
        "US",
        "Acme Inc",
    )
    changed = changes(desk, "Vendor", id, phone="7", since=2001, accountType=2, shortName="")
    same = {"phone", "since", "accountType", "updatedTime"}
    assert {name: changed[name] for name in changed if name not in same} == {
        name: seen[name] for name in seen if name not in same
    }
    assert (changed["phone"], changed["since"], changed["accountType"]) == ("7", 2001, "2")
    assert desk.call("GET", f"{V3}/vendors/{id}")["phone"] == "7"
    assert changes(desk, "Vendor", id, since=None, phone="")["since"] is None
    assert "phone" not in desk.call("GET", f"{V3}/vendors/{id}")


def test_a_bill_with_everything_is_answered_and_read_as_it_was_sent(desk):
    vendor = makes(desk, "Vendor", name="Acme")["id"]
    sent = WHOLE_BILL | {"vendorId": vendor}
    made = makes(desk, "Bill", **sent)
    assert_full("Bill", "v2", made)
    assert contains(made, sent)
    assert (made["amount"], made["dueAmount"], made["paidAmount"]) == (10, 10, None)
    assert (made["paymentStatus"], made["approvalStatus"], made["isActive"]) == ("1", "0", "1")
    assert made["item"] == {"count": 1, "totalAmount": 10}
    assert reads(desk, "Bill", made["id"]) == made
    v3 = desk.sees(made["id"])
    assert contains(v3, {
        "vendorId": vendor, "amount": 10, "dueAmount": 10, "dueDate": "2027-02-04",
        "invoice": {"invoiceNumber": "1", "invoiceDate": "2027-01-04"}, "description": "January",
        "purchaseOrderNumber": "PO-1", "paymentTermId": demo_world.PAYMENT_TERM_ID,
        "payFromChartOfAccountId": KINDS["chart_of_account"],
    })  # fmt: skip
    (line,) = v3["billLineItems"]
    assert (line["amount"], line["quantity"], line["price"]) == (10, 4, 2.5)
    assert line["classifications"] == {
        "chartOfAccountId": KINDS["chart_of_account"], "departmentId": KINDS["department"],
        "accountingClassId": KINDS["accounting_class"], "employeeId": KINDS["employee"],
        "jobId": KINDS["job"], "locationId": KINDS["location"], "itemId": KINDS["item"],
    }  # fmt: skip


def test_a_bill_of_v3_is_read_in_v2_with_the_same_values(desk):
    vendor = desk.vendor()
    body = bill_of(vendor, 142.5, "INV-9") | {"billLineItems": [{"amount": 100}, {"amount": 42.5}]}
    id = desk.call("POST", f"{V3}/bills", body, status=201)["id"]
    seen = reads(desk, "Bill", id)
    assert (seen["vendorId"], seen["invoiceNumber"], seen["amount"]) == (vendor, "INV-9", 142.5)
    assert [line["amount"] for line in seen["billLineItems"]] == [100, 42.5]
    assert seen["glPostingDate"] == seen["invoiceDate"] == "2027-01-04"
    assert seen["expense"] == {
        "count": 2, "totalAmount": 142.5,
        "chartOfAccountGroup": [{"chartOfAccountId": NULLID, "count": 2, "totalAmount": 142.5}],
    }  # fmt: skip
    assert seen["chartOfAccountId"] == seen["billLineItems"][0]["jobId"] == NULLID


def test_an_update_leaves_scalars_and_replaces_lines(desk):
    vendor = makes(desk, "Vendor", name="Acme")["id"]
    two = [{"entity": "BillLineItem", "amount": 10, "jobBillable": True}, {"amount": 5}]
    made = makes(desk, "Bill", **bill(vendor, billLineItems=two, description="January"))
    changed = changes(desk, "Bill", made["id"], poNumber="PO")
    assert changed["description"] == "January" and changed["billLineItems"] == made["billLineItems"]
    kept = made["billLineItems"][0]
    lines = [{"id": kept["id"], "amount": 7}, {"amount": 1}]
    changed = changes(desk, "Bill", made["id"], billLineItems=lines)
    assert changed["amount"] == 8 and changed["poNumber"] == "PO"
    first, second = changed["billLineItems"]
    assert (first["id"], first["amount"], first["jobBillable"]) == (kept["id"], 7, False)
    assert second["id"] not in {line["id"] for line in made["billLineItems"]}
    # What was read may be sent back as it is.
    assert changes(desk, "Bill", made["id"], **{**changed, "exchangeRate": None}) == changed


def test_a_bank_account_is_masked_and_makes_its_vendor_payable(desk):
    vendor = makes(desk, "Vendor", name="Acme")["id"]
    made = makes(desk, "VendorBankAccount", **BANK, vendorId=vendor)
    assert_full("VendorBankAccount", "v2", made)
    assert contains(made, BANK | {"vendorId": vendor, "accountNumber": "******0189"})
    assert (made["status"], made["isActive"], made["usersId"]) == ("1", "1", demo_world.USER_ID)
    assert contains(desk.call("GET", f"{V3}/vendors/{vendor}/bank-account"), {
        "nameOnAccount": "Dupont SA", "accountNumber": "*****0189", "type": "SAVINGS",
        "ownerType": "PERSONAL", "regulatoryFields": [{"name": "regulatory1", "value": "goods"}],
    })  # fmt: skip
    seen = reads(desk, "Vendor", vendor)
    assert (seen["payBy"], seen["vendorBankAccountStatus"]) == ("1", "0")
    another = {"obj": BANK | {"vendorId": vendor}}
    assert desk.refused_v2("Crud/Create/VendorBankAccount", another)[0] == "BDC_1233"

    gone = desk.call_v2("Crud/Delete/VendorBankAccount", {"id": made["id"]})
    assert gone == made | {"isActive": "2", "updatedTime": gone["updatedTime"]}
    assert desk.call_v2("Crud/Delete/VendorBankAccount", {"id": made["id"]}) == gone
    assert reads(desk, "VendorBankAccount", made["id"]) == gone
    assert reads(desk, "Vendor", vendor)["payBy"] == "0"
    assert desk.refused("GET", f"{V3}/vendors/{vendor}/bank-account") == (404, ["BDC_1205"])
    new = makes(desk, "VendorBankAccount", **BANK, vendorId=vendor)
    mine = [{"field": "vendorId", "op": "=", "value": vendor}]
    asked = {"start": 0, "max": 9, "filters": mine, "sort": [{"field": "createdTime", "asc": True}]}
    assert desk.call_v2("List/VendorBankAccount", asked) == [gone, new]


def test_an_account_of_v3_is_one_of_v2(desk):
    seen = reads(desk, "VendorBankAccount", demo_world.VENDOR_BANK_ID)
    assert (seen["vendorId"], seen["accountNumber"]) == (demo_world.VENDOR_ID, "******4321")
    desk.call("DELETE", f"{V3}/vendors/{demo_world.VENDOR_ID}/bank-account", status=204)
    assert reads(desk, "VendorBankAccount", demo_world.VENDOR_BANK_ID)["isActive"] == "2"


@pytest.mark.parametrize("entity", ["Vendor", "Bill"])
def test_deleting_makes_inactive_and_undeleting_active(desk, entity):
    vendor = makes(desk, "Vendor", name="Acme")["id"]
    id = vendor if entity == "Vendor" else makes(desk, "Bill", **bill(vendor))["id"]
    before = reads(desk, entity, id)
    gone = desk.call_v2(f"Crud/Delete/{entity}", {"id": id})
    assert gone == before | {"isActive": "2"} == reads(desk, entity, id)
    assert desk.call("GET", f"{V3}/{entity.lower()}s/{id}")["archived"] is True
    assert desk.call_v2(f"Crud/Undelete/{entity}", {"id": id}) == before
    assert changes(desk, entity, id, isActive=2)["isActive"] == "2"
    assert changes(desk, entity, id, isActive="1")["isActive"] == "1"


# Leniency


@pytest.mark.parametrize("text", ["2027-03-05", "2027-3-5", "2027-03-05T00:00:00+00.00"])
def test_dates_are_read_as_clients_write_them(desk, text):
    vendor = makes(desk, "Vendor", name="Acme")["id"]
    assert makes(desk, "Bill", **bill(vendor, dueDate=text))["dueDate"] == "2027-03-05"


def test_empty_texts_are_null_and_codes_may_be_numbers(desk):
    made = makes(
        desk, "Vendor", name="Acme", paymentTermId="", taxIdType=2, accountType=1, track1099="true",
        email="", unheardOf=1, addressCountry="USA",
    )  # fmt: skip
    assert (made["paymentTermId"], made["taxIdType"], made["accountType"]) == (NULLID, "2", "1")
    assert made["track1099"] is True and made["email"] is None and made["addressCountry"] == "US"
    lines = [{"amount": "10", "chartOfAccountId": "", "departmentId": NULLID, "quantity": None}]
    made = makes(
        desk, "Bill", **bill(made["id"], billLineItems=lines, glPostingDate="", paymentTermId=NULLID)
    )
    assert made["amount"] == 10 and made["billLineItems"][0]["departmentId"] == NULLID


# Lists


def lists(desk, entity: str, *filters, start=0, most=999, sort=(), **more) -> list[dict]:
    asked = [dict(zip(("field", "op", "value"), each, strict=True)) for each in filters]
    by = [{"field": name, "asc": asc} for name, asc in sort]
    data = {"start": start, "max": most, "filters": asked, "sort": by} | more
    return desk.call_v2(f"List/{entity}", data)


@pytest.fixture
def numbered(desk):
    """Bills 1 to 6 of one vendor, due on days 1 to 6, the third of them inactive."""
    vendor = makes(desk, "Vendor", name="Acme")["id"]
    for number in range(1, 7):
        made = makes(desk, "Bill", **bill(vendor, f"{number}", dueDate=f"2027-02-0{number}"))
        if number == 3:
            desk.call_v2("Crud/Delete/Bill", {"id": made["id"]})
        desk.advance(minutes=1)
    return vendor


@pytest.mark.parametrize("field, op, value, found", [
    ("dueDate", "=", "2027-02-02", "2"), ("dueDate", "!=", "2027-2-2", "13456"),
    ("dueDate", "<", "2027-02-03", "12"), ("dueDate", "<=", "2027-02-03", "123"),
    ("dueDate", ">", "2027-02-04T00:00:00+00.00", "56"), ("dueDate", ">=", "2027-02-04", "456"),
    ("dueDate", "in", "2027-02-01,2027-02-06", "16"),
    ("dueDate", "nin", "2027-02-01,2027-02-06", "2345"),
    ("invoiceNumber", "=", "4", "4"), ("invoiceNumber", "=", 4, "4"),
    ("invoiceNumber", "in", "4, 5", "45"),
    ("invoiceNumber", "in", ["4", 5], "45"), ("invoiceNumber", ">", "4", "56"),
    ("isActive", "=", "1", "12456"), ("isActive", "=", 2, "3"), ("isActive", "!=", "1", "3"),
    ("isActive", "in", "1,2", "123456"), ("isActive", "nin", "2", "12456"),
    ("paymentStatus", "=", "1", "123456"), ("paymentStatus", "!=", "1", ""),
    ("paymentStatus", "in", "0,4", ""),
    ("createdTime", ">=", "2027-01-04T17:03:00.000+0000", "456"),
    ("createdTime", "<", "2027-01-04T17:03:00.000+0000", "123"),
    ("createdTime", "=", "2027-01-04T17:03:00.000+0000", "4"),
    ("chartOfAccountId", "=", KINDS["chart_of_account"], ""),
])  # fmt: skip
def test_each_operator_finds_what_it_says(desk, numbered, field, op, value, found):
    rows = lists(desk, "Bill", ("vendorId", "=", numbered), (field, op, value))
    assert "".join(sorted(row["invoiceNumber"] for row in rows)) == found


def test_a_list_is_counted_sorted_and_nested_as_it_is_asked(desk, numbered):
    numbers = lambda *filters, **more: [
        row["invoiceNumber"] for row in lists(desk, "Bill", *filters, **more)
    ]
    assert numbers() == list("123456")
    assert numbers(start=2, most=3) == list("345") and numbers(start=6) == []
    assert numbers(sort=[("dueDate", False)], most=2) == list("65")
    assert numbers(sort=[("dueDate", "false")], start=4) == list("21")
    assert numbers(
        ("isActive", "=", "1"), ("dueDate", ">", "2027-02-02"), sort=[("invoiceNumber", True)]
    ) == list("456")
    plain, nested = lists(desk, "Bill", most=1), lists(desk, "Bill", most=1, nested=True)
    whole = reads(desk, "Bill", plain[0]["id"])
    assert nested == [whole]
    left_out = {"billLineItems", "item", "expense", "multipleBillLineItems"}
    assert plain == [{name: each for name, each in whole.items() if name not in left_out}]
    assert desk.call_v2("List/Bill", {"start": "0", "max": "1"}) == plain


def test_vendors_are_found_by_how_their_names_begin(desk):
    for name in ("Alpha", "alphabet", "Beta"):
        makes(desk, "Vendor", name=name)
    found = lists(desk, "Vendor", ("name", "sw", "ALPHA"), sort=[("name", True)])
    assert [each["name"] for each in found] == ["Alpha", "alphabet"]
    assert found[0] == reads(desk, "Vendor", found[0]["id"])
    assert len(lists(desk, "Vendor", ("payBy", "in", "0"))) == 3
    assert [each["id"] for each in lists(desk, "Vendor", ("payBy", "=", "1"))] == [demo_world.VENDOR_ID]


@pytest.mark.parametrize("data, code, words", [
    ({"max": 1}, "BDC_1108", "start"), ({"start": 0}, "BDC_1108", "max"),
    ({"start": -1, "max": 1}, "BDC_1129", "start, -1."),
    ({"start": "a", "max": 1}, "BDC_1129", "start, a."),
    ({"start": 0, "max": 0}, "BDC_1129", "max, 0."),
    ({"start": 0, "max": 1000}, "BDC_1129", "max, 1000."),
    ({"start": 0, "max": 1, "nested": 13}, "BDC_1129", "nested, 13."),
    ({"start": 2**31, "max": 1}, "BDC_1129", "start"),
])  # fmt: skip
def test_a_list_that_cannot_be_counted(desk, data, code, words):
    found = desk.refused_v2("List/Bill", data)
    assert found[0] == code and words in found[1]


@pytest.mark.parametrize("filters, code, words", [
    ([("shoe", "=", "1")], "BDC_1130", "shoe"),
    ([("description", "=", "1")], "BDC_1130", "description"),
    ([("dueDate", "~", "1")], "BDC_1131", "~"),
    ([("vendorId", "<", "1")], "BDC_1131", "vendorId"),
    ([("dueDate", "=", "soon")], "BDC_1129", "dueDate"),
    ([("dueDate", "=", None)], "BDC_1129", "dueDate"),
    ([("dueDate", "=", {"a": 1})], "BDC_1129", "dueDate"),
    ([("isActive", "=", "9")], "BDC_1129", "isActive"),
    ([("invoiceNumber", "in", [["a"]])], "BDC_1129", "invoiceNumber"),
    ([("vendorId", "=", "a")] * 21, "BDC_1129", "20"),
    ([("vendorId", "in", ["a"] * 101)], "BDC_1129", "100"),
])  # fmt: skip
def test_a_filter_that_is_not_understood(desk, filters, code, words):
    asked = [dict(zip(("field", "op", "value"), each, strict=True)) for each in filters]
    found = desk.refused_v2("List/Bill", {"start": 0, "max": 1, "filters": asked})
    assert found[0] == code and words in found[1]


def test_a_sort_by_what_is_not_sorted_by(desk):
    asked = {"start": 0, "max": 1, "sort": [{"field": "shoe", "asc": True}]}
    assert desk.refused_v2("List/Bill", asked)[0] == "BDC_1130"


@pytest.mark.parametrize(("op", "value"), [("in", []), ("nin", [])])
def test_a_choice_of_nothing_is_refused(desk, op, value):
    data = {"start": 0, "max": 9, "filters": [{"field": "id", "op": op, "value": value}], "sort": []}
    assert desk.refused_v2("List/Vendor", data)[0] in ("BDC_1129", "BDC_1131")


def test_a_choice_without_all_that_it_can_be_finds_nothing(desk):
    desk.vendor("Acme")
    assert lists(desk, "Vendor", ("isActive", "nin", "1,2")) == []


@pytest.mark.parametrize("rate", ["sNaN", "NaN", "Infinity"])
def test_a_rate_that_is_no_number_is_refused(desk, rate):
    vendor = desk.vendor("Acme")
    data = {"obj": {"entity": "Bill", **bill(vendor, exchangeRate=rate)}}
    code, words = desk.refused_v2("Crud/Create/Bill", data)
    assert code in ("BDC_1119", "BDC_1124") and ".." not in words


def test_a_number_may_repeat_when_a_bill_is_taken_up_again(desk):
    vendor = desk.vendor("Acme")
    first = makes(desk, "Bill", **bill(vendor, "7"))["id"]
    desk.call_v2("Crud/Delete/Bill", {"id": first})
    makes(desk, "Bill", **bill(vendor, "7"))
    again = {"obj": {"entity": "Bill", "id": first, "isActive": "1"}}
    assert desk.refused_v2("Crud/Update/Bill", again)[0] == "BDC_1171"
    desk.call_v2("Crud/Update/Bill", again | {"allowDuplicateInvNum": True})


def test_a_list_of_too_many_lines_is_refused(desk, monkeypatch):
    vendor = desk.vendor("Acme")
    for number in range(3):
        makes(desk, "Bill", **bill(vendor, str(number)))
    monkeypatch.setattr("billfold.v2.bills.LINES_MAX", 2)
    data = {"start": 0, "max": 9, "filters": [], "sort": [], "nested": True}
    code, words = desk.refused_v2("List/Bill", data)
    assert code == "BDC_1129" and "max, 3" in words
    assert len(lists(desk, "Bill")) == 3
