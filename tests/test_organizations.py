"""Organizations: their profile, their plan, what they were charged; and whether they may move money."""

import json

import pytest

from billfold import demo_world
from billfold.access.organizations import INDUSTRIES, Organization
from billfold.access.roles import RoleType
from billfold.access.verifications import STORIES, Decision, Verification
from billfold.events.outbox import Event, said
from tests.contract.full import assert_full
from tests.desk import V3

MINE = f"{V3}/organizations/{demo_world.ORGANIZATION_ID}"
OTHER = f"{V3}/organizations/00801NOBODYHERE00none"
RISK = f"{V3}/risk-verifications"
STATEMENTS = f"{MINE}/billing-statements"
PHONE = {"phoneNumber": "+1 4155550142", "phoneType": "MOBILE"}


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def begins_anew(desk, tax_id: str = "11-2229999") -> None:
    """Nothing is known of the organization's verification yet."""
    desk.writes(
        lambda work: [work.remove(work.hold(Verification, each.id)) for each in work.rows(Verification)]
    )
    desk.call("PATCH", MINE, {"taxId": tax_id})


# Profile


def test_an_administrator_sees_the_whole_organization(desk):
    seen = desk.call("GET", MINE)
    assert_full("Organization", "organizations", seen | {"partnerName": "seen in test_partners"})
    assert seen["mailingAddress"] == seen["address"] and seen["taxId"] == "112223333"


def test_what_is_sent_is_changed_and_objects_merge(desk):
    before = desk.call("GET", MINE)
    changed = desk.call("PATCH", MINE, {
        "address": {"zipOrPostalCode": "94608"}, "companyOwner": {"name": "Ada Owner"},
        "processingOptions": {"individualTransferIn": "true"}, "phone": None,
    })  # fmt: skip
    address = before["address"] | {"zipOrPostalCode": "94608"}
    assert changed["address"] == changed["mailingAddress"] == address
    assert changed["companyOwner"] == before["companyOwner"] | {"name": "Ada Owner"}
    assert changed["processingOptions"]["individualTransferIn"] is True and "phone" not in changed
    assert changed["name"] == before["name"] and changed == desk.call("GET", MINE)
    apart = {"processingOptions": {"mailingAddressSameAsPhysical": False},
             "mailingAddress": {"line1": "PO Box 1"}}  # fmt: skip
    changed = desk.call("PATCH", MINE, apart)
    assert changed["mailingAddress"] == address | {"line1": "PO Box 1"} != changed["address"]


@pytest.mark.parametrize(("body", "words"), [
    ({"name": ""}, "name: must not be blank"),
    ({"name": "x" * 101}, "name: size must be <= 100"),
    ({"industry": "x" * 501}, "industry: size must be <= 500"),
    ({"industry": "Piracy"}, "BDC_1119"),
    ({"taxIdType": "VAT"}, "taxIdType: invalid value"),
    ({"accountType": "SOMEBODY"}, "accountType: invalid value"),
    ({"address": {"country": "XX"}}, "BDC_1119"),
    ({"companyOwner": {"dateOfBirth": "soon"}}, "companyOwner.dateOfBirth"),
])  # fmt: skip
def test_what_an_organization_cannot_be(desk, body, words):
    before = desk.call("GET", MINE)
    status, (told,) = desk.refused("PATCH", MINE, body)
    assert status == 400 and told.startswith(words)
    assert desk.call("GET", MINE) == before


def test_no_other_organization_is_found(desk):
    for path in (OTHER, f"{OTHER}/price-plan", f"{OTHER}/billing-statements",
                 f"{OTHER}/billing-statements/{demo_world.STATEMENT_ID}"):  # fmt: skip
        assert desk.refused("GET", path) == (404, ["BDC_1205"])
    assert desk.refused("PATCH", OTHER, {"name": "Mine"}) == (404, ["BDC_1205"])


def test_the_industries_are_a_list_of_phrases(desk):
    assert desk.call("GET", f"{V3}/organizations/industries") == {"results": list(INDUSTRIES)}
    assert "Restaurant Caterer or Bar" in INDUSTRIES


def test_a_change_leaves_its_trace_and_the_tax_number_is_not_in_it(desk):
    desk.call("PATCH", MINE, {"taxId": "99-8887777", "industry": "Consulting"})
    organization = desk.reads(lambda w: w.connection.first(Organization, id=demo_world.ORGANIZATION_ID))
    assert b"8887777" not in organization.tax_id
    assert desk.call("GET", MINE)["taxId"] == "99-8887777"


