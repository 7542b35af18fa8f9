"""The OpenAPI document and the page written from it: complete, valid, and loading nothing."""

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.testclient import TestClient

from billfold.app import OPERATIONS
from billfold.door import reference
from billfold.door.examples import Example
from billfold.door.gates import CONTROL, EVENTS, PUBLIC, SIGNED_IN, TRUSTED
from billfold.door.openapi import document
from billfold.door.operations import Operations
from billfold.door.wire import Name, Nothing, Query, Wire
from billfold.examples import EXAMPLES
from billfold.kit.errors import BILL_OVERPAID
from billfold.kit.listing import Asked
from billfold.kit.work import Work


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


class Part(Wire):
    """It holds `parts` of its own."""

    amount: Decimal
    colour: Colour = Colour.RED
    rate: Decimal = Decimal("1.50")
    parts: list["Part"] = []


class Order(Wire):
    name: Name
    vendor_id: str
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    parts: Annotated[list[Part], msgspec.Meta(min_length=2, max_length=50)]
    first: Part | None = None
    by_colour: dict[str, Part] = {}


class Window(Query):
    start_date: str
    colour: Colour | None = None


odd = Operations("odd")


@odd.get("/odd/orders", SIGNED_IN)
def list_orders(work: Work, asked: Asked) -> list[Order]:
    """List <b>orders</b> & more. Not `<i>only</i>` yours.

    A second paragraph."""
    return []


@odd.get("/odd/report", EVENTS)
def get_report(work: Work, window: Window) -> Part | None:
    """One report"""
    return None


@odd.post("/odd/orders/{order_id}/pay", TRUSTED, idempotent=True, refuses=[BILL_OVERPAID])
def pay_order(work: Work, order_id: str, request: Order) -> None:
    """Pay it."""


@odd.put("/odd/many", PUBLIC)
def replace_many(work: Work, request: list[Order], window: Window) -> Order:
    raise NotImplementedError


@odd.post("/odd/reset", CONTROL, status=204)
def begin_again(work: Work, request: Nothing = Nothing()) -> None:
    """Begin again."""


@odd.get("/odd/older", PUBLIC, older=True)
def older_spelling(work: Work) -> Part:
    """Not shown."""
    return Part(Decimal(0))


TABLES = {"ours": OPERATIONS, "odd": list(odd)}


@pytest.fixture(params=TABLES)
def table(request):
    return TABLES[request.param]


def shown(table) -> set[tuple[str, str]]:
    """The paths of the table as the document spells them."""

    def camel(name: re.Match) -> str:
        return re.sub(r"_(\w)", lambda letter: letter[1].upper(), name[0])

    return {(each.method, re.sub(r"{\w+}", camel, each.path)) for each in table if not each.older}


def said_in(said: dict):
    for path, methods in said["paths"].items():
        for method, each in methods.items():
            yield method.upper(), path, each


def test_the_document_is_valid(table):
    validate(document(table))


def test_every_operation_is_in_the_document_and_nothing_else(table):
    assert {(method, path) for method, path, _ in said_in(document(table))} == shown(table)


def test_operation_ids_are_unique(table):
    ids = [each["operationId"] for _, _, each in said_in(document(table))]
    assert len(ids) == len(set(ids))


def test_two_operations_of_one_name_are_found_out():
    twice = Operations("twice")
    twice.get("/one", PUBLIC)(older_spelling)
    twice.get("/two", PUBLIC)(older_spelling)
    with pytest.raises(AssertionError, match="olderSpelling"):
        document(twice)


def test_no_reference_dangles_and_no_decimal_is_left(table):
    text = json.dumps(document(table))
    names = json.loads(text)["components"]["schemas"]
    assert {ref for ref in re.findall(r'"#/components/schemas/([^"]+)"', text)} <= set(names)
    assert '"decimal"' not in text


def test_written_twice_it_is_the_same(table):
    assert reference.page(table) == reference.page(table)


def test_two_processes_write_the_same():
    """In which the same texts have other hashes."""
    command = [sys.executable, "-m", "billfold.cli", "openapi"]
    one, other = (
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        for seed in ("1", "2")
    )
    assert one.stdout == other.stdout and b"payments/bulk" in one.stdout


REACHED = {
    ("GET", "/odd/orders"): "400 BDC_1102, 400 BDC_1129, 400 BDC_1130, 400 BDC_1131, 401 BDC_1109, "
    "422 BDC_1144, 422 BDC_1322",
    (
        "GET",
        "/odd/report",
    ): "400 -, 400 BDC_1129, 401 BDC_1102, 401 BDC_1109, 422 BDC_1144, 422 BDC_1322",
    (
        "POST",
        "/odd/orders/{orderId}/pay",
    ): "400 -, 400 BDC_1102, 400 BDC_1122, 401 BDC_1109, 403 BDC_1361, "
    "404 BDC_1205, 413 -, 422 BDC_1144, 422 BDC_1159, 422 BDC_1322, 429 -",
    ("PUT", "/odd/many"): "400 -, 400 BDC_1122, 400 BDC_1129, 413 -",
    ("POST", "/odd/reset"): "400 -, 400 BDC_1122, 401 -, 404 BDC_1121, 413 -",
}


