"""Bills: what is owed, line by line, in cents; each invoice of a vendor once."""

import json
from decimal import Decimal

import pytest

from billfold import demo_world
from billfold.books.audit import AuditEntry
from tests.desk import V3, bill_of, vendor_of

BILLS = f"{V3}/bills"
NOBODY = "00901NOBODYHERE00none"
ACCOUNT, CLASS, DEPARTMENT, EMPLOYEE, JOB, LOCATION, ITEM = (
    id for id, _ in demo_world.CLASSIFICATIONS.values()
)
MOST = "99999999999.99"


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


@pytest.fixture
def acme(desk) -> str:
    return desk.vendor("Acme")


@pytest.fixture
def told(desk, acme) -> list[str]:
    """What the rules have told since, in order."""
    said, post = [], desk.environment.post

    def listen(work):
        said.extend(event for event, _ in work.told)
        post(work)

    desk.environment.post = listen
    return said


def made(desk, body: dict) -> dict:
    return desk.call("POST", BILLS, body, status=201)


def lines(*of: dict, number: str = "1", vendor: str = "") -> dict:
    return bill_of(vendor, 0, number) | {"billLineItems": list(of)}


def balance(desk, vendor: str) -> float:
    return desk.call("GET", f"{V3}/vendors/{vendor}")["balance"]["amount"]


# A new bill


def test_a_bill_of_one_line(desk, acme):
    bill = made(desk, bill_of(acme, 149, "202601"))
    (line,) = bill["billLineItems"]
    assert line["id"].startswith("bli") and line == {"id": line["id"], "amount": 149}
    assert bill | {"id": "", "billLineItems": [], "createdTime": "", "updatedTime": ""} == {
        "id": "", "archived": False, "vendorId": acme, "amount": 149, "fundingAmount": 149,
        "paidAmount": 0, "dueAmount": 149, "scheduledAmount": 0, "creditAmount": 0,
        "dueDate": "2027-12-31", "billLineItems": [], "createdTime": "", "updatedTime": "",
        "invoice": {"invoiceNumber": "202601", "invoiceDate": "2027-01-04"},
        "paymentStatus": "UNPAID", "approvalStatus": "UNASSIGNED", "approvers": [],
        "vendorCredits": [], "payments": [],
    }  # fmt: skip
    assert bill["id"].startswith("00n") and len(bill["id"]) == 20


def test_only_reading_tells_the_vendors_name(desk, acme):
    body = bill_of(acme, 1, "1")
    bill = made(desk, body)
    at = f"{BILLS}/{bill['id']}"
    answers = [
        bill, desk.call("POST", f"{BILLS}/bulk", [bill_of(acme, 1, "2")], status=201)[0],
        desk.call("PUT", at, body), desk.call("PATCH", at, {"description": "A"}),
        desk.call("POST", f"{at}/archive"), desk.call("POST", f"{at}/restore"),
    ]  # fmt: skip
    assert not any("vendorName" in answer for answer in answers)
    assert desk.sees(bill["id"])["vendorName"] == "Acme"
    assert {row["vendorName"] for row in desk.call("GET", BILLS)["results"]} == {"Acme"}


LINES = [
    # Lines as sent, and the amount of the bill as the wire writes it
    ([{"amount": "@10"}], "10.00"),
    ([{"amount": "@0.1"}, {"amount": "@0.2"}], "0.30"),
    ([{"amount": "@19.99"}, {"amount": "@-5"}], "14.99"),
    ([{"amount": "@5"}, {"amount": "@-5"}], "0.00"),
    ([{"amount": "@0"}], "0.00"),
    ([{"amount": "@1e2"}], "100.00"),
    ([{"amount": "@9007199254740.93"}], None),
    ([{"amount": "@9007199254.93"}], "9007199254.93"),
    ([{"amount": "@1.230"}], "1.23"),
    ([{"amount": "@1.005"}], None),
    ([{"amount": "@0.001"}], None),
    ([{"amount": f"@{MOST}"}], MOST),
    ([{"amount": "@100000000000"}], None),
    ([{"amount": f"@{MOST}"}, {"amount": "@0.01"}], None),
    ([{"amount": f"@{MOST}"}, {"amount": "@1"}, {"amount": "@-1"}], MOST),
    ([{"amount": "@1"}, {"amount": "@-1.01"}], None),
    ([{"quantity": "@2", "price": "@79.99"}], "159.98"),
    ([{"quantity": "@0.5", "price": "@0.01"}], "0.01"),
    ([{"quantity": "@0.499999", "price": "@0.01"}], "0.00"),
    ([{"quantity": "@-0.5", "price": "@0.01"}, {"amount": "@1"}], "0.99"),
    ([{"quantity": "@3", "price": "@0.333333"}], "1.00"),
    ([{"quantity": "@0.000001", "price": "@1000000"}], "1.00"),
    ([{"quantity": "@0.0000001", "price": "@1"}], None),
    ([{"quantity": "@1", "price": "@0.0000001"}], None),
    ([{"quantity": "@1000000", "price": "@100000"}], None),
    ([{"quantity": "@100000000000", "price": "@0"}], None),
    ([{"amount": "@7", "quantity": "@2", "price": "@79.99"}], "7.00"),
    ([{"amount": "null", "quantity": "@2", "price": "@1"}], "2.00"),
    ([{"quantity": "@2"}], None),
    ([{"price": "@2"}], None),
    ([{"description": "nothing"}], None),
    ([{"amount": "null"}], None),
    ([], None),
]