# Plan and statements


def test_the_plan_is_the_one_its_partner_has_set(desk):
    plan = desk.call("GET", f"{MINE}/price-plan")
    assert (plan["name"], plan["monthlyPrice"], plan["planTerms"]) == ("Self-hosted", 0, [])
    set_plan = {"price_plan": "PricePlan2"}
    desk.writes(lambda w: w.connection.update(Organization, demo_world.ORGANIZATION_ID, set_plan))
    plan = desk.call("GET", f"{MINE}/price-plan")
    assert_full("PricePlan", "organizations", plan)
    assert plan["planTerms"][0]["tier"] == 1 and "tier" not in plan["planTerms"][-1]


def test_statements_come_by_page_or_by_dates(desk):
    (statement,) = desk.call("GET", STATEMENTS)["results"]
    assert statement["id"] == demo_world.STATEMENT_ID
    date = statement["invoiceDate"]
    found = desk.call("GET", STATEMENTS, invoiceDateFrom=date, invoiceDateTo=date)
    assert found == {"results": [statement]}
    none = desk.call("GET", STATEMENTS, invoiceDateFrom="2030-01-01", invoiceDateTo="2030-02-01")
    assert none == {"results": []}
    for wrong in ({"invoiceDateFrom": date}, {"invoiceDateTo": date},
                  {"invoiceDateFrom": date, "invoiceDateTo": date, "max": "5"}, {"max": "0"},
                  {"invoiceDateFrom": "soon", "invoiceDateTo": date}):  # fmt: skip
        assert desk.refused("GET", STATEMENTS, **wrong)[0] == 400, wrong


def test_a_statement_has_its_charges_and_is_downloaded_with_the_session_alone(desk):
    seen = desk.call("GET", f"{STATEMENTS}/{demo_world.STATEMENT_ID}")
    assert_full("BillingStatementDetail", "organizations", seen)
    assert sum(each["amount"] for each in seen["statementDetails"]) == pytest.approx(seen["amount"])
    path = seen["downloadLink"]["csv"].removeprefix("http://127.0.0.1:8080")
    file = desk.answer("GET", path, session="", headers={"sessionId": desk.session})
    assert file.status_code == 200 and file.headers["content-type"] == "text/csv; charset=utf-8"
    first, *rest = file.text.splitlines()
    assert first.startswith("invoiceNumber,") and len(rest) == len(seen["statementDetails"])
    assert desk.refused("GET", path, session="") == (401, ["BDC_1109"])
    assert desk.refused("GET", f"{STATEMENTS}/bst01NOBODYHERE00none") == (404, ["BDC_1205"])


# Risk verification


def test_the_demo_company_may_move_money(desk):
    seen = desk.call("GET", RISK)
    assert_full("Verification", "risk_verifications", seen)
    assert (seen["processingStatus"], seen["decision"]) == ("COMPLETE", "APPROVE")


def test_a_user_gets_a_phone_and_another_takes_its_place(desk):
    assert desk.call("GET", f"{RISK}/phone") == {"hasPhone": False}
    assert desk.answer("POST", f"{RISK}/phone", PHONE).content == b""
    desk.call("POST", f"{RISK}/phone", PHONE | {"phoneType": "WORK"})
    assert desk.call("GET", f"{RISK}/phone") == {"hasPhone": True}
    for wrong in (
        {"phoneNumber": "415"},
        {"phoneNumber": "4155550142x"},
        {"phoneType": "FAX"},
        {"phoneType": None},
    ):
        assert desk.refused("POST", f"{RISK}/phone", PHONE | wrong)[0] == 400, wrong


def test_what_is_missing_is_named_before_a_verification_begins(desk):
    begins_anew(desk)
    undefined = {"processingStatus": "UNDEFINED", "decision": "UNDEFINED"}
    assert desk.call("GET", RISK) == undefined
    desk.call("PATCH", MINE, {"taxId": None})
    answer = desk.answer("POST", RISK)
    assert answer.status_code == 422
    assert "phone of the user, taxId" in answer.json()[0]["message"]
    assert desk.call("GET", RISK) == undefined


