"""Paying bills: combined by vendor, all or none, never more than is due, settled on the clock."""

from datetime import UTC, datetime

import pytest

from billfold import demo_world
from billfold.funding.bank_accounts import BankAccount
from billfold.kit import calendar
from tests.contract.full import assert_full
from tests.desk import CONTROL, V3, bill_of

PAYMENTS, BULK = f"{V3}/payments", f"{V3}/payments/bulk"
BANK = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
NEXT = "2027-01-05"  # The desk begins on Monday, 2027-01-04, at nine.


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def bulk_of(*lines: tuple, **more) -> dict:
    paid = [{"billId": bill, "amount": amount} for bill, amount in lines]
    return {"fundingAccount": BANK, "payments": paid, **more}


def payment_of(bill: str, amount, **more) -> dict:
    return {
        "billId": bill, "amount": amount, "fundingAccount": BANK, "processingOptions": {}, **more
    }  # fmt: skip


def pays(desk, *lines: tuple, **more) -> list[dict]:
    return desk.call("POST", BULK, bulk_of(*lines, **more), status=201)["payments"]


def test_a_payment_says_all_that_is_known_of_it(desk):
    vendor = desk.vendor("Acme", email="ar@acme.example")
    bill = desk.owes(vendor, "228.99")
    body = payment_of(bill, 228.99, description="Strings", transactionNumber="T-1")
    made = desk.call("POST", PAYMENTS, body, status=201)
    (part,) = made["billPayments"]
    assert part | {"id": ""} == {"id": "", "billId": bill, "amount": 228.99, "vendorCredits": []}
    assert part["id"].startswith("blp") and made["id"].startswith("stp")
    expected = {
        "vendorId": vendor, "vendorName": "Acme", "billId": bill, "amount": 228.99,
        "fundingAmount": 228.99, "processDate": NEXT, "fundingAccount": BANK,
        "status": "SCHEDULED", "singleStatus": "SCHEDULED", "onlinePayment": True,
        "disbursementType": "CHECK", "transactionNumber": "T-1", "description": "Strings",
        "voidInfo": [], "cancelRequestSubmitted": False, "remittanceEmail": "ar@acme.example",
        "createdBy": demo_world.USER_ID,
        "disbursementInfo": {"isVoidable": False, "checkDisbursement": {"arrivesByDate": "2027-01-14"}},
        "processingOptions": {
            "requestPayFaster": False, "createBill": False, "requestCheckDeliveryType": "STANDARD",
        },
    }  # fmt: skip
    assert made | expected == made
    assert made["confirmationNumber"].startswith("P27010401 - ")
    assert desk.call("GET", f"{PAYMENTS}/{made['id']}") == made
    assert desk.call("GET", PAYMENTS) == {"results": [made]}
    seen = desk.sees(bill)
    assert (seen["paymentStatus"], seen["scheduledAmount"], seen["dueAmount"]) == (
        "SCHEDULED",
        228.99,
        0,
    )
    assert seen["payments"] == [
        {"id": made["id"], "amount": 228.99, "processDate": NEXT, "status": "SCHEDULED"}
    ]


def test_a_full_payment_has_every_field_that_is_served(desk):
    purpose = {"text": "guitar strings"}
    vendor = desk.vendor("Acme", paymentInformation={"email": "pay@acme.example"})
    body = payment_of(
        desk.owes(vendor, 10), 10, description="d", transactionNumber="t", paymentPurpose=purpose,
        vendorId=vendor, processDate=NEXT,
    )  # fmt: skip
    made = desk.call("POST", PAYMENTS, body, status=201)
    desk.advance(days=30)
    desk.signs_in()
    assert_full("Payment", "payments.yaml", desk.call("GET", f"{PAYMENTS}/{made['id']}"))


def test_bills_are_combined_where_the_vendor_says_so(desk):
    together = desk.vendor("Together", additionalInfo={"combinePayments": True})
    alone = desk.vendor("Alone")
    bills = [
        desk.owes(together, 10),
        desk.owes(together, 20.5),
        desk.owes(alone, 7),
        desk.owes(alone, 8),
    ]
    made = pays(desk, *zip(bills, (10, 20.5, 7, 8), strict=True))
    assert sorted(payment["amount"] for payment in made) == [7, 8, 30.5]
    (combined,) = [payment for payment in made if payment["vendorName"] == "Together"]
    assert "billId" not in combined
    assert [part["billId"] for part in combined["billPayments"]] == bills[:2]


