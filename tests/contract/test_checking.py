"""The checks must be able to fail: answers that are wrong in one way each, and what is said of them."""

import json

import pytest

from tests.contract import coverage, full
from tests.contract.checker import check
from tests.contract.findings import merge
from tests.contract.nodes import of_kind
from tests.contract.reading import contract
from tests.contract.recorder import Recorder

BILL = {"id": "00n01", "amount": 149.0, "dueDate": "2026-12-31", "paymentStatus": "UNPAID"}
ERROR = {
    "timestamp": "2026-01-05T10:00:00.000+00:00", "code": "BDC_1109", "severity": "ERROR",
    "category": "DOWNSTREAM", "message": "session",
}  # fmt: skip
DONE_V2 = {
    "response_status": 0, "response_message": "Success",
    "response_data": {"currentTime": "2026-01-05T10:00:00.000+0000"},
}  # fmt: skip
REFUSED_V2 = {
    "response_status": 1, "response_message": "Error",
    "response_data": {"error_code": "BDC_1109", "error_message": "Session is invalid."},
}  # fmt: skip
ONE = "/connect/v3/bills/00n01"


def faults(method: str, path: str, status: int, answer: object) -> list[str]:
    recorder = Recorder()
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    recorder.record(method, path, status, content)
    through_a_file = json.loads(json.dumps(recorder.findings()))
    return [fault.partition("  [")[0] for fault in check(merge([through_a_file]), contract())]


@pytest.mark.parametrize("method, path, status, answer", [
    ("GET", ONE, 200, BILL),
    ("GET", ONE, 200, BILL | {"amount": 149}),
    ("GET", "/connect/v3/bills", 200, {"results": [BILL, BILL], "nextPage": "x"}),
    ("POST", "/connect/v3/bills/bulk", 201, [BILL]),
    ("POST", "/connect/v3/logout", 200, b""),
    ("DELETE", "/connect/v3/vendors/009/bank-account", 204, b""),
    ("GET", ONE, 401, [ERROR]),
    ("GET", "/connect/v3/session", 404, [ERROR]),
    ("GET", "/_control/clock", 200, {"now": None}),
    ("POST", "/api/v2/CurrentTime.json", 200, DONE_V2),
    ("POST", "/api/v2/CurrentTime.json?devKey=x", 200, REFUSED_V2),
    ("GET", "/api/v2/Errors.json", 200, DONE_V2 | {"response_data": [{"error_code": "BDC_1001"}]}),
    ("GET", "/api/v2/Login.json", 405, REFUSED_V2),
    ("POST", "/api/v2/Crud/Read/Bill.json", 200, DONE_V2 | {"response_data": {"description": None}}),
])  # fmt: skip
def test_documented_answers_pass(method, path, status, answer):
    assert faults(method, path, status, answer) == []


@pytest.mark.parametrize("method, path, status, answer, said", [
    ("GET", ONE, 200, BILL | {"colour": "red"}, "undocumented field colour (string)"),
    ("GET", ONE, 200, BILL | {"invoice": {"no": 1}}, "undocumented field invoice.no (integer)"),
    ("GET", "/connect/v3/bills", 200, {"results": [BILL, {"x": []}]},
     "undocumented field results[].x (array)"),
    ("GET", ONE, 200, BILL | {"amount": "149.00"}, "amount is string, documented number"),
    ("GET", ONE, 200, BILL | {"amount": True}, "amount is boolean, documented number"),
    ("GET", ONE, 200, BILL | {"description": None}, "description is null, documented string"),
    ("GET", ONE, 200, BILL | {"dueDate": "31.12.2026"}, "dueDate is string, documented date"),
    ("GET", ONE, 200, BILL | {"createdTime": "2026-12-01T10:00:00Z"},
     "createdTime is string, documented date-time"),
    ("GET", ONE, 200, BILL | {"paymentStatus": "OPEN"},
     "paymentStatus has the undocumented enum value 'OPEN'"),
    ("GET", ONE, 200, [BILL], "the answer is array, documented object"),
    ("GET", ONE, 200, b"", "the answer is nothing, documented object"),
    ("GET", ONE, 200, b"<html>", "the answer is text, documented object"),
    ("GET", ONE, 201, BILL, "documented success is 200"),
    ("GET", ONE, 404, {"error": "x"}, "the error answer is object, documented array"),
    ("GET", ONE, 500, b"Internal Server Error", "the error answer is text, documented array"),
    ("GET", ONE, 401, [ERROR | {"severity": "FATAL"}],
     "[].severity has the undocumented enum value 'FATAL'"),
    ("GET", ONE, 401, [ERROR | {"hint": "x"}], "undocumented field [].hint (string)"),
    ("GET", "/connect-events/v3/nothing", 404, {}, "the error answer is object, documented array"),
    ("GET", "/connect/v3/session", 200, {}, "answers, but is not in the contract (unknown operation)"),
    ("POST", "/api/v2/Time.json", 200, DONE_V2,
     "answers, but is not in the contract (unknown operation)"),
    ("POST", "/api/v2/CurrentTime.json", 200, DONE_V2 | {"response_data": {"time": "x"}},
     "undocumented field response_data.time (string)"),
    ("POST", "/api/v2/CurrentTime.json", 200, {"currentTime": "x"},
     "undocumented field currentTime (string)"),
    ("POST", "/api/v2/CurrentTime.json", 200, REFUSED_V2 | {"response_message": "Failure"},
     "response_message has the undocumented enum value 'Failure'"),
    ("POST", "/api/v2/CurrentTime.json", 401, [ERROR], "the error answer is array, documented object"),
    ("POST", "/api/v2/Time.json", 404, [ERROR], "the error answer is array, documented object"),
])  # fmt: skip
def test_each_wrong_answer_is_told(method, path, status, answer, said):
    assert [fault.split(": ", 1)[1] for fault in faults(method, path, status, answer)] == [said]