def test_the_amount_is_the_sum_of_the_lines(desk, acme):
    for number, (sent, amount) in enumerate(LINES):
        body = lines(*sent, number=str(number), vendor=acme) | {"amount": 999}
        text = json.dumps(body).replace('"null"', "null")
        for line in sent:
            for value in line.values():
                text = text.replace(f'"{value}"', value.removeprefix("@"))
        answer = desk.answer("POST", BILLS, text.encode())
        if amount is None:
            assert answer.status_code in (400, 422), (sent, answer.text)
        else:
            assert answer.status_code == 201, (sent, answer.text)
            assert f'"amount":{amount},"fundingAmount":{amount},' in answer.text, (sent, answer.text)


def test_no_minus_stands_before_nothing(desk, acme):
    """As a text it may: a JSON number loses it before anybody looks."""
    line = {"quantity": "-0.00", "price": "-0"}
    answer = desk.answer("POST", BILLS, lines(line, {"amount": " -0"}, number="1", vendor=acme))
    assert answer.status_code == 201 and ":-0" not in answer.text, answer.text


def test_amounts_may_come_as_texts(desk, acme):
    assert made(desk, bill_of(acme, "12.50", "1"))["amount"] == 12.5
    for number, wrong in enumerate(("NaN", "Infinity", "-Infinity", "sNaN", "1e400", "ten", "", "1,5")):
        status, _ = desk.refused("POST", BILLS, bill_of(acme, wrong, f"x{number}"))
        assert status == 400, wrong


@pytest.mark.parametrize("wrong, message", [
    ({"amount": 1.005}, "billLineItems[1].amount: numeric value out of bounds"),
    ({"quantity": 1, "price": 0.1234567}, "billLineItems[1].price: numeric value out of bounds"),
    ({"quantity": 0.1234567, "price": 1}, "billLineItems[1].quantity: numeric value out of bounds"),
    ({}, "billLineItems[1].amount: must not be null"),
])  # fmt: skip
def test_a_line_that_cannot_be_is_named(desk, acme, wrong, message):
    answer = desk.answer("POST", BILLS, lines({"amount": 1}, wrong, vendor=acme))
    (error,) = answer.json()
    assert answer.status_code == 400 and error["message"].startswith(message)


def test_quantity_and_price_are_kept_with_six_decimals(desk, acme):
    body = lines({"quantity": "2.500000", "price": "0.123456"}, vendor=acme)
    answer = desk.answer("POST", BILLS, body)
    assert '"amount":0.31,"quantity":2.5,"price":0.123456}' in answer.text
    bill = answer.json()["id"]
    assert '"quantity":2.5,"price":0.123456}' in desk.answer("GET", f"{BILLS}/{bill}").text


def test_lines_stay_in_their_order(desk, acme):
    bill = made(desk, lines(*({"amount": n} for n in (3, 1, 2, 9, 5)), vendor=acme))
    assert [line["amount"] for line in desk.sees(bill["id"])["billLineItems"]] == [3, 1, 2, 9, 5]


def test_what_a_new_bill_lacks_is_named_field_by_field(desk):
    body = {
        "dueDate": "31.12.2026", "invoice": {"invoiceNumber": " "},
        "billLineItems": [{"amount": "ten"}, {"amount": 1}, {"description": 7}],
    }  # fmt: skip
    status, faults = desk.refused("POST", BILLS, body)
    assert status == 400 and [fault.partition(":")[0] for fault in faults] == [
        "vendorId", "dueDate", "billLineItems[0].amount", "billLineItems[2].description",
        "invoice.invoiceNumber", "invoice.invoiceDate",
    ]  # fmt: skip
    assert "vendorId: must not be blank" in faults
    assert "invoice.invoiceNumber: must not be blank" in faults
    status, faults = desk.refused("POST", BILLS, {})
    assert [fault.partition(":")[0] for fault in faults] == [
        "vendorId", "dueDate", "billLineItems", "invoice",
    ]  # fmt: skip