def test_payments_come_in_the_order_of_the_request(desk):
    """Each by the first of its bills, so that a client may put request and answer side by side."""
    first, second = desk.vendor("First"), desk.vendor("Second")
    together = desk.vendor("Together", additionalInfo={"combinePayments": True})
    vendors = [second, first, together, second, first, together]
    # Bills are made, and so have their ids, in another order than they are paid in.
    bills = dict(enumerate(desk.owes(vendor, 9) for vendor in reversed(vendors)))
    asked = [(bills[5 - place], place + 1) for place in range(6)]
    made = pays(desk, *asked)
    assert [payment["amount"] for payment in made] == [1, 2, 3 + 6, 4, 5]
    parts = [part["billId"] for payment in made for part in payment["billPayments"]]
    assert parts == [asked[place][0] for place in (0, 1, 2, 5, 3, 4)]


def test_confirmation_numbers_count_on(desk):
    """Of so few digits drawn ones would come again: among ten thousand a day, five pairs."""
    bills = [desk.owes(desk.vendor(), 1) for _ in range(3)]
    made = pays(desk, *((bill, 1) for bill in bills[:2])) + pays(desk, (bills[2], 1))
    days, numbers = zip(*(each["confirmationNumber"].split(" - ") for each in made), strict=True)
    assert set(days) == {"P27010401"} and all(len(number) == 7 for number in numbers)
    assert [(int(number) - int(numbers[0])) % (10**7 - 1) for number in numbers] == [0, 1, 2]


def test_thirty_six_bills_make_two_payments(desk):
    acme = desk.vendor(additionalInfo={"combinePayments": True})
    bills = [desk.owes(acme, 1) for _ in range(36)]
    made = pays(desk, *((bill, 1) for bill in bills))
    assert [len(payment["billPayments"]) for payment in made] == [35, 1]


def test_one_bad_line_pays_nobody(desk):
    acme = desk.vendor()
    good, bad, fine = desk.owes(acme, 10), desk.owes(acme, 10), desk.owes(acme, 10)
    refusal = desk.refused("POST", BULK, bulk_of((good, 10), (bad, 10.01), (fine, 1)))
    assert refusal == (422, ["BDC_1159", "BDC_1246", "BDC_1246"])
    assert desk.sees(good)["dueAmount"] == 10 and desk.call("GET", PAYMENTS) == {"results": []}


def test_each_line_of_a_refused_bulk_is_named_by_its_bill(desk):
    acme = desk.vendor()
    bills = [desk.owes(acme, 10) for _ in range(3)]
    said = desk.answer("POST", BULK, bulk_of((bills[0], 1), (bills[1], 11), (bills[2], 1))).json()
    assert [error["message"].partition(" : ")[0] for error in said] == [
        bills[1], bills[0], bills[2],
    ]  # fmt: skip


def test_nothing_is_scheduled_further_ahead_than_a_year(desk):
    bill = desk.owes(desk.vendor(), 10)
    for day in ("9999-12-30", "2028-01-10"):
        assert desk.refused("POST", BULK, bulk_of((bill, 1), processDate=day)) == (422, ["BDC_1152"])


def test_a_bulk_may_hold_a_line_over_nothing(desk):
    bill = desk.owes(desk.vendor(), 10)
    assert pays(desk, (bill, 0))[0]["amount"] == 0
    assert desk.refused("POST", BULK, bulk_of((bill, -0.01)))[0] == 400


def test_the_same_bill_twice_in_one_request_counts_twice(desk):
    bill = desk.owes(desk.vendor(), 10)
    assert desk.refused("POST", BULK, bulk_of((bill, 6), (bill, 6))) == (422, ["BDC_1159", "BDC_1246"])
    assert len(pays(desk, (bill, 6), (bill, 4))) == 2


@pytest.mark.parametrize("count", [0, 51])
def test_one_to_fifty_bills_a_request(desk, count):
    bills = [("00n01NOBODYS0000none", 1)] * count
    status, faults = desk.refused("POST", BULK, bulk_of(*bills))
    assert status == 400 and faults[0].startswith("payments: ")


