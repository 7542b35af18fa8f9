"""Bad input: whatever a stranger sends is answered in the wire's form, quickly, and never by a 5xx."""

import json
from time import process_time

import pytest

from billfold import demo_world
from billfold.app import OPERATIONS
from billfold.door.problems import PROBLEMS_MAX
from billfold.door.wire import decode, decoder
from billfold.events.history_v3 import TestEventRequest
from billfold.kit.errors import Refusal
from tests.contract.reading import contract
from tests.desk import V3, bill_of, vendor_of

VENDOR = f"{V3}/vendors/{demo_world.VENDOR_ID}"
VENDORS, BILLS = f"{V3}/vendors", f"{V3}/bills"
# Where a body is read: method, path, a good body; one of them is a bare array, one needs no session.
READS = [
    ("POST", VENDORS, vendor_of("Acme")),
    ("POST", f"{VENDORS}/bulk", [vendor_of("Acme")]),
    ("PATCH", VENDOR, {"phone": "1"}),
    ("POST", f"{VENDOR}/bank-account", {"nameOnAccount": "A", "accountNumber": "12345678"}),
    ("POST", BILLS, bill_of(demo_world.VENDOR_ID, 1, "1")),
    ("POST", f"{BILLS}/bulk", [bill_of(demo_world.VENDOR_ID, 1, "1")]),
    ("PUT", f"{BILLS}/00n01NOBODYHERE00none", bill_of(demo_world.VENDOR_ID, 1, "1")),
    ("PATCH", f"{BILLS}/00n01NOBODYHERE00none", {"description": "A"}),
    ("POST", f"{V3}/login", {"username": "a", "password": "b", "organizationId": "c", "devKey": "d"}),
    ("POST", f"{V3}/mfa/challenge/validate", {"challengeId": "a", "token": "1"}),
    ("POST", f"{V3}/users", {"firstName": "A", "lastName": "B", "email": "a@b.test"}),
    ("POST", f"{V3}/partner/login", {"username": "a", "password": "b", "appKey": "c"}),
]
BY_ROUTE = pytest.mark.parametrize("method, path, good", READS, ids=lambda each: str(each)[:60])
DEEP = 20_000
MEGABYTE = 1024 * 1024
# A tenth of this is what is meant; the machine that runs the tests may be busy.
SECONDS_MAX = 0.5


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def said(desk, method: str, path: str, body, **options) -> list[dict]:
    """The errors of a refusal, which has the wire's form whatever was asked."""
    answer = desk.answer(method, path, body, **options)
    assert 400 <= answer.status_code < 500, (path, body if len(str(body)) < 300 else "", answer.text)
    assert answer.headers["content-type"] == "application/json"
    errors = answer.json()
    assert isinstance(errors, list) and 1 <= len(errors) <= 100
    for error in errors:
        assert {"timestamp", "severity", "category", "message"} <= set(error)
        assert error["severity"] == "ERROR" and error["message"]
        assert set(error) <= {"timestamp", "severity", "category", "message", "code"}
    return errors


NO_JSON = [
    b"{", b"[", b"]", b"}{", b"nonsense", b"'a'", b'{"a":1,}', b'{"a" 1}', b'{"a":1} x', b'{"a":NaN}',
    b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":01}', b'{"a":+1}', b'{"a":.5}', b'{"a":1.}',
    b'{"a":"\xff\xfe"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}',
    b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\x00"}', b'{"a":"\n"}', b"\x00", b"\xff\xfe{\x00}\x00",
    b'{"a":"', b'{"a":tru', b"\xef\xbb\xbf{}", b"x=1&y=2",
]  # fmt: skip


@BY_ROUTE
def test_a_body_that_is_no_json(desk, method, path, good):
    for body in NO_JSON:
        said(desk, method, path, body)


@BY_ROUTE
def test_no_body_at_all(desk, method, path, good):
    for body in (b"", b" ", b"\n\t"):
        (error,) = said(desk, method, path, body)
        assert error["category"] == "REQUEST" and "code" not in error