@pytest.mark.parametrize("more, length, code", [
    (lambda n: {"invoice": {"invoiceNumber": "1" * n, "invoiceDate": "2027-01-04"}}, 21, "BDC_1143"),
    (lambda n: {"purchaseOrderNumber": "1" * n}, 100, "BDC_1143"),
    (lambda n: {"description": "1" * n}, 4000, None),
    (lambda n: {"billLineItems": [{"amount": 1, "description": "1" * n}]}, 4000, None),
    (lambda n: {"billLineItems": [{"amount": 1}] * n}, 1000, None),
])  # fmt: skip
def test_how_long_a_field_may_be(desk, acme, more, length, code):
    bill = made(desk, bill_of(acme, 1, "1") | more(length))
    longer = desk.answer("POST", BILLS, bill_of(acme, 1, "2") | more(length + 1))
    (error,) = longer.json()
    assert (longer.status_code, error.get("code")) == (400, code)
    if code:
        changed = desk.answer("PATCH", f"{BILLS}/{bill['id']}", more(length + 1))
        assert changed.json()[0]["code"] == code


def test_everything_that_a_bill_refers_to_must_exist(desk, acme):
    body = bill_of(acme, 1, "1")
    booked = {"chartOfAccountId": "0ca01NOSUCH0000none0", "itemId": "nonsense"}
    for more, named in (
        ({"vendorId": NOBODY}, [NOBODY]),
        ({"vendorId": demo_world.BANK_ACCOUNT_ID}, [demo_world.BANK_ACCOUNT_ID]),
        ({"paymentTermId": "00p01NOSUCH0000none0"}, ["00p01NOSUCH0000none0"]),
        ({"payFromChartOfAccountId": "0ca01X"}, ["0ca01X"]),
        ({"classifications": booked}, list(booked.values())),
        ({"billLineItems": [{"amount": 1, "classifications": booked}]}, list(booked.values())),
        # What exists, but is of another kind
        ({"classifications": {"departmentId": ITEM}}, [ITEM]),
        ({"paymentTermId": acme}, [acme]),
        ({"classifications": {"itemId": demo_world.ORGANIZATION_ID}}, [demo_world.ORGANIZATION_ID]),
        ({"billLineItems": [{"amount": 1, "classifications": {"jobId": EMPLOYEE}}]}, [EMPLOYEE]),
        ({"billLineItems": [{"amount": 1, "classifications": {"customerId": acme}}]}, [acme]),
        ({"vendorCredits": [{"id": "vcr01X", "amount": 1}]}, ["vcr01X"]),
    ):  # fmt: skip
        answer = desk.answer("POST", BILLS, body | more)
        assert answer.status_code == 422, (more, answer.text)
        assert [error["code"] for error in answer.json()] == ["BDC_1205"] * len(named), more
        messages = [error["message"] for error in answer.json()]
        assert all(id in message for id, message in zip(named, messages, strict=True)), more
    assert desk.call("GET", BILLS)["results"] == [] and balance(desk, acme) == 0


def test_without_a_policy_nobody_has_to_approve(desk, acme):
    body = bill_of(acme, 1, "1")
    bill = made(desk, body | {"billApprovals": "true", "vendorCredits": []})
    assert (bill["approvers"], bill["approvalStatus"]) == ([], "UNASSIGNED")


def test_a_patch_merges_the_classifications_of_a_line(desk, acme):
    line = {"amount": 1, "classifications": {"departmentId": DEPARTMENT, "jobId": JOB}}
    bill = made(desk, bill_of(acme, 1, "1") | {"billLineItems": [line]})
    path, id = f"{BILLS}/{bill['id']}", bill["billLineItems"][0]["id"]

    def patched(classifications):
        lines = {"billLineItems": [{"id": id, "classifications": classifications}]}
        return desk.call("PATCH", path, lines)["billLineItems"][0].get("classifications")

    both = {"departmentId": DEPARTMENT, "jobId": JOB}
    assert patched({}) == both
    assert patched({"locationId": LOCATION}) == both | {"locationId": LOCATION}
    assert patched({"jobId": None}) == {"departmentId": DEPARTMENT, "locationId": LOCATION}
    assert patched({"departmentId": None, "locationId": None}) is None
    assert patched({"jobId": JOB}) == {"jobId": JOB} and patched(None) is None
    refusal = desk.refused(
        "PATCH", path, {"billLineItems": [{"id": id, "classifications": {"jobId": ITEM}}]}
    )
    assert refusal == (422, ["BDC_1205"])