def test_a_partial_payment_leaves_the_rest_due(desk):
    bill = desk.owes(desk.vendor(), 100)
    pays(desk, (bill, 30))
    seen = desk.sees(bill)
    assert (seen["paymentStatus"], seen["dueAmount"], seen["scheduledAmount"]) == (
        "PARTIALLY_PAID",
        70,
        30,
    )
    single = desk.answer("POST", PAYMENTS, payment_of(bill, 71)).json()
    assert [error["code"] for error in single] == ["BDC_1159", "BDC_1159"]
    assert single[1]["message"].startswith(f"{bill} : ")


def test_a_bill_can_be_made_for_the_payment(desk):
    vendor = desk.vendor()
    body = payment_of("", 55.5, vendorId=vendor, processingOptions={"createBill": True})
    del body["billId"]
    made = desk.call("POST", PAYMENTS, body, status=201)
    bill = desk.sees(made["billId"])
    assert (bill["amount"], bill["dueDate"], bill["paymentStatus"]) == (55.5, NEXT, "SCHEDULED")
    assert made["billPayments"][0]["billId"] == bill["id"]


@pytest.mark.parametrize(
    "wrong, refusal",
    [
        ({"billId": None}, (400, ["billId must be provided if createBill is false"])),
        ({"processingOptions": {"createBill": True}},
         (400, ["billId must not be provided if createBill is true"])),
        ({"fundingAccount": None}, (400, ["fundingAccount: must not be null"])),
        ({"processingOptions": None}, (400, ["processingOptions: must not be null"])),
        ({"amount": None}, (400, ["amount: must not be null"])),
        ({"amount": 0}, (400, ["amount: must be greater than 0"])),
        ({"amount": -1}, (400, ["amount: must be greater than 0"])),
        ({"amount": 1.005}, (400, ["BDC_1143"])),
        ({"fundingAccount": {"type": "BANK_ACCOUNT"}}, (400, ["fundingAccount.id: must not be blank"])),
        ({"fundingAccount": {"type": "WALLET"}}, (400, ["processDate: must not be null"])),
        ({"fundingAccount": {"type": "WALLET"}, "processDate": NEXT}, (422, ["BDC_1151"] * 2)),
        ({"fundingAccount": {"type": "CARD_ACCOUNT", "id": "cat"}}, (422, ["BDC_1205"] * 2)),
        ({"fundingAccount": {"type": "BANK_ACCOUNT", "id": "bac"}}, (422, ["BDC_1205"] * 2)),
        ({"billId": "00n01NOBODYS0000none"}, (422, ["BDC_1205"] * 2)),
        ({"vendorId": demo_world.VENDOR_ID}, (422, ["BDC_1143"] * 2)),
        ({"processingOptions": {"requestPayFaster": True}}, (422, ["BDC_1143"] * 2)),
        ({"vendorCredits": [{"id": "vcr", "amount": 1}]}, (422, ["BDC_1205"] * 2)),
        ({"description": "x" * 71}, (400, ["description: size must be <= 70"])),
    ],
)  # fmt: skip
def test_what_is_refused(desk, wrong, refusal):
    bill = desk.owes(desk.vendor(), 10)
    assert desk.refused("POST", PAYMENTS, payment_of(bill, 10) | wrong) == refusal
    assert desk.sees(bill)["dueAmount"] == 10


def test_what_cannot_be_paid(desk):
    archived = desk.owes(desk.vendor(), 10)
    desk.call("POST", f"{V3}/bills/{archived}/archive")
    gone = desk.vendor()
    of_gone = desk.owes(gone, 10)
    desk.call("POST", f"{V3}/vendors/{gone}/archive")
    foreign = desk.owes(desk.vendor(billCurrency="EUR"), 10)
    for bill in (archived, of_gone, foreign):
        assert desk.refused("POST", BULK, bulk_of((bill, 1))) == (422, ["BDC_1143"])


def test_an_account_that_is_archived_or_not_verified_pays_nothing(desk):
    bill = desk.owes(desk.vendor(), 10)
    off = {"archived": True}
    desk.writes(lambda w: w.connection.update(BankAccount, demo_world.BANK_ACCOUNT_ID, off))
    assert desk.refused("POST", BULK, bulk_of((bill, 1))) == (422, ["BDC_1151"])