@BY_ROUTE
def test_a_body_of_another_kind(desk, method, path, good):
    bare = isinstance(good, list)
    for body in (
        b"null",
        b"true",
        b"7",
        b'"text"',
        b"1.5",
        b"{}" if bare else b"[]",
        b"[[]]",
        b"[null]",
    ):
        (error, *_) = said(desk, method, path, body)
        assert error["category"] == "REQUEST"


def nested(good, deep: bytes) -> list[bytes]:
    """As the whole body, as an unknown field and as each known one."""
    body = good[0] if isinstance(good, list) else good
    wrap = (lambda text: b"[" + text + b"]") if isinstance(good, list) else (lambda text: text)
    bodies = [deep]
    for name in ["unknown", *list(body)[:2]]:
        rest = json.dumps({key: value for key, value in body.items() if key != name})[:-1].encode()
        bodies.append(
            wrap(rest + (b"," if len(rest) > 1 else b"") + f'"{name}":'.encode() + deep + b"}")
        )
    return bodies


@BY_ROUTE
def test_a_body_nested_as_deep_as_a_well(desk, method, path, good):
    slowest = 0.0
    deeps = [
        b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"[" * DEEP, b'{"a":' * DEEP,
        b'[{"a":' * DEEP + b"1" + b"}]" * DEEP, b"[" * 65 + b"]" * 65,
    ]  # fmt: skip
    for deep in deeps:
        for body in nested(good, deep):
            began = process_time()
            said(desk, method, path, body)
            slowest = max(slowest, process_time() - began)
    print(f"deepest: {slowest * 1000:.1f} ms")
    assert slowest < SECONDS_MAX


def test_what_is_wide_and_not_deep_is_read(desk):
    """Brackets in texts, and many beside each other, are no depth."""
    wide = {"unknown": [[{}] * 2000, "[" * 5000, '"[\\"' * 100, "\\"]}
    desk.call("POST", VENDORS, vendor_of("[" * 90) | wide, status=201)


@BY_ROUTE
def test_a_body_of_more_than_a_megabyte(desk, method, path, good):
    larger = json.dumps(good).encode().ljust(MEGABYTE + 1)
    began = process_time()
    answer = desk.answer(method, path, larger)
    seconds = process_time() - began
    print(f"larger than a megabyte: {seconds * 1000:.1f} ms")
    assert answer.status_code == 413 and answer.json()[0]["category"] == "REQUEST"
    assert seconds < SECONDS_MAX