# One invoice, one bill


def test_an_invoice_number_of_a_vendor_stands_on_one_active_bill(desk, acme):
    first = desk.owes(acme, 1, "7")
    for method, path, body in (
        ("POST", BILLS, bill_of(acme, 1, "7")),
        ("POST", f"{BILLS}/bulk", [bill_of(acme, 1, "7")]),
        ("PATCH", f"{BILLS}/{desk.owes(acme, 1, '8')}", {"invoice": {"invoiceNumber": "7"}}),
        ("PUT", f"{BILLS}/{desk.owes(acme, 1, '9')}", bill_of(acme, 1, "7")),
    ):
        answer = desk.answer(method, path, body)
        (error,) = answer.json()
        assert (answer.status_code, error["code"]) == (422, "BDC_1171"), method
        assert error["message"].endswith(first), method
    desk.owes(desk.vendor("Best"), 1, "7")
    desk.owes(acme, 1, "7 ")


def test_the_number_of_an_archived_bill_is_free_until_it_is_restored(desk, acme):
    old = desk.owes(acme, 1, "7")
    desk.call("POST", f"{BILLS}/{old}/archive")
    new = desk.owes(acme, 1, "7")
    answer = desk.answer("POST", f"{BILLS}/{old}/restore")
    assert (answer.status_code, answer.json()[0]["code"]) == (422, "BDC_1171")
    assert answer.json()[0]["message"].endswith(new)
    assert desk.sees(old)["archived"] is True
    desk.call("PATCH", f"{BILLS}/{new}", {"invoice": {"invoiceNumber": "8"}})
    assert desk.call("POST", f"{BILLS}/{old}/restore")["archived"] is False


def test_a_bill_keeps_its_own_number(desk, acme):
    bill = desk.owes(acme, 1, "7")
    desk.call("PUT", f"{BILLS}/{bill}", bill_of(acme, 2, "7"))
    desk.call("PATCH", f"{BILLS}/{bill}", {"invoice": {"invoiceNumber": "7"}})


def test_one_invoice_entered_twenty_times_at_once_is_one_bill(desk, acme):
    answers = desk.together([("POST", BILLS, bill_of(acme, 5, "7"))] * 20)
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(422)) == (1, 19)
    (bill,) = desk.call("GET", BILLS)["results"]
    refused = [answer.json()[0] for answer in answers if answer.status_code == 422]
    assert all(e["code"] == "BDC_1171" and e["message"].endswith(bill["id"]) for e in refused)
    assert balance(desk, acme) == 5


# Replacing and changing


def full(acme: str) -> dict:
    return bill_of(acme, 0, "1") | {
        "description": "Strings", "purchaseOrderNumber": "PO-1",
        "paymentTermId": demo_world.PAYMENT_TERM_ID, "payFromChartOfAccountId": ACCOUNT,
        "classifications": {"departmentId": DEPARTMENT, "locationId": LOCATION},
        "billLineItems": [
            {"amount": 1, "description": "one", "classifications": {"itemId": ITEM}},
            {"quantity": 2, "price": 1}, {"amount": 3},
        ],
    }  # fmt: skip


def test_replacing_keeps_lines_by_id_adds_new_ones_and_removes_the_others(desk, acme, told):
    bill = made(desk, full(acme))
    one, _, three = (line["id"] for line in bill["billLineItems"])
    sent = bill_of(acme, 0, "1") | {
        "billLineItems": [{"amount": 4}, {"id": three, "amount": 5}, {"id": one, "amount": 6}]
    }
    after = desk.call("PUT", f"{BILLS}/{bill['id']}", sent)
    new, *kept = after["billLineItems"]
    assert new["id"] not in (one, three) and new["amount"] == 4
    # What was not sent of a line is empty too, and the order is the one that was sent.
    assert kept == [{"id": three, "amount": 5}, {"id": one, "amount": 6}]
    gone = {
        "description", "purchaseOrderNumber", "paymentTermId", "payFromChartOfAccountId",
        "classifications",
    }  # fmt: skip
    assert gone <= set(bill) and not gone & set(after)
    assert (after["amount"], after["dueAmount"], balance(desk, acme)) == (15, 15, 15)
    assert desk.sees(bill["id"]) == after | {"vendorName": "Acme"}
    assert told == ["bill.created", "bill.updated"]