def test_money_moves_only_in_a_trusted_session_and_the_gate_comes_before_the_body(desk):
    desk.signs_in(trusted=False)
    for path in (PAYMENTS, BULK):
        answer = desk.answer("POST", path, b"{nonsense")
        assert answer.status_code == 403 and answer.json()[0]["code"] == "BDC_1361"
        assert "untrusted" in answer.json()[0]["message"].lower()
        assert desk.refused("POST", path, b"{nonsense", session="")[0] == 401
    desk.passes_mfa()
    assert desk.refused("POST", PAYMENTS, b"{nonsense") == (400, ["BDC_1122"])


# (now in UTC, earliest process date): Pacific is UTC-8 in winter and UTC-7 in summer.
EARLIEST = [
    ("2027-01-08T17:59:00-08:00", "2027-01-11"),  # A Friday
    ("2027-01-08T18:00:00-08:00", "2027-01-12"),
    ("2027-01-08T18:01:00-08:00", "2027-01-12"),
    ("2027-01-09T12:00:00-08:00", "2027-01-11"),  # A Saturday
    ("2027-01-15T12:00:00-08:00", "2027-01-19"),  # Before Martin Luther King's birthday
    ("2027-11-24T17:59:00-08:00", "2027-11-26"),  # Before Thanksgiving
    ("2027-11-24T18:01:00-08:00", "2027-11-29"),
    ("2027-03-12T17:59:00-08:00", "2027-03-15"),  # Clocks go forward on the Sunday between
    ("2027-03-12T18:01:00-08:00", "2027-03-16"),
    ("2027-03-15T17:59:00-07:00", "2027-03-16"),
    ("2027-11-05T17:59:00-07:00", "2027-11-08"),  # And back
    ("2027-11-05T18:01:00-07:00", "2027-11-09"),
    ("2027-11-08T17:59:00-08:00", "2027-11-09"),
    ("2027-12-31T12:00:00-08:00", "2028-01-03"),  # Over a New Year
]


@pytest.mark.parametrize("now, earliest", EARLIEST)
def test_the_earliest_process_date(sqlite_desk, now, earliest):
    desk = sqlite_desk
    desk.call("POST", f"{CONTROL}/clock", {"set": now})
    desk.signs_in()
    assert desk.call("GET", f"{CONTROL}/credentials")["nextProcessDate"] == earliest
    bill = desk.owes(desk.vendor(), 10)
    assert pays(desk, (bill, 1))[0]["processDate"] == earliest
    assert pays(desk, (bill, 1), processDate=earliest)[0]["processDate"] == earliest
    before = str(datetime.fromisoformat(now).date())
    assert desk.refused("POST", BULK, bulk_of((bill, 1), processDate=before)) == (422, ["BDC_1152"])


@pytest.mark.parametrize(
    "day", ["2027-01-04", "2027-01-03", "2027-01-09", "2027-01-18", "2027-07-05", "2026-12-31"]
)
def test_a_process_date_is_a_business_day_to_come(desk, day):
    bill = desk.owes(desk.vendor(), 10)
    said = desk.answer("POST", PAYMENTS, payment_of(bill, 1, processDate=day))
    assert said.status_code == 422
    plain, prefixed = said.json()
    assert plain["code"] == prefixed["code"] == "BDC_1152"
    assert prefixed["message"] == f"{bill} : {plain['message']}"


# When (Pacific), single status, status, disbursement status.
ACH = [
    ("2027-01-05T06:00", "FUNDING_STARTED", "PAID", None),
    ("2027-01-07T06:00", "PROCESSED", "PAID", None),
    ("2027-01-07T12:00", "SENT", "PAID", "IN_PROGRESS"),
    ("2027-01-08T06:00", "CLEARED", "PAID", "DONE"),
]
CHECK = [
    *ACH[:3],
    ("2027-01-14T06:00", "DELIVERED", "PAID", "IN_PROGRESS"),
    # Over the birthday of Martin Luther King, on the 18th.
    ("2027-01-20T06:00", "CLEARED", "PAID", "DONE"),
]


def test_an_id_that_holds_what_parts_ids_is_nobodys(desk):
    vendor = desk.vendor()
    *bills, left = [desk.owes(vendor, 10) for _ in range(10)]
    odd = f"{bills[0]}\x1f{left}"
    lines = [*((bill, 1) for bill in bills), (odd, 1)]
    status, codes = desk.refused("POST", BULK, bulk_of(*lines))
    assert (status, codes[0]) == (422, "BDC_1205")