def test_a_full_answer():
    row = of_kind("object", fields={"x": of_kind("string"), "y": of_kind("string")})
    schema = of_kind("object", fields={"id": of_kind("string"), "rows": of_kind("array", items=row)})
    whole = {"id": "1", "rows": [{"x": "", "y": ""}, {}]}
    assert full.faults_of(schema, whole, {}) == []
    [fault] = full.faults_of(schema, {"id": "1", "rows": [{"x": ""}]}, {})
    assert fault.startswith("rows[].y is documented")
    [fault] = full.faults_of(schema, {"id": "1", "rows": []}, {})
    assert fault.startswith("rows[] is documented")
    assert full.faults_of(schema, {"id": "1", "rows": []}, {"rows[]": "empty here"}) == []
    assert full.faults_of(schema, {"id": "1"}, {"rows": "not built"}) == []
    [fault] = full.faults_of(schema, whole, {"rows": "stale"})
    assert fault == "rows is listed in absent.toml, but present"
    [fault] = full.faults_of(schema, whole, {"rosw": "a slip"})
    assert "not documented" in fault


def test_assert_full_names_what_is_missing():
    with pytest.raises(AssertionError, match=r"vendors\.Vendor:(.|\n)*additionalInfo is documented"):
        full.assert_full("Vendor", "vendors.yaml", {"id": "009"})


def test_the_coverage_page():
    recorder = Recorder()
    recorder.record("GET", ONE, 200, json.dumps(BILL).encode())
    recorder.record("GET", ONE, 401, json.dumps([ERROR]).encode())
    page = coverage.page(contract(), {"GET /v3/bills/{billId}"}, recorder.findings())
    assert "not made, endorsed or\nsupported by BILL" in page
    line = next(line for line in page.splitlines() if line.startswith("| bills |"))
    operations, fields, errors = line.split(" | ")[1:4]
    assert operations == "1 / 9"
    assert fields.startswith("4 / ")
    # BDC_1205 is documented for the file and by the operation itself: two entries.
    assert errors == "1 / 4"
    assert "- GET /v3/bills/{billId} · built" in page
    assert "- POST /v3/bills · not built" in page


def test_v2_is_counted_in_a_row_of_its_own():
    recorder = Recorder()
    for path, answer in (("CurrentTime", DONE_V2), ("CurrentTime", REFUSED_V2), ("Login", REFUSED_V2)):
        content = json.dumps(answer).encode()
        recorder.record("POST", f"/api/v2/{path}.json", 200, content)
    names = {"POST /api/v2/CurrentTime.json", "POST /api/v2/Login.json"}
    page = coverage.page(contract(), names, recorder.findings())
    line = next(line for line in page.splitlines() if line.startswith("| v2 |"))
    # Of the eleven fields of both envelopes four were seen, and none of Login's eight refusals.
    assert line.split(" | ")[1:4] == ["2 / 276", "4 / 11", "0 / 8"]


def test_a_stale_coverage_page_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(coverage, "current_page", lambda findings: "new\n")
    page, seen = tmp_path / "coverage.md", tmp_path / "seen.json"
    page.write_text("old\n")
    assert coverage.main(["--check"], page, seen) == 1
    assert "no full test run" in capsys.readouterr().out
    seen.write_text("{}")
    assert coverage.main(["--check"], page, seen) == 1
    assert "line 1: 'old', should be 'new'" in capsys.readouterr().out
    assert coverage.main([], page, seen) == 0
    assert coverage.main(["--check"], page, seen) == 0