def test_replacing_by_the_same_changes_nothing(desk, acme, told):
    bill = made(desk, full(acme))
    desk.advance(minutes=1)
    ids = [line["id"] for line in bill["billLineItems"]]
    sent = full(acme)
    sent["billLineItems"] = [
        {"id": id} | line for id, line in zip(ids, sent["billLineItems"], strict=True)
    ]
    assert desk.call("PUT", f"{BILLS}/{bill['id']}", sent) == bill
    assert desk.call("PUT", f"{BILLS}/{bill['id']}", desk.sees(bill["id"])) == bill
    assert told == ["bill.created"]
    # A line that is sent without its id is a new one (`bills.yaml`), however like the old, and is told.
    after = desk.call("PUT", f"{BILLS}/{bill['id']}", full(acme))
    assert not set(ids) & {line["id"] for line in after["billLineItems"]}
    assert told == ["bill.created", "bill.updated"]


def test_replacing_asks_for_everything_that_creating_asks_for(desk, acme):
    bill = desk.owes(acme, 1)
    status, faults = desk.refused("PUT", f"{BILLS}/{bill}", {"description": "A"})
    assert status == 400 and [fault.partition(":")[0] for fault in faults] == [
        "vendorId", "dueDate", "billLineItems", "invoice",
    ]  # fmt: skip
    assert (
        desk.refused("PUT", f"{BILLS}/{bill}", bill_of(acme, 1, "2") | {"billLineItems": []})[0] == 400
    )


def test_a_bill_stays_with_its_vendor(desk, acme):
    bill, best = desk.owes(acme, 1, "1"), desk.vendor("Best")
    assert desk.refused("PUT", f"{BILLS}/{bill}", bill_of(best, 1, "1")) == (422, ["BDC_1143"])
    assert desk.refused("PATCH", f"{BILLS}/{bill}", {"vendorId": best}) == (422, ["BDC_1143"])
    assert desk.call("PATCH", f"{BILLS}/{bill}", {"vendorId": acme})["vendorId"] == acme


def test_a_change_touches_what_was_sent(desk, acme, told):
    bill = made(desk, full(acme))
    desk.advance(seconds=1)
    sent = {
        "dueDate": "2027-06-30", "description": None, "invoice": {"invoiceDate": "2027-01-05"},
        "classifications": {"locationId": None, "itemId": ITEM},
    }  # fmt: skip
    after = desk.call("PATCH", f"{BILLS}/{bill['id']}", sent)
    expected = bill | {
        "dueDate": "2027-06-30", "invoice": {"invoiceNumber": "1", "invoiceDate": "2027-01-05"},
        "classifications": {"departmentId": DEPARTMENT, "itemId": ITEM},
        "updatedTime": after["updatedTime"],
    }  # fmt: skip
    del expected["description"]
    assert after == expected and after["updatedTime"] > bill["updatedTime"]
    assert "classifications" not in desk.call(
        "PATCH", f"{BILLS}/{bill['id']}", {"classifications": None}
    )
    assert told == ["bill.created"] + ["bill.updated"] * 2


def test_a_change_merges_lines_by_id(desk, acme):
    bill = made(desk, full(acme))
    one, two, three = bill["billLineItems"]
    sent = {
        "billLineItems": [
            {"id": two["id"], "description": "two"},
            {"amount": 4},
            {"id": one["id"], "amount": 9},
        ]
    }
    after = desk.call("PATCH", f"{BILLS}/{bill['id']}", sent)
    *kept, new = after["billLineItems"]
    assert kept == [one | {"amount": 9}, two | {"description": "two"}, three] and new["amount"] == 4
    assert (after["amount"], balance(desk, acme)) == (18, 18)


def test_the_price_of_a_line_that_is_changed_makes_its_amount(desk, acme):
    bill = made(desk, full(acme))
    two = bill["billLineItems"][1]["id"]
    line = {"id": two, "quantity": 3, "price": 2}
    after = desk.call("PATCH", f"{BILLS}/{bill['id']}", {"billLineItems": [line]})
    assert after["billLineItems"][1] == line | {"amount": 6} and after["amount"] == 10
    nothing = {"billLineItems": [line | {"amount": 0}]}
    assert desk.call("PATCH", f"{BILLS}/{bill['id']}", nothing)["amount"] == 4