@pytest.mark.parametrize("at", REACHED, ids=" ".join)
def test_the_refusals_that_can_be_reached(at):
    each = {(method, path): each for method, path, each in said_in(document(odd))}[at]
    found = {
        f"{status} {problem['code'] or '-'}"
        for status, answer in each["responses"].items()
        for problem in answer.get("x-problems", ())
    }
    assert found == {*REACHED[at].split(", "), "500 BDC_1001", "503 BDC_1001"}


def test_a_limit_of_the_webhook_api_is_429_and_no_422():
    for method, path, each in said_in(document(OPERATIONS)):
        if each["tags"] == ["webhooks"]:
            found = [problem["code"] for problem in each["responses"]["429"]["x-problems"]]
            assert {"BDC_1144", "BDC_1322"} <= set(found) and "422" not in each["responses"], (
                method,
                path,
            )


def test_schemas_are_named_by_what_they_are():
    names = document(OPERATIONS)["components"]["schemas"]
    assert {"BillsPaymentStatus", "PaymentsPaymentStatus", "SubscriptionStatus"} <= names.keys()
    assert not [name for name in names if "." in name]


def test_words_headers_parameters_and_bodies():
    paths = document(odd)["paths"]
    listed, paid = paths["/odd/orders"]["get"], paths["/odd/orders/{orderId}/pay"]["post"]
    assert listed["summary"] == "List <b>orders</b> & more"
    assert listed["description"] == "Not `<i>only</i>` yours.\n\nA second paragraph."
    assert [each["name"] for each in listed["parameters"]] == ["max", "page", "sort", "filters"]
    assert paid["security"] == [{"sessionId": [], "devKey": []}]
    order, key = paid["parameters"]
    assert (order["name"], order["in"]) == ("orderId", "path")
    assert (key["name"], key["in"], key["required"]) == ("X-Idempotent-Key", "header", True)
    assert key["schema"] == {"type": "string", "format": "uuid"}
    assert paid["requestBody"]["required"]
    assert "content" not in paid["responses"]["201"]
    reset = paths["/odd/reset"]["post"]
    assert reset["security"] == []
    assert not reset["requestBody"]["required"]
    asked = paths["/odd/report"]["get"]["parameters"]
    assert [(each["name"], each["required"]) for each in asked] == [
        ("startDate", True),
        ("colour", False),
    ]
    assert "null" not in json.dumps(asked)


def test_money_is_a_number():
    part = document(odd)["components"]["schemas"]["Part"]["properties"]
    assert part["amount"] == {"type": "number"}
    assert part["rate"] == {"type": "number", "default": 1.5}


def test_the_examples_hold_to_the_schemas(table):
    said = document(table)
    plain = reference._Reader(said["components"]["schemas"]).plain
    for _, path, each in said_in(said):
        if request := each.get("requestBody"):
            schema = request["content"]["application/json"]["schema"]
            whole = {**schema, "components": said["components"]}
            example = Example(EXAMPLES, plain, each).value("", schema)
            faults = [
                fault.message for fault in jsonschema.Draft202012Validator(whole).iter_errors(example)
            ]
            assert not faults, (path, example)


def test_the_page_holds_every_path(table):
    html = reference.page(table)
    for method, path in shown(table):
        assert re.search(rf">{method}</span> <span class=\"path\">{re.escape(path)}</span>", html)


def test_the_page_loads_nothing_and_runs_nothing(table):
    html = reference.page(table)
    assert not re.search(r"<script|<iframe|\ssrc=|\sstyle=|\son\w+=|@import|url\(", html)
    assert set(re.findall(r'<link[^>]*href="([^"]*)"', html)) == {"data:,"}
    links = re.findall(r'<a [^>]*href="([^"]*)"', html)
    assert all(link[0] == "#" or link == "openapi.json" for link in links)


def test_the_links_of_the_page_lead_somewhere(table):
    html = reference.page(table)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_what_docstrings_hold_is_text():
    html = reference.page(odd)
    assert "List &lt;b&gt;orders&lt;/b&gt; &amp; more." in html
    assert "<code>&lt;i&gt;only&lt;/i&gt;</code>" in html
    assert "<b>" not in html and "<i>" not in html


def test_the_web_gives_the_page_with_a_policy_that_forbids_the_rest():
    client = TestClient(Starlette(routes=[reference.route(odd)]))
    plain = client.get("/docs", headers={"accept-encoding": "identity"})
    small = client.get("/docs", headers={"accept-encoding": "gzip"})
    assert plain.text == small.text == reference.page(odd)
    assert small.headers["content-encoding"] == "gzip"
    assert plain.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