def bank_account():
    return {"nameOnAccount": "Acme", "accountNumber": "123456789", "routingNumber": "322271627"}


@pytest.mark.parametrize("timetable", [ACH, CHECK], ids=["ACH", "CHECK"])
def test_a_payment_goes_its_way_on_the_clock(desk, timetable):
    account = {"bankAccount": bank_account()} if timetable is ACH else {}
    vendor = desk.vendor(paymentInformation=account)
    bill = desk.owes(vendor, 142)
    (made,) = pays(desk, (bill, 142))
    for when, single, status, disbursement in timetable:
        due = datetime.fromisoformat(f"{when}-08:00")
        before = due.astimezone(UTC).replace(minute=0) - (due - due.replace(minute=0))
        assert desk.call("POST", f"{CONTROL}/clock", {"next": True}, session="")["now"] == (
            before.isoformat(timespec="milliseconds")
        )
        desk.signs_in(trusted=False)
        now = desk.call("GET", f"{PAYMENTS}/{made['id']}")
        assert (now["singleStatus"], now["status"], now.get("disbursementStatus")) == (
            single, status, disbursement,
        )  # fmt: skip
        seen = desk.sees(bill)
        assert (seen["paymentStatus"], seen["paidAmount"], seen["scheduledAmount"]) == ("PAID", 142, 0)
    after = desk.advance(days=365)
    assert after["done"] == {}
    desk.signs_in(trusted=False)
    kind = "achDisbursement" if timetable is ACH else "checkDisbursement"
    done = desk.call("GET", f"{PAYMENTS}/{made['id']}")
    assert done["disbursementInfo"][kind]["sentDate"] == "2027-01-07"
    assert done["disbursementInfo"][kind]["arrivesByDate"] == timetable[3][0][:10]
    found = desk.call("GET", f"{V3}/vendors/{vendor}")
    assert found["balance"]["amount"] == 0
    assert found["paymentInformation"]["lastPaymentDate"] == NEXT


def test_steps_are_at_six_in_the_morning_before_and_after_the_clocks_change(desk):
    desk.call("POST", f"{CONTROL}/clock", {"set": "2027-03-11T12:00:00-08:00"}, session="")
    desk.signs_in()
    pays(desk, (desk.owes(desk.vendor(), 5), 5))
    said = [desk.call("POST", f"{CONTROL}/clock", {"next": True}, session="")["now"] for _ in range(2)]
    assert said == ["2027-03-12T14:00:00.000+00:00", "2027-03-16T13:00:00.000+00:00"]


def test_a_cancelled_payment_gives_the_money_back_and_is_not_processed(desk):
    bill = desk.owes(desk.vendor(), 142)
    (made,) = pays(desk, (bill, 100))
    cancelled = desk.call("POST", f"{PAYMENTS}/{made['id']}/cancel")
    assert (cancelled["status"], cancelled["singleStatus"]) == ("CANCELLED", "CANCELED")
    assert cancelled["cancelRequestSubmitted"] is True
    desk.advance(days=30)
    desk.signs_in()
    seen = desk.sees(bill)
    assert (seen["paymentStatus"], seen["dueAmount"]) == ("UNPAID", 142)
    assert desk.refused("POST", f"{PAYMENTS}/{made['id']}/cancel") == (422, ["BDC_1143"])


def test_a_bill_shows_the_payments_that_count(desk):
    """A cancelled one leaves it, whether or not another one stays."""
    bill = desk.owes(desk.vendor(), 100)
    first, second = (pays(desk, (bill, cents))[0] for cents in (60.5, 39.5))
    desk.call("POST", f"{PAYMENTS}/{first['id']}/cancel")
    assert [each["id"] for each in desk.sees(bill)["payments"]] == [second["id"]]
    desk.call("POST", f"{PAYMENTS}/{second['id']}/cancel")
    seen = desk.sees(bill)
    assert (seen["payments"], seen["paymentStatus"], seen["dueAmount"]) == ([], "UNPAID", 100)


def test_a_payment_that_has_started_is_not_cancelled(desk):
    (made,) = pays(desk, (desk.owes(desk.vendor(), 5), 5))
    desk.advance(days=2)
    desk.signs_in()
    assert desk.refused("POST", f"{PAYMENTS}/{made['id']}/cancel") == (422, ["BDC_1143"])