def test_a_change_of_a_line_alone_is_a_change_of_the_bill(desk, acme, told):
    bill = made(desk, full(acme))
    desk.advance(seconds=1)
    line = {"id": bill["billLineItems"][0]["id"], "description": "uno"}
    after = desk.call("PATCH", f"{BILLS}/{bill['id']}", {"billLineItems": [line]})
    assert after["updatedTime"] > bill["updatedTime"] and told == ["bill.created", "bill.updated"]
    assert after["updatedTime"] == desk.sees(bill["id"])["updatedTime"]


def test_a_change_of_nothing_tells_nobody(desk, acme, told):
    bill = made(desk, full(acme))
    desk.advance(seconds=1)
    for nothing in ({}, {"description": "Strings"}, {"billLineItems": []}, {"nickname": "A"}):
        assert desk.call("PATCH", f"{BILLS}/{bill['id']}", nothing) == bill
    assert told == ["bill.created"]


def test_lines_of_other_bills_are_not_found(desk, acme):
    bill, other = desk.owes(acme, 1, "1"), desk.sees(desk.owes(acme, 2, "2"))
    own = desk.sees(bill)["billLineItems"][0]["id"]
    foreign = other["billLineItems"][0]["id"]
    for ids in (["bli01NOBODYHERE00none"], [foreign], [own, foreign]):
        sent = {"billLineItems": [{"id": id, "amount": 9} for id in ids]}
        for method, body in (("PATCH", sent), ("PUT", bill_of(acme, 0, "1") | sent)):
            assert desk.refused(method, f"{BILLS}/{bill}", body) == (404, ["BDC_1205"]), (method, ids)
    assert desk.sees(other["id"]) == other and desk.sees(bill)["amount"] == 1


def test_a_new_bill_has_new_lines(desk, acme):
    line = desk.sees(desk.owes(acme, 1, "1"))["billLineItems"][0]["id"]
    for id in (line, "mine"):
        status, _ = desk.refused("POST", BILLS, lines({"id": id, "amount": 1}, number="2", vendor=acme))
        assert status in (400, 422)


@pytest.mark.parametrize("wrong", [
    {"dueDate": None}, {"dueDate": "2027-02-30"}, {"dueDate": 5}, {"invoice": {"invoiceNumber": ""}},
    {"invoice": {"invoiceNumber": " "}}, {"invoice": None}, {"billLineItems": None},
    {"billLineItems": [{"description": "no amount"}]}, {"vendorId": None}, [], "x",
])  # fmt: skip
def test_what_no_change_may_be(desk, acme, wrong):
    bill = desk.owes(acme, 1)
    before = desk.sees(bill)
    status, faults = desk.refused("PATCH", f"{BILLS}/{bill}", wrong)
    assert status == 400 and not faults[0].startswith("BDC")
    assert desk.sees(bill) == before


def test_a_change_may_not_make_the_sum_negative_or_too_large(desk, acme):
    bill = desk.owes(acme, 1)
    for amount in (-2, 99_999_999_999):
        sent = {"billLineItems": [{"amount": amount}]}
        assert desk.refused("PATCH", f"{BILLS}/{bill}", sent) == (422, ["BDC_1143"])
    assert desk.sees(bill)["amount"] == 1 == balance(desk, acme)


def test_two_changes_at_once_both_count(desk, acme):
    bill = desk.owes(acme, 1)
    sent = {"billLineItems": [{"amount": 1}]}
    desk.together([("PATCH", f"{BILLS}/{bill}", sent)] * 8)
    assert (desk.sees(bill)["amount"], balance(desk, acme)) == (9, 9)


# Put away


def test_archiving_and_restoring_again_change_nothing_and_tell_nobody(desk, acme, told):
    bill = desk.owes(acme, 7)
    for verb, archived, owed in (("archive", True, 0), ("restore", False, 7)):
        desk.advance(minutes=1)
        first = desk.call("POST", f"{BILLS}/{bill}/{verb}")
        desk.advance(minutes=1)
        assert desk.call("POST", f"{BILLS}/{bill}/{verb}") == first
        assert (first["archived"], balance(desk, acme)) == (archived, owed)
    assert told == ["bill.created", "bill.archived", "bill.restored"]