def test_a_megabyte_is_read_whatever_is_in_it(desk):
    """Each is a worst case of some reader: quotes, escapes, brackets, digits, keys, faults."""
    body = json.dumps(vendor_of("Acme"))[:-1].encode()
    field = lambda value: body + b',"unknown":' + value + b"}"
    bill = json.dumps(bill_of(demo_world.VENDOR_ID, "@", "1")).encode()
    size = MEGABYTE - 1000
    worst = {
        "escaped quotes, never closed": b"[" * 70 + b'"' + b'\\"' * (size // 2),
        "backslashes, never closed": b"[" * 70 + b'"' + b"\\" * size,
        "quotes": b"[" * 70 + b'"' * size,
        "a long text": b'{"name":"' + b"a" * size,
        "brackets": b"[]" * (size // 2),
        "crossed brackets": b"[}" * (size // 2),
        "closing brackets": b"[" * 65 + b"]" * size,
        "objects": b"[" + b"{}," * (size // 3) + b"{}]",
        "digits": field(b"9" * size),
        "digits of an amount": bill.replace(b'"@"', b"9" * size),
        "decimals of an amount": bill.replace(b'"@"', b"0." + b"9" * size),
        "digits of a text amount": bill.replace(b'"@"', b'"' + b"9" * size + b'"'),
        "digits of days": body + b',"autoPay":{"daysBeforeDueDate":' + b"9" * size + b"}}",
        "keys": b"{" + b'"a":1,' * (size // 6) + b'"a":1}',
        "names": b'{"name":' + b"[" + b"1," * (size // 2) + b"1]}",
        "lines": bill.replace(b'[{"amount": "@"}]', b"[" + b"{}," * (size // 3) + b"{}]"),
        "credits": bill[:-1] + b',"vendorCredits":[' + b'{"id":1},' * (size // 9) + b"{}]}",
        "escapes": b'{"name":"' + b"\\u00e9" * (size // 6) + b'"}',
    }
    for path, what, text in [
        *((VENDORS, what, text) for what, text in worst.items()),
        *((BILLS, what, text) for what, text in worst.items()),
    ]:
        assert len(text) <= MEGABYTE, what
        began = process_time()
        answer = desk.answer("POST", path, text)
        seconds = process_time() - began
        print(f"{path} {what}: {seconds * 1000:.1f} ms, {answer.status_code}")
        assert answer.status_code < 500 and seconds < SECONDS_MAX, (what, seconds, answer.text[:200])
        assert len(answer.content) < 200_000, what


NUMBERS = [
    "NaN", "-NaN", "Infinity", "1E+200000", "-1E+200000", "1E-200000", "1E+99999999999999999999",
    "1E-99999999999999999999", "1e400", "9" * 30, "9" * 400, "9" * 5000, "-" + "9" * 5000,
    "0." + "9" * 5000, "99999999999999999999999.99", "18446744073709551616", "-9223372036854775809",
    "true", "null", '"NaN"', '"sNaN"', '"Infinity"', '"1E+200000"', '"1E+99999999999999999999"',
    '"ten"', '""', '" "', '"0x10"', '"1,000.00"', "[1]", '{"value":1}', '"\\u0000"', '"1\\u0000"',
]  # fmt: skip


def test_what_is_no_amount(desk):
    for field in ("amount", "quantity", "price"):
        line = {"amount": 1, "quantity": 1, "price": 1} | {field: "@"}
        body = bill_of(demo_world.VENDOR_ID, 1, "1") | {"billLineItems": [line]}
        for number in NUMBERS:
            if number == "null":
                continue
            text = json.dumps(body).replace('"@"', number).encode()
            errors = said(desk, "POST", BILLS, text)
            assert all(
                "billLineItems" in e["message"] or e.get("code") == "BDC_1122" or "NUL" in e["message"]
                for e in errors
            )
    assert desk.call("GET", BILLS)["results"] == []


def test_what_is_no_number_of_days(desk):
    # Nearest to a whole number that may be: 0 and 1.
    as_good_as = ("null", "1E-200000", "1E-99999999999999999999", "0." + "9" * 5000)
    for number in NUMBERS:
        for name, inside in (("autoPay", "daysBeforeDueDate"), ("additionalInfo", "leadTimeInDays")):
            body = json.dumps(vendor_of("Acme") | {name: {inside: "@"}}).replace('"@"', number)
            if number in as_good_as:
                assert desk.answer("POST", VENDORS, body.encode()).status_code < 500, number
            else:
                said(desk, "POST", VENDORS, body.encode())


def test_unknown_numbers_are_ignored_however_they_are_written(desk):
    for number in NUMBERS:
        body = json.dumps(vendor_of("Acme") | {"unknown": "@"}).replace('"@"', number).encode()
        assert desk.answer("POST", VENDORS, body).status_code < 500, number
        # Beside a fault, for which the body is read a second time.
        said(desk, "POST", VENDORS, body.replace(b'"name": "Acme"', b'"name": 7.5'))


WRONG = [7, 7.5, True, [], {}, ["a"], {"a": 1}, [None], "x" * 5000]


def test_every_field_of_a_wrong_type(desk):
    full = vendor_of("Acme") | {
        "shortName": "A", "accountType": "NONE", "paymentInformation": {
            "payeeName": "A", "paymentPurpose": {"text": "a"}, "virtualCard": {"remitEmail": "a"},
            "bankAccount": {"nameOnAccount": "A", "accountNumber": "1234", "regulatoryFields": []},
        },
        "additionalInfo": {"taxId": "1", "track1099": True, "leadTimeInDays": 1},
        "autoPay": {"enabled": False, "maxAmount": 1},
    }  # fmt: skip
    bill = bill_of(demo_world.VENDOR_ID, 1, "1") | {
        "classifications": {"itemId": None}, "vendorCredits": [], "billApprovals": False,
    }  # fmt: skip
    for path, body in ((VENDORS, full), (BILLS, bill)):
        for sent in mistaken(body):
            answer = desk.answer("POST", path, sent)
            assert answer.status_code < 500, (sent, answer.text)


def mistaken(body):
    """The body with each of its values, at any depth, replaced by each wrong one."""
    places = body.items() if isinstance(body, dict) else enumerate(body)
    for at, value in list(places):
        for wrong in WRONG:
            yield {**body, at: wrong} if isinstance(body, dict) else [wrong]
        if isinstance(value, (dict, list)) and value:
            for inner in mistaken(value):
                yield {**body, at: inner} if isinstance(body, dict) else [inner]


# Texts that a database may refuse


def test_no_text_holds_a_nul(desk):
    """PostgreSQL keeps none; both databases refuse it alike, and nothing of it is stored."""
    for method, path, body in (
        ("POST", VENDORS, vendor_of("A\0")),
        ("POST", VENDORS, vendor_of("A") | {"shortName": "\0"}),
        ("POST", VENDORS, vendor_of("A") | {"additionalInfo": {"taxId": "1\0"}}),
        ("POST", VENDORS, vendor_of("A") | {"paymentInformation": {"paymentPurpose": {"text": "\0"}}}),
        ("POST", f"{VENDORS}/bulk", [vendor_of("A"), vendor_of("\0")]),
        ("PATCH", VENDOR, {"phone": "\0"}),
        ("PATCH", VENDOR, {"address": {"city": "Re\0no"}}),
        ("POST", BILLS, bill_of("00901\0", 1, "1")),
        ("POST", BILLS, bill_of(demo_world.VENDOR_ID, 1, "\0")),
        ("POST", BILLS, bill_of(demo_world.VENDOR_ID, 1, "1") | {"description": "\0"}),
        ("POST", BILLS, bill_of(demo_world.VENDOR_ID, 1, "1") | {"classifications": {"itemId": "\0"}}),
        ("POST", f"{V3}/login", READS[8][2] | {"username": "\0"}),
        ("POST", f"{V3}/login", READS[8][2] | {"organizationId": "\0"}),
        ("POST", f"{V3}/mfa/challenge/validate", {"challengeId": "\0", "token": "1"}),
    ):
        said(desk, method, path, body)
    names = {row["name"] for row in desk.call("GET", VENDORS)["results"]}
    assert names == {"Juniper Supply"} and desk.call("GET", BILLS)["results"] == []


def test_an_escaped_backslash_before_u0000_is_a_text_like_any_other(desk):
    name = "C:\\u0000"
    vendor = desk.vendor(name)
    assert desk.call("GET", f"{VENDORS}/{vendor}")["name"] == name


def test_odd_texts_are_kept_as_they_came(desk):
    for name in (
        "\u2028",
        "\U0001f3bb",
        "\u202eevil",
        "\x7f",
        "a\tb",
        "\ufffe",
        "'; DROP TABLE vendors;--",
    ):
        vendor = desk.vendor(name if name.strip() else f"a{name}")
        assert name in desk.call("GET", f"{VENDORS}/{vendor}")["name"]


@pytest.mark.parametrize("query", [
    "filters=name:eq:%00", "filters=name:sw:a%00", "page=%00", "sort=%00", "max=%00", "filters=%00",
    "filters=%ff", "filters=%ed%a0%80", "page=%ff", "max=%2b", "filters=%22", "page=" + "A" * 5000,
    "filters=" + "a" * 5000, "filters=id:in:%22%00%22", "filters=createdTime:gt:%00",
])  # fmt: skip
def test_an_odd_query_string(desk, query):
    for path in (VENDORS, BILLS):
        said(desk, "GET", f"{path}?{query}", None)


ODD = [
    "%00", "a%00b", "%ff%fe", "%ed%a0%80", "%F0%9F%8E%BB", "x" * 5000, "%2e%2e", "..%2f..%2fetc", "%20",
    "%2F", "%2f%2f",
    "'", "%22", "%3Cscript%3E", "-1", "0", "null", "undefined", "%0a",
    "00901DEMOVENDOR0dem%4F", "{vendor_id}",
]  # fmt: skip


def test_an_odd_id(desk):
    for id in ODD:
        for method, path, body in (
            ("GET", f"{VENDORS}/{id}", None), ("PATCH", f"{VENDORS}/{id}", {"phone": "1"}),
            ("POST", f"{VENDORS}/{id}/archive", None), ("GET", f"{VENDORS}/{id}/bank-account", None),
            ("GET", f"{BILLS}/{id}", None), ("POST", f"{BILLS}/{id}/restore", None),
            ("PUT", f"{BILLS}/{id}", READS[4][2]), ("GET", f"{V3}/funding-accounts/banks/{id}", None),
        ):  # fmt: skip
            answer = desk.answer(method, path, body)
            assert answer.status_code == 404, (method, path[:200], answer.text[:200])
            assert answer.json()[0]["code"] in ("BDC_1205", "BDC_1121")


def test_a_slash_in_an_id_ends_no_part_of_the_path(desk):
    first = f"/env/{desk.settings.first}"
    for path in (
        f"{VENDORS}/a%2Fb",
        f"{first}{VENDORS}/a%2fb",
        f"{first}{BILLS}/%2F",
        f"{BILLS}/%2f%2F",
    ):
        assert desk.refused("GET", path) == (404, ["BDC_1205"]), path
    for path in (
        f"/env%2F{first[5:]}{VENDORS}",
        f"/%65nv/{first[5:]}{V3}%2Fvendors",
        f"{V3}%2Fvendors",
    ):
        assert desk.refused("GET", path) == (404, ["BDC_1121"]), path


def test_what_is_named_and_is_not_there(desk):
    bill = desk.sees(desk.owes(demo_world.VENDOR_ID, 10))
    line = bill["billLineItems"][0]["id"]
    for method in ("PATCH", "PUT"):
        body = bill_of(bill["vendorId"], 1, "1") | {"billLineItems": [{"id": line, "amount": 1}] * 2}
        refused = desk.refused(method, f"{BILLS}/{bill['id']}", body)
        assert refused == (400, ["billLineItems[1].id: stands on another line, too"])
    account = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    body = {"vendorId": "00901NOPE", "fundingAccount": account}
    body |= {"payments": [{"billId": bill["id"], "amount": 1}]}
    assert desk.refused("POST", f"{V3}/payments/bulk", body) == (422, ["BDC_1205"])


# Faults


def test_of_many_thousand_unknown_ids_a_thousand_are_told(desk):
    lines = [{"amount": 1, "classifications": {"jobId": f"job01NONE{n:07}none"}} for n in range(2_000)]
    answer = desk.answer("POST", f"{V3}/bills/bulk", [
        bill_of(demo_world.VENDOR_ID, "1", f"I{n}") | {"billLineItems": lines[n * 500 : n * 500 + 500]}
        for n in range(4)
    ])  # fmt: skip
    assert answer.status_code == 422 and len(answer.json()) == PROBLEMS_MAX


def test_a_thousand_faults_are_told_by_their_first_hundred(desk):
    body = bill_of(demo_world.VENDOR_ID, 1, "1") | {"billLineItems": [{"amount": "ten"}] * 1000}
    status, faults = desk.refused("POST", BILLS, body)
    assert status == 400 and len(faults) == 100
    assert faults[99].startswith("billLineItems[99].amount: ")


# Before the body


@BY_ROUTE
def test_who_may_not_come_in_is_not_listened_to(desk, method, path, good):
    if path.endswith("/login"):
        return
    for body in (b"", b"{", b"[" * DEEP, b" " * (MEGABYTE + 1), b'{"a":"\\u0000"}'):
        for options in (
            {"session": ""},
            {"session": "invented"},
            {"headers": {"devKey": demo_world.PARTNER_DEVELOPER_KEY}},
        ):
            answer = desk.answer(method, path, body, **options)
            assert (answer.status_code, answer.json()[0]["code"]) == (401, "BDC_1109"), options


def test_the_address_itself_leads_to_the_reference(desk):
    answer = desk.answer("GET", "/", session="")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/healthz", "/metrics", "/signup"])
def test_a_slash_at_the_end_says_nothing(desk, path):
    plain, slashed = (desk.answer("GET", at, session="") for at in (path, f"{path}/"))
    assert plain.status_code == slashed.status_code == 200
    assert plain.headers.get("content-type") == slashed.headers.get("content-type")


def test_a_body_that_is_announced_as_too_large_is_not_waited_for(desk):
    desk.signs_in(trusted=False)
    headers = {"content-length": "5000000000"}
    answer = desk.answer("POST", f"{V3}/bills", b"{", headers=headers)
    assert (answer.status_code, answer.json()[0]["category"]) == (413, "REQUEST")


@pytest.mark.parametrize("path", [
    f"{V3}/nothing", f"{V3}/vendors/a/b/c", f"{V3}/Vendors", "/connect", "/connect/v4/vendors",
    f"{V3}/vendors/bulk/archive", "/%00", "/../etc/passwd", f"{V3}/v%65ndors/x/y",
])  # fmt: skip
def test_a_path_that_leads_nowhere(desk, path):
    for options in ({}, {"session": ""}):
        assert desk.refused("GET", path, **options) == (404, ["BDC_1121"])


@pytest.mark.parametrize("method, path, allowed", [
    ("DELETE", VENDORS, "GET, POST"),
    ("PUT", VENDOR, "GET, PATCH"),
    ("GET", f"{VENDOR}/archive", "POST"),
    ("PATCH", f"{VENDOR}/bank-account", "DELETE, GET, POST"),
    ("DELETE", f"{BILLS}/x", "GET, PATCH, PUT"),
    ("GET", f"{V3}/login", "POST"),
    ("BREW", VENDORS, "GET, POST"),
])  # fmt: skip
def test_a_method_that_a_path_does_not_know(desk, method, path, allowed):
    answer = desk.answer(method, path)
    assert (answer.status_code, answer.json()[0]["code"]) == (405, "BDC_1121")
    assert answer.headers["allow"] == allowed


def test_double_and_trailing_slashes_say_nothing(desk):
    for path in (f"{VENDORS}/", f"{VENDORS}///", f"/connect//v3/vendors//{demo_world.VENDOR_ID}///"):
        desk.call("GET", path)
    bulk = [bill_of(demo_world.VENDOR_ID, 1, "1")]
    assert len(desk.call("POST", f"{BILLS}/bulk/", bulk, status=201)) == 1


def test_a_name_asked_twice_counts_with_its_last_value(desk):
    answer = desk.call("GET", f"{VENDORS}?max=0&max=1&unknown=1")
    assert len(answer["results"]) == 1


def test_a_header_that_no_one_reads_hurts_nobody(desk):
    for headers in ({"x-a": "é".encode()}, {"content-type": "text/plain"}, {"accept": "text/html"}):
        desk.call("POST", VENDORS, vendor_of("A"), status=201, headers=headers)


@pytest.mark.parametrize("number", [
    "1_000", "\u0663", "\uff11\uff12", "1\u0663.5", "1__0", "_1", "1_", "1e_2", "1_e2",
])  # fmt: skip
def test_only_a_number_as_json_writes_it_is_a_number(desk, number):
    """Python would take more: what is an amount of money is not guessed."""
    for field in ("amount", "quantity", "price"):
        line = {"amount": 1, "quantity": 1, "price": 1} | {field: number}
        body = bill_of(demo_world.VENDOR_ID, 1, "1") | {"billLineItems": [line]}
        (error,) = said(desk, "POST", BILLS, body)
        assert error["message"].startswith(f"billLineItems[0].{field}: ")
    assert desk.refused("GET", BILLS, max=number) == (400, ["BDC_1129"])
    desk.call("POST", BILLS, bill_of(demo_world.VENDOR_ID, "1000.25", "\u0663_1"), status=201)


def test_null_says_what_leaving_out_says(desk):
    """Clients write out what they have not set."""
    nothing = {
        "accountType": None, "billCurrency": None, "autoPay": {"enabled": None},
        "additionalInfo": {"track1099": None, "combinePayments": None},
        "paymentInformation": {"virtualCard": None},
    }  # fmt: skip
    vendor = desk.call("POST", VENDORS, vendor_of("Acme") | nothing, status=201)
    assert (vendor["accountType"], vendor["billCurrency"]) == ("NONE", "USD")
    info = {"track1099": True, "combinePayments": True}
    id, other = vendor["id"], {"accountType": "BUSINESS", "additionalInfo": info}
    desk.call("PATCH", f"{VENDORS}/{id}", other)
    emptied = desk.call("PATCH", f"{VENDORS}/{id}", nothing)
    assert emptied["accountType"] == "NONE" and emptied["additionalInfo"]["track1099"] is False
    untouched = {"paymentInformation": None, "additionalInfo": None, "autoPay": None}
    desk.call("PATCH", f"{VENDORS}/{id}", untouched)
    assert desk.refused("PATCH", f"{VENDORS}/{id}", {"name": None})[0] == 400
    bill = bill_of(id, 5, "1") | {"billApprovals": None, "vendorCredits": None}
    bill_id = desk.call("POST", BILLS, bill, status=201)["id"]
    options = dict.fromkeys(("createBill", "requestPayFaster", "requestCheckDeliveryType"))
    payment = {
        "billId": bill_id, "amount": 5, "processingOptions": options, "vendorCredits": None,
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
    }  # fmt: skip
    desk.call("POST", f"{V3}/payments", payment, status=201)
    desk.call("POST", f"{V3}/mfa/challenge", {"useBackup": None})


def test_a_number_in_the_place_of_a_text_is_none_however_large(desk):
    """Also beside a null, for which the body is read a second time."""
    for number in (b"1", b"1.5", b"1E+99999999999999999999"):
        body = json.dumps(vendor_of("Acme") | {"accountType": None, "shortName": "@"}).encode()
        (error,) = said(desk, "POST", VENDORS, body.replace(b'"@"', number))
        assert error["message"].startswith("shortName: ")


@pytest.mark.parametrize(("path", "status"), [
    ("/connect/v3/vendors/bulk", 405), ("/connect-events/v3/subscriptions", 404),
    ("/connect-events/v3/events/catalog", 404), ("/connect-events/v3/nothing", 404),
    ("//connect-events/v3/health", 404), ("/connect-events", 404),
])  # fmt: skip
def test_a_wrong_method_of_the_webhook_api_is_no_such_operation(desk, path, status):
    """(`webhooks.yaml`, error_refs: wrong path or method)"""
    answer = desk.answer("DELETE", path)
    assert (answer.status_code, answer.json()[0]["code"]) == (status, "BDC_1121")
    assert ("allow" in answer.headers) is (status == 405)


def test_a_documented_path_that_is_not_built_is_no_id_of_another(desk):
    """Whatever of the contract is not served says so: there is no such API (BDC_1121)."""
    tried = 0
    served = {(each.method, each.path) for each in OPERATIONS}
    for operation in contract().operations.values():
        path = f"/{'connect' if operation.host == 'connect' else 'connect-events'}{operation.path}"
        if "{" in operation.path or (operation.method, path) in served:
            continue
        tried += 1
        answer = desk.answer(operation.method, path, {} if operation.method != "GET" else None)
        known = operation.host == "connect" and any(path == other for _, other in served)
        assert answer.status_code == (405 if known else 404), (operation.name, answer.text)
        assert answer.json()[0]["code"] == "BDC_1121", operation.name
    assert tried > 20


def test_a_cursor_belongs_to_its_list(desk):
    for number in range(3):
        desk.owes(demo_world.VENDOR_ID, 1, str(number))
    page = desk.call("GET", BILLS, max=1)["nextPage"]
    assert desk.refused("GET", VENDORS, page=page) == (400, ["BDC_1129"])
    desk.call("GET", BILLS, page=page)


@pytest.mark.parametrize("beside", ["", ', {"a": null}'])
def test_what_is_no_number_is_refused_also_where_anything_may_stand(beside):
    body = b'{"bill": {"any": [1E+99999999999999999999%s]}}' % beside.encode()
    with pytest.raises(Refusal):
        decode(decoder(TestEventRequest), body)
    assert decode(decoder(TestEventRequest), body.replace(b"E+99999999999999999999", b"")).bill