def test_payments_without_a_disbursement_status_have_a_place_in_its_order(desk):
    vendor = desk.vendor()
    first = [pays(desk, (desk.owes(vendor, 1), 1))[0]["id"] for _ in range(3)]
    desk.advance(days=4)
    desk.signs_in()
    made = [*first, pays(desk, (desk.owes(vendor, 1), 1))[0]["id"]]
    for sort, right in (("disbursementStatus:desc", 0), ("disbursementStatus", 3)):
        found, page = [], desk.call("GET", PAYMENTS, sort=sort, max=1)
        while True:
            found += [row["id"] for row in page["results"]]
            if "nextPage" not in page:
                break
            page = desk.call("GET", PAYMENTS, page=page["nextPage"], max=1)
        assert sorted(found) == sorted(made) and found.index(made[3]) == (3 if right == 0 else 0)


def test_payments_are_listed_by_their_fields(desk):
    acme, best = desk.vendor("Acme"), desk.vendor("Best")
    (one,) = pays(desk, (desk.owes(acme, 5), 5), description="b")
    (two,) = pays(desk, (desk.owes(best, 7), 7), processDate="2027-02-01")
    found = lambda **query: [p["id"] for p in desk.call("GET", PAYMENTS, **query)["results"]]
    assert found(filters=f"vendorId:eq:{acme}") == [one["id"]]
    assert found(filters="amount:gt:5.00") == [two["id"]]
    assert found(filters="processDate:lt:2027-01-31") == [one["id"]]
    assert found(filters='status:in:"SCHEDULED,PAID"', sort="amount:desc") == [two["id"], one["id"]]
    assert found(filters="status:ne:SCHEDULED") == []
    assert found(filters="disbursementType:eq:CHECK", sort="description:desc") == [one["id"], two["id"]]
    for sort in ("processDate", "confirmationNumber", "onlinePayment", "disbursementStatus"):
        assert len(found(sort=sort)) == 2
    assert desk.refused("GET", PAYMENTS, filters="amount:eq:NaN") == (400, ["BDC_1143"])


def test_four_hundred_at_once_cannot_pay_a_hundred_dollars_twice(desk):
    bill = desk.owes(desk.vendor(), 100)
    answers = desk.together([("POST", BULK, bulk_of((bill, 1)))] * 400)
    codes = [answer.status_code for answer in answers]
    assert (codes.count(201), codes.count(422)) == (100, 300)
    seen = desk.sees(bill)
    assert (seen["dueAmount"], seen["scheduledAmount"]) == (0, 100)
    desk.advance(days=30)
    desk.signs_in()
    assert desk.sees(bill)["paidAmount"] == 100


def test_requests_that_want_the_same_bills_in_other_orders_all_get_an_answer(desk):
    acme = desk.vendor()
    one, two = desk.owes(acme, 100), desk.owes(acme, 100)
    orders = [bulk_of((one, 1), (two, 1)), bulk_of((two, 1), (one, 1))] * 30
    answers = desk.together([("POST", BULK, body) for body in orders])
    assert {answer.status_code for answer in answers} == {201}
    assert desk.sees(one)["scheduledAmount"] == desk.sees(two)["scheduledAmount"] == 60


def test_a_bill_does_not_shrink_below_what_is_on_its_way(desk):
    acme = desk.vendor()
    bill = desk.owes(acme, 100)
    pays(desk, (bill, 60))
    body = bill_of(acme, 59, "less")
    assert desk.refused("PUT", f"{V3}/bills/{bill}", body) == (422, ["BDC_1143"])
    assert (
        desk.call("PUT", f"{V3}/bills/{bill}", bill_of(acme, 60, "just"))["paymentStatus"]
        == "SCHEDULED"
    )
    assert desk.refused("POST", f"{V3}/bills/{bill}/archive") == (422, ["BDC_1143"])


def test_the_federal_reserve_keeps_its_holidays():
    fed = ["2027-01-01", "2027-01-18", "2027-02-15", "2027-05-31", "2027-07-05", "2027-09-06",
           "2027-10-11", "2027-11-11", "2027-11-25"]  # fmt: skip
    closed = [day for day in (f"2027-{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 29))
              if datetime.fromisoformat(day).weekday() < 5
              and not calendar.is_business_day(datetime.fromisoformat(day).date())]  # fmt: skip
    assert closed == [day for day in fed if day[-2:] < "29"]