def test_an_archived_bill_that_is_changed_is_still_not_owed(desk, acme):
    bill = desk.owes(acme, 7)
    desk.call("POST", f"{BILLS}/{bill}/archive")
    desk.call("PATCH", f"{BILLS}/{bill}", {"billLineItems": [{"amount": 3}]})
    assert balance(desk, acme) == 0
    desk.call("POST", f"{BILLS}/{bill}/restore")
    assert balance(desk, acme) == 10


def test_what_is_owed_to_a_vendor_follows_its_bills(desk, acme):
    assert balance(desk, acme) == 0
    first = desk.owes(acme, "142.10", "1")
    assert balance(desk, acme) == 142.1
    desk.call("POST", f"{BILLS}/bulk", [bill_of(acme, 1, "2"), bill_of(acme, 2, "3")], status=201)
    assert balance(desk, acme) == 145.1
    desk.call("PUT", f"{BILLS}/{first}", bill_of(acme, 100, "1"))
    assert balance(desk, acme) == 103
    desk.refused("POST", BILLS, bill_of(acme, 50, "1"))
    assert balance(desk, acme) == 103
    desk.call("POST", f"{BILLS}/{first}/archive")
    assert balance(desk, acme) == 3


def test_the_balance_says_since_when_it_stands(desk, acme):
    desk.advance(minutes=5)
    desk.owes(acme, 1)
    seen = desk.call("GET", f"{V3}/vendors/{acme}")
    assert seen["balance"]["lastUpdatedDate"] == "2027-01-04T17:05:00.000+00:00"
    assert seen["updatedTime"] == seen["createdTime"], "a balance is no change of the vendor"


def test_nothing_is_found_under_an_id_that_was_never_given(desk, acme):
    for method, path, body in (
        ("GET", "", None), ("PUT", "", bill_of(acme, 1, "1")), ("PATCH", "", {"description": "A"}),
        ("POST", "/archive", None), ("POST", "/restore", None),
    ):  # fmt: skip
        said = desk.refused(method, f"{BILLS}/00n01NOBODYHERE00none{path}", body)
        assert said == (404, ["BDC_1205"]), path


# Many at once


def test_a_hundred_bills_are_made_at_once_in_their_order(desk, acme, told):
    vendors = [acme, desk.vendor("Best"), demo_world.VENDOR_ID]
    del told[:]
    sent = [bill_of(vendors[n % 3], n, str(n)) for n in range(100)]
    answer = desk.call("POST", f"{BILLS}/bulk", sent, status=201)
    assert [bill["amount"] for bill in answer] == list(range(100))
    assert [bill["vendorId"] for bill in answer] == [body["vendorId"] for body in sent]
    assert balance(desk, acme) == sum(range(0, 100, 3)) and told == ["bill.created"] * 100


def test_none_more_than_a_hundred_and_an_object_are_refused(desk, acme):
    for wrong in ([], [bill_of(acme, 1, "1")] * 101, bill_of(acme, 1, "1"), {"bills": []}):
        status, (message,) = desk.refused("POST", f"{BILLS}/bulk", wrong)
        assert status == 400 and not message.startswith("BDC")


def test_one_wrong_bill_refuses_all_of_them(desk, acme, told):
    good, twice = bill_of(acme, 1, "1"), bill_of(acme, 2, "1")
    for wrong, refusal in (
        (bill_of(NOBODY, 1, "2"), (422, ["BDC_1205", "BDC_1246"])),
        (twice, (422, ["BDC_1171", "BDC_1246"])),
        (bill_of(acme, "0.001", "2"), (400, ["BDC_1143", "BDC_1246"])),
        (bill_of(acme, -1, "2"), (422, ["BDC_1143", "BDC_1246"])),
    ):  # fmt: skip
        assert desk.refused("POST", f"{BILLS}/bulk", [good, wrong]) == refusal, wrong
    assert desk.call("GET", BILLS)["results"] == [] and balance(desk, acme) == 0 and told == []


def test_each_bill_of_a_refused_bulk_is_named_by_its_place(desk, acme):
    """Whichever vendor's comes first, in which order they are made."""
    some = [bill_of(vendor, 1, str(n)) for n, vendor in enumerate([acme, demo_world.VENDOR_ID] * 2)]
    some[1]["invoice"]["invoiceNumber"] = some[3]["invoice"]["invoiceNumber"]
    said = desk.answer("POST", f"{BILLS}/bulk", [*some, bill_of(NOBODY, 1, "9")]).json()
    named = [(error["message"].split(" : ")[0], error["code"]) for error in said]
    assert sorted(named[:2]) == [("[3]", "BDC_1171"), ("[4]", "BDC_1205")]
    # Not by an id, which nobody will find.
    assert any(
        error["message"].endswith(f"{some[1]['invoice']['invoiceNumber']} stands on [1]")
        for error in said
    )
    assert sorted(named[2:]) == [(f"[{place}]", "BDC_1246") for place in (0, 1, 2)]