@pytest.mark.parametrize("ending", ["9999", *STORIES])
def test_the_clock_brings_every_decision_and_each_is_told(desk, ending):
    """By the end of the tax number; and again asked changes nothing."""
    begins_anew(desk, f"12-345{ending}")
    desk.call("POST", f"{RISK}/phone", PHONE)
    began = desk.call("POST", RISK)
    assert (began["processingStatus"], began["decision"]) == ("IN_PROGRESS", "IN_PROGRESS")
    assert desk.call("POST", RISK) == began
    story = STORIES.get(ending, ("APPROVE",))
    for decision in story:
        desk.advance(minutes=59)
        desk.signs_in()
        assert desk.call("GET", RISK)["decision"] != decision
        desk.advance(minutes=1)
        assert desk.call("GET", RISK)["decision"] == decision
    desk.advance(days=3)
    desk.signs_in()
    assert desk.call("GET", RISK) | {"decision": ""} == began | {
        "processingStatus": "COMPLETE",
        "decision": "",
    }
    told = lambda work: [json.loads(said(work, event)) for event in work.rows(Event)]
    assert desk.reads(told) == [
        {"risk-verification": {"decision": each}} for each in ("IN_PROGRESS", *story)
    ]


@pytest.mark.parametrize(
    ("ending", "pays"), [("9999", True), ("0001", True), ("0003", False), ("0006", False)]
)
def test_whether_money_moves_follows_from_the_decision(desk, ending, pays):
    bill = desk.owes(demo_world.VENDOR_ID, 10)
    begins_anew(desk, f"12-345{ending}")
    asked = {
        "billId": bill, "amount": 5, "processingOptions": {},
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
    }  # fmt: skip
    assert desk.refused("POST", f"{V3}/payments", asked) == (422, ["BDC_1150"] * 2)
    desk.call("POST", f"{RISK}/phone", PHONE)
    desk.call("POST", RISK)
    assert desk.refused("POST", f"{V3}/payments", asked) == (422, ["BDC_1150"] * 2)
    desk.advance(hours=1)
    desk.signs_in()
    if not pays:
        assert desk.refused("POST", f"{V3}/payments", asked) == (422, ["BDC_1150"] * 2)
        return
    desk.call("POST", f"{V3}/payments", asked, status=201)
    # What was to be reviewed is reviewed at the first payment.
    desk.advance(hours=1)
    desk.signs_in()
    assert desk.call("GET", RISK)["decision"] == "APPROVE"


def test_a_payment_during_a_review_does_not_end_a_story_that_goes_on(desk):
    bill = desk.owes(demo_world.VENDOR_ID, 10)
    begins_anew(desk, "12-3450002")
    desk.call("POST", f"{RISK}/phone", PHONE)
    desk.call("POST", RISK)
    desk.advance(hours=1)
    desk.signs_in()
    asked = {
        "billId": bill, "amount": 5, "processingOptions": {},
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
    }  # fmt: skip
    desk.call("POST", f"{V3}/payments", asked, status=201)
    desk.advance(hours=2)
    desk.signs_in()
    assert desk.call("GET", RISK)["decision"] == "DECLINE"


@pytest.mark.parametrize(("decision", "status"), [("HOLD", "SCHEDULED"), ("DECLINE", "CANCELED")])
def test_what_was_scheduled_does_not_start_without_leave(desk, decision, status):
    bill = desk.owes(demo_world.VENDOR_ID, 10)
    asked = {
        "billId": bill, "amount": 5, "processingOptions": {},
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
    }  # fmt: skip
    payment = desk.call("POST", f"{V3}/payments", asked, status=201)["id"]

    def decide(decision):
        (row,) = desk.reads(lambda work: work.rows(Verification))
        status = {"status": Decision(decision)}
        desk.writes(lambda work: work.connection.update(Verification, row.id, status))

    decide(decision)
    desk.advance(days=2)
    desk.signs_in()
    assert desk.call("GET", f"{V3}/payments/{payment}")["singleStatus"] == status
    assert desk.sees(bill)["scheduledAmount"] == (5 if status == "SCHEDULED" else 0)
    decide("APPROVE")
    desk.advance(days=1)
    desk.signs_in()
    later = desk.call("GET", f"{V3}/payments/{payment}")["singleStatus"]
    # What was late is done at once.
    assert later == ("PROCESSED" if status == "SCHEDULED" else "CANCELED")


def test_only_an_administrator_begins(desk):
    desk.signs_in(username=demo_world.username(RoleType.ACCOUNTANT))
    assert desk.answer("POST", RISK).status_code == 403
    assert desk.answer("GET", MINE).status_code == 403
    desk.call("GET", RISK)
