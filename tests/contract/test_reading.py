"""The reading of the contract, held against facts that a person can look up in it."""

import pytest

from tests.contract.nodes import NOTHING, Node, SchemaReader, merge, of_kind, paths, read_shape
from tests.contract.reading import Operation, contract, source_of

NEW_KEY = "POST /v3/subscriptions/{subscriptionId}/security-key (events)"
INTERNATIONAL = "/v3/vendors/configuration/international-payments"


def operation(name: str) -> Operation:
    method, path = name.split()
    return contract().of_server(method, path)


def field(node: Node, path: str) -> Node:
    return dict(paths(node))[path]


@pytest.mark.parametrize("name, path, kinds", [
    ("POST /connect/v3/bills/bulk", "[].billLineItems[].amount", "number"),
    ("POST /connect/v3/vendors/bulk", "vendors[].name", "string"),
    ("POST /connect/v3/payments/bulk", "payments[].voidInfo[].reason", "string"),
    ("GET /connect/v3/vendors", "results[].autoPay.daysBeforeDueDate", "integer"),
    ("GET /connect/v3/vendors", "results[].additionalInfo.track1099", "boolean"),
    ("GET /connect/v3/vendors", "nextPage", "string"),
    ("GET /connect/v3/bills/{id}", "invoice.invoiceDate", "date"),
    ("GET /connect/v3/bills/{id}", "createdTime", "date-time"),
    ("GET /connect/v3/bills/{id}", "payments[]", "any"),
    ("GET /connect/v3/login/organizations", "results[].organization.name", "string"),
    ("GET /connect/v3/funding-accounts/banks/users", "results[].createdTime", "date-time"),
    ("GET /connect/v3/funding-accounts/permissions", "organization.card.payByCard", "boolean"),
    ("GET /connect/v3/funding-accounts/cards/funding-purposes", "results[].subCategories[]", "string"),
    ("GET /connect/v3/organizations/industries", "results[]", "string"),
    ("POST /connect/v3/classifications/items/bulk", "items[].name", "string"),
    ("GET /connect-events/v3/events/catalog", "[].versions[]", "string"),
    ("GET /connect-events/v3/events/subscription/{id}", "results[].payload", "string"),
    ("POST /connect-events/v3/subscriptions", "securityKey", "string"),
    ("POST /connect-events/v3/subscriptions", "status.enabled", "boolean"),
])  # fmt: skip
def test_answers(name, path, kinds):
    assert field(operation(name).answer, path).kinds == {kinds}


@pytest.mark.parametrize("name, path, count, value", [
    ("GET /connect/v3/payments/{id}", "singleStatus", 20, "FUNDING_FAILED_VOIDED"),
    ("GET /connect/v3/payments", "results[].singleStatus", 20, "VOIDED"),
    ("GET /connect/v3/bills", "results[].paymentStatus", 6, "PARTIALLY_PAID"),
    ("GET /connect/v3/login/session", "mfaStatus", 5, "CHALLENGE"),
    ("POST /connect/v3/mfa/setup/validate", "status", 2, "SUCCESS"),
    ("GET /connect/v3/documents/upload-status", "[].status", 3, "IVA_PROCESSING"),
    ("GET /connect/v3/roles/{id}", "type", 11, "PURCHASE_REQUESTER"),
    ("GET /connect/v3/vendors/{id}", "address.country", 0, None),
])  # fmt: skip
def test_enums_are_whole_or_not_given(name, path, count, value):
    values = field(operation(name).answer, path).values
    assert len(values) == count
    assert value is None or value in values


@pytest.mark.parametrize("asked, found", [
    ("POST /connect/v3/mfa/validate", "POST /v3/mfa/setup/validate"),
    ("POST /connect-events/v3/subscriptions/{subscription_id}/security_key", NEW_KEY),
    ("POST /connect-events/v3/subscriptions/5b1f/security-key", NEW_KEY),
    ("GET /connect/v3/payments/options", "GET /v3/payments/options"),
    ("GET /connect/v3/payments/stp01", "GET /v3/payments/{paymentId}"),
    ("GET /connect" + INTERNATIONAL, "GET " + INTERNATIONAL),
    ("GET /connect/v3/funding-accounts/banks/users", "GET /v3/funding-accounts/banks/users"),
    ("GET /connect-events/v3/health", "GET /v3/health (events)"),
    ("GET /connect/v3/health", "GET /v3/health"),
    ("GET /connect/v3/session", None),
    ("PUT /connect/v3/vendors/009", None),
    ("GET /_control/v3/bills", None),
])  # fmt: skip
def test_routes(asked, found):
    operation_found = operation(asked)
    assert (operation_found and operation_found.name) == found


def test_an_operation():
    bills = operation("POST /connect/v3/bills")
    assert (bills.id, bills.resource, bills.status) == ("createbill", "bills", 201)
    assert (bills.auth, bills.mfa) == ("session", False)
    codes = {(error.code, error.http, error.own) for error in bills.errors}
    assert {("BDC_1171", 422, True), ("BDC_1109", 401, False), (None, 400, False)} <= codes
    assert operation("POST /connect-events/v3/subscriptions").status == 200
    assert operation("POST /connect/v3/payments").mfa is True
    assert operation("DELETE /connect/v3/vendors/{id}/bank-account").answer == NOTHING


@pytest.mark.parametrize("text, source", [
    ("only while singleStatus is SCHEDULED", "D"),
    ("Archive is idempotent (T: live)", "T"),
    ("max 0 or 101 answers 400 (T, live)", "T"),
    ("archived vendors are listed (src I)", "I"),
    ("a part is seen (T), a part is a guess (the last part src I)", "I"),
    ("a second term is refused (422, code I).", "I"),
    ("sync of AP & AR (Intacct only)", "D"),
])  # fmt: skip
def test_the_source_of_a_rule(text, source):
    assert source_of(text) == source


def test_which_of_two_types_wins():
    date = of_kind("date")
    assert merge(of_kind("string"), date) == date
    assert merge(of_kind("number"), of_kind("integer")).kinds == {"number"}
    assert merge(of_kind("number", source="I"), of_kind("integer")).kinds == {"integer"}
    assert merge(of_kind("string", values=("A", "B")), read_shape("enum:A")).values == ("A", "B")
    both = merge(of_kind("object", fields={"a": date}), read_shape({"b": "date", "c": None}))
    assert set(both.fields) == {"a", "b", "c"}


def test_a_field_may_have_the_name_of_a_keyword():
    text = {"type": "string"}
    schema = {"type": text, "items": {"type": "array"}, "note": text, "src": "T"}
    assert set(SchemaReader({"x": {}}).node(schema, "x").fields) == {"type", "items", "note"}