def test_each_fault_of_a_bulk_is_said_with_its_path(desk, acme):
    """Also that of an empty list inside, and what is found when the shape is right."""
    good, empty = bill_of(acme, 1, "1"), bill_of(acme, 1, "2") | {"billLineItems": []}
    assert desk.refused("POST", f"{BILLS}/bulk", [good, empty, {}]) == (400, [
        "[1].billLineItems: size must be >= 1", "[2].vendorId: must not be blank",
        "[2].dueDate: must not be null", "[2].billLineItems: must not be null",
        "[2].invoice: must not be null",
    ])  # fmt: skip
    half = bill_of(acme, 1, "2") | {"billLineItems": [{"amount": 1}, {"description": "of nothing"}]}
    assert desk.refused("POST", f"{BILLS}/bulk", [good, half]) == (
        400, ["[1].billLineItems[1].amount: must not be null", "BDC_1246"]
    )  # fmt: skip


def test_what_a_refused_bill_would_have_taken_is_free_for_the_next(desk, acme):
    """In one request: its number stands on no bill that anybody will find."""
    wrong = bill_of(acme, 1, "1") | {"billLineItems": [{"id": "bli01NOBODYS0000none", "amount": 1}]}
    assert desk.refused("POST", f"{BILLS}/bulk", [wrong, bill_of(acme, 1, "1")]) == (
        422, ["BDC_1143", "BDC_1246"]
    )  # fmt: skip


def test_many_bulks_at_once_wait_for_each_other_and_never_for_ever(desk, acme):
    best = desk.vendor("Best")
    one = lambda n: [bill_of(acme, 1, f"a{n}"), bill_of(best, 1, f"a{n}")]
    asks = [("POST", f"{BILLS}/bulk", one(n) if n % 2 else one(n)[::-1]) for n in range(10)]
    assert {answer.status_code for answer in desk.together(asks)} == {201}
    assert (balance(desk, acme), balance(desk, best)) == (10, 10)


# Abroad


def test_a_bill_in_another_currency_says_what_it_costs_in_dollars(desk):
    address = {"line1": "1 rue Cler", "city": "Paris", "zipOrPostalCode": "75007", "country": "FR"}
    vendor = desk.vendor("Dupont", address=address, billCurrency="EUR")
    bill = made(desk, bill_of(vendor, 100, "1"))
    assert (bill["amount"], bill["dueAmount"]) == (100, 100)
    expected = round(Decimal(100) / Decimal(str(bill["exchangeRate"])), 2)
    assert Decimal(str(bill["fundingAmount"])) == expected and bill["fundingAmount"] != 100
    after = desk.call("PATCH", f"{BILLS}/{bill['id']}", {"billLineItems": [{"amount": 100}]})
    assert after["exchangeRate"] == bill["exchangeRate"]
    assert Decimal(str(after["fundingAmount"])) == round(200 / Decimal(str(bill["exchangeRate"])), 2)
    home = made(desk, bill_of(desk.vendor("Acme"), 100, "1"))
    assert home["fundingAmount"] == 100 and "exchangeRate" not in home


def test_a_currency_without_a_rate_has_no_bills(desk):
    vendor = desk.call("POST", f"{V3}/vendors", vendor_of("A") | {"billCurrency": "XDR"}, status=201)
    assert desk.refused("POST", BILLS, bill_of(vendor["id"], 1, "1")) == (422, ["BDC_1143"])


# The audit


def test_the_audit_names_what_became_of_a_bill_and_of_its_lines(desk, acme):
    bill = made(desk, full(acme))
    line = bill["billLineItems"][0]["id"]
    sent = {"dueDate": "2027-06-30", "billLineItems": [{"id": line, "amount": 2}]}
    desk.call("PATCH", f"{BILLS}/{bill['id']}", sent)

    def trail(id):
        entries = desk.reads(lambda work: work.rows(AuditEntry, subject_id=id))
        return {each.field: (each.before, each.after) for e in entries for each in e.changes}

    assert trail(bill["id"]) == {
        "due_date": ("2027-12-31", "2027-06-30"), "amount_cents": (600, 700),
        "funding_cents": (600, 700),
    }  # fmt: skip
    assert trail(line) == {"amount_cents": (100, 200)}
    assert trail(acme) == {}
