"""Vendors: what a new one looks like, how it is changed, put away and paid, and what is refused."""

import pytest

from billfold import demo_world
from billfold.books.audit import HIDDEN, AuditEntry
from tests.desk import START, V3, vendor_of

VENDORS = f"{V3}/vendors"
NOW = START.isoformat(timespec="milliseconds")
ACCOUNT, TAX_ID = "7710020033", "12-3456789"
BANK = {
    "nameOnAccount": "Acme Inc", "accountNumber": ACCOUNT, "routingNumber": "322271627",
    "type": "CHECKING", "ownerType": "BUSINESS",
}  # fmt: skip
IBAN = {
    "type": "CHECKING",
    "nameOnAccount": "Dupont SA",
    "accountNumber": "FR7630006000011234567890189",
}
PARIS = {"line1": "1 rue Cler", "city": "Paris", "zipOrPostalCode": "75007", "country": "FR"}


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


@pytest.fixture
def told(desk) -> list[str]:
    """What the rules have told since, in order."""
    said, post = [], desk.environment.post

    def listen(work):
        said.extend(event for event, _ in work.told)
        post(work)

    desk.environment.post = listen
    return said


def sees(desk, vendor: str) -> dict:
    return desk.call("GET", f"{VENDORS}/{vendor}")


def trail(desk, id: str) -> dict[str, tuple]:
    """Every field that the audit names for a row, with what it was and what it became."""
    entries = desk.reads(lambda work: work.rows(AuditEntry, subject_id=id))
    assert {entry.user_id for entry in entries} <= {demo_world.USER_ID}
    return {each.field: (each.before, each.after) for entry in entries for each in entry.changes}


# A new vendor


def test_a_vendor_of_whom_only_name_and_address_are_known(desk):
    made = desk.call("POST", VENDORS, vendor_of("Acme"), status=201)
    assert made | {"id": ""} == {
        "id": "", "archived": False, "name": "Acme", "accountType": "NONE",
        "address": vendor_of("")["address"] | {"countryName": "United States"},
        "paymentInformation": {
            "payeeName": "Acme", "payByType": "CHECK", "payBySubType": "NONE",
            "virtualCard": {"status": "UNKNOWN"},
        },
        "additionalInfo": {"track1099": False, "combinePayments": False},
        "billCurrency": "USD", "bankAccountStatus": "NO_ACCOUNT", "networkStatus": "NOT_CONNECTED",
        "recurringPayments": False, "autoPay": {"enabled": False},
        "balance": {"amount": 0, "lastUpdatedDate": NOW}, "createdTime": NOW, "updatedTime": NOW,
    }  # fmt: skip
    assert made["id"].startswith("009") and len(made["id"]) == 20
    assert sees(desk, made["id"]) == made


@pytest.mark.parametrize("country, bank, way", [
    ("US", None, "CHECK"),
    ("US", BANK, "ACH"),
    ("FR", None, "UNDEFINED"),
    ("FR", IBAN, "INTERNATIONAL_E_PAYMENT"),
])  # fmt: skip
def test_how_a_vendor_is_paid_follows_from_country_and_bank(desk, country, bank, way):
    address = vendor_of("")["address"] if country == "US" else PARIS
    payment = {"bankAccount": bank, "payByType": "WALLET"}
    made = desk.vendor(address=address, paymentInformation=payment)
    seen = sees(desk, made)
    assert seen["paymentInformation"]["payByType"] == way
    assert seen["bankAccountStatus"] == ("NO_NET_LINKED_ACCOUNT" if bank else "NO_ACCOUNT")
    assert seen["address"]["countryName"] == {"US": "United States", "FR": "France"}[country]


def test_a_payee_has_the_vendors_name_unless_another_is_said(desk):
    names = (None, "Acme"), ({}, "Acme"), ({"payeeName": None}, "Acme"), ({"payeeName": "Bo"}, "Bo")
    for sent, name in names:
        made = desk.call("POST", VENDORS, vendor_of("Acme") | {"paymentInformation": sent}, status=201)
        assert made["paymentInformation"]["payeeName"] == name, sent


def test_two_vendors_may_have_one_name(desk):
    assert desk.vendor("Acme") != desk.vendor("Acme")


def test_what_a_new_vendor_lacks_is_named_field_by_field(desk):
    said = desk.refused("POST", VENDORS, {"shortName": "A"})
    assert said == (400, ["name: must not be blank", "address: must not be null"])
    blank = {"line1": "", "city": "", "country": "US"}
    said = desk.refused("POST", VENDORS, {"name": "", "address": blank})
    assert said == (400, [
        "name: must not be blank", "address.line1: must not be blank",
        "address.city: must not be blank", "address.zipOrPostalCode: must not be blank",
    ])  # fmt: skip


@pytest.mark.parametrize("blank", ["", " ", "\t\n", None])
def test_a_name_of_blanks_is_no_name(desk, blank):
    assert desk.refused("POST", VENDORS, vendor_of(blank)) in [
        (400, ["name: must not be blank"]),
        (400, ["name: must not be null"]),
    ]


AT_BANK = "paymentInformation.bankAccount"


def with_bank(**wrong) -> dict:
    return {"paymentInformation": {"bankAccount": BANK | wrong}}


REFUSED = [
    # Sent, the code (none: the body's shape), what the message begins with
    ({"address": PARIS | {"country": "ZZ"}}, "BDC_1119", "address.country: invalid value"),
    ({"address": PARIS | {"country": "USA"}}, None, "address.country: invalid value"),
    ({"address": PARIS | {"country": "us"}}, None, "address.country: invalid value"),
    ({"billCurrency": "ZZZ"}, "BDC_1119", "billCurrency: invalid value"),
    ({"billCurrency": "US"}, None, "billCurrency: invalid value"),
    ({"paymentInformation": {"bankCountry": "ZZ"}}, "BDC_1119", "paymentInformation.bankCountry: "),
    (
        {"paymentInformation": {"paymentCurrency": "ZZZ"}}, "BDC_1119",
        "paymentInformation.paymentCurrency: ",
    ),
    (with_bank(routingNumber="322271628"), "BDC_1119", f"{AT_BANK}.routingNumber: "),
    (with_bank(routingNumber=""), "BDC_1119", f"{AT_BANK}.routingNumber: "),
    (with_bank(routingNumber=None), "BDC_1119", f"{AT_BANK}.routingNumber: "),
    (with_bank(accountNumber="123"), None, "paymentInformation.bankAccount.accountNumber: "),
    (with_bank(accountNumber="1234\n"), None, "paymentInformation.bankAccount.accountNumber: "),
    (with_bank(accountNumber="12 34"), None, "paymentInformation.bankAccount.accountNumber: "),
    (with_bank(nameOnAccount=""), None, f"{AT_BANK}.nameOnAccount: must not be blank"),
    (with_bank(type="CURRENT"), None, "paymentInformation.bankAccount.type: invalid value"),
    (
        with_bank(paymentCurrency="ZZZ"), "BDC_1119",
        "paymentInformation.bankAccount.paymentCurrency: invalid value",
    ),
    ({"accountType": "COMPANY"}, None, "accountType: invalid value"),
    ({"name": "x" * 101}, None, "name: size must be"),
    ({"shortName": "x" * 41}, None, "shortName: size must be"),
    ({"address": PARIS | {"line1": "x" * 1001}}, None, "address.line1: size must be"),
    ({"autoPay": {"daysBeforeDueDate": 61}}, None, "autoPay.daysBeforeDueDate: "),
    ({"additionalInfo": {"taxIdType": "TIN"}}, None, "additionalInfo.taxIdType: invalid value"),
]  # fmt: skip


def test_what_no_vendor_may_be(desk):
    for sent, code, message in REFUSED:
        answer = desk.answer("POST", VENDORS, vendor_of("Acme") | sent)
        assert answer.status_code == 400, (sent, answer.text)
        (error,) = answer.json()
        assert error.get("code") == code and error["message"].startswith(message), (sent, error)
    listed = desk.call("GET", VENDORS)["results"]
    assert [each["id"] for each in listed] == [demo_world.VENDOR_ID]


def test_what_a_vendor_may_just_be(desk):
    for sent in (
        {"name": "x" * 100}, {"shortName": "x" * 40}, {"address": PARIS | {"line1": "x" * 1000}},
        {"autoPay": {"daysBeforeDueDate": 60}}, {"additionalInfo": {"leadTimeInDays": 0}},
    ):  # fmt: skip
        desk.vendor(**sent)


def test_a_payment_term_must_exist(desk):
    for term in ("00p01NOSUCHTERM000none", demo_world.VENDOR_ID, demo_world.ORGANIZATION_ID):
        body = vendor_of("Acme") | {"additionalInfo": {"paymentTermId": term}}
        assert desk.refused("POST", VENDORS, body) == (422, ["BDC_1205"]), term
    kept = {"paymentTermId": demo_world.PAYMENT_TERM_ID}
    vendor = desk.vendor(additionalInfo=kept)
    assert sees(desk, vendor)["additionalInfo"].items() >= kept.items()


def test_fields_nobody_knows_are_ignored_and_booleans_may_be_texts(desk):
    more = {"nickname": "A", "additionalInfo": {"track1099": "true", "combinePayments": "false"}}
    seen = sees(desk, desk.vendor(id="mine", archived=True, **more))
    assert "nickname" not in seen and seen["archived"] is False and seen["id"] != "mine"
    assert seen["additionalInfo"] == {"track1099": True, "combinePayments": False}


@pytest.mark.parametrize("text", ["null", "Null", "true", "7"])
def test_a_text_that_looks_like_something_else_stays_a_text(desk, text):
    vendor = desk.vendor(text, shortName=text, phone=text)
    seen = sees(desk, vendor)
    assert (seen["name"], seen["shortName"], seen["phone"]) == (text, text, text)


def test_a_name_is_kept_letter_by_letter(desk):
    name = "Žižkov & Søn 株式会社 🎻 '\"\\ --"
    vendor = desk.vendor(name)
    assert sees(desk, vendor)["name"] == name
    found = desk.call("GET", VENDORS, filters=f"id:eq:{vendor}")["results"]
    assert [each["name"] for each in found] == [name]


# Many at once


def test_up_to_twenty_vendors_are_made_at_once_in_their_order(desk, told):
    names = [f"V{number}" for number in range(20)]
    made = desk.call("POST", f"{VENDORS}/bulk", [vendor_of(name) for name in names], status=201)
    assert list(made) == ["vendors"] and [each["name"] for each in made["vendors"]] == names
    assert told == ["vendor.created"] * 20


@pytest.mark.parametrize("many", [0, 21])
def test_none_and_more_than_twenty_are_refused(desk, many):
    status, errors = desk.refused("POST", f"{VENDORS}/bulk", [vendor_of("Acme")] * many)
    assert (status, len(errors)) == (400, 1) and not errors[0].startswith("BDC")


def test_one_wrong_vendor_refuses_all_of_them(desk, told):
    good = vendor_of("Acme")
    wrong = good | {"billCurrency": "ZZZ"}
    said = desk.refused("POST", f"{VENDORS}/bulk", [good, wrong, good])
    assert said == (400, ["BDC_1119", "BDC_1246", "BDC_1246"])
    errors = desk.answer("POST", f"{VENDORS}/bulk", [good, wrong, good]).json()
    assert [error["message"].split(" : ")[0] for error in errors] == ["[1]", "[0]", "[2]"]
    lost = good | {"additionalInfo": {"paymentTermId": "00p01NOSUCHTERM000none"}}
    assert desk.refused("POST", f"{VENDORS}/bulk", [lost, good]) == (422, ["BDC_1205", "BDC_1246"])
    assert len(desk.call("GET", VENDORS)["results"]) == 1 and told == []


def test_a_wrong_body_among_several_is_named_with_its_place(desk):
    body = [vendor_of("Acme"), {"name": "Best"}, vendor_of("")]
    assert desk.refused("POST", f"{VENDORS}/bulk", body) == (
        400, ["[1].address: must not be null", "[2].name: must not be blank"]
    )  # fmt: skip


# Changes


def test_a_change_touches_what_was_sent_and_merges_objects(desk, told):
    vendor = desk.vendor(
        phone="1", email="a@acme.example",
        additionalInfo={"companyName": "Acme LLC", "track1099": True},
        paymentInformation={"email": "p@acme.example", "virtualCard": {"remitEmail": "c@acme.example"}},
    )  # fmt: skip
    before = sees(desk, vendor)
    desk.advance(seconds=1)
    sent = {
        "phone": None, "address": {"city": "Elko", "line2": "Back door"},
        "additionalInfo": {"companyName": None}, "paymentInformation": {"payeeName": "Acme Payee"},
    }  # fmt: skip
    after = desk.call("PATCH", f"{VENDORS}/{vendor}", sent)
    expected = before | {"updatedTime": after["updatedTime"]}
    del expected["phone"], expected["additionalInfo"]["companyName"]
    expected["address"] |= {"city": "Elko", "line2": "Back door"}
    expected["paymentInformation"]["payeeName"] = "Acme Payee"
    assert after == expected == sees(desk, vendor)
    assert after["updatedTime"] > before["updatedTime"]
    assert told == ["vendor.created", "vendor.updated"]


@pytest.mark.parametrize("body", [
    {}, {"nickname": "A"}, {"archived": True}, {"id": "x"},
    {"paymentInformation": {"bankAccount": {"accountNumber": "1"}}}, {"autoPay": {}}, {"address": {}},
])  # fmt: skip
def test_a_change_of_nothing_that_is_known_is_refused(desk, body):
    status, (message,) = desk.refused("PATCH", f"{VENDORS}/{desk.vendor()}", body)
    assert status == 400 and message.startswith("body: ")


@pytest.mark.parametrize("body", [
    {"name": None}, {"name": ""}, {"address": None}, {"address": {"city": None}},
    {"address": {"line1": ""}},
])  # fmt: skip
def test_what_a_vendor_must_have_cannot_be_cleared(desk, body):
    vendor = desk.vendor()
    before = sees(desk, vendor)
    status, (message,) = desk.refused("PATCH", f"{VENDORS}/{vendor}", body)
    assert status == 400 and ": must not be " in message
    assert sees(desk, vendor) == before


def test_the_same_again_is_no_change_and_tells_nobody(desk, told):
    vendor = desk.vendor(shortName="A", additionalInfo={"taxId": TAX_ID})
    before = sees(desk, vendor)
    desk.advance(minutes=1)
    again = {"name": "Acme", "shortName": "A", "address": {"country": "US"}, "email": None}
    assert (
        desk.call("PATCH", f"{VENDORS}/{vendor}", again | {"additionalInfo": {"taxId": TAX_ID}})
        == before
    )
    assert told == ["vendor.created"] and trail(desk, vendor) == {}


def test_a_vendor_that_moves_abroad_is_paid_in_another_way(desk):
    vendor = desk.vendor(paymentInformation={"bankAccount": BANK})
    moved = desk.call("PATCH", f"{VENDORS}/{vendor}", {"address": PARIS})
    assert moved["paymentInformation"]["payByType"] == "INTERNATIONAL_E_PAYMENT"
    assert moved["address"]["countryName"] == "France"


def test_a_change_cannot_bring_a_bank_account(desk):
    vendor = desk.vendor()
    sent = {"phone": "1", "paymentInformation": {"bankAccount": BANK, "payByType": "ACH"}}
    after = desk.call("PATCH", f"{VENDORS}/{vendor}", sent)
    assert "bankAccount" not in after["paymentInformation"]
    assert after["paymentInformation"]["payByType"] == "CHECK"


def test_archiving_and_restoring_again_change_nothing_and_tell_nobody(desk, told):
    vendor = desk.vendor()
    for verb, archived in (("archive", True), ("restore", False)):
        desk.advance(minutes=1)
        first = desk.call("POST", f"{VENDORS}/{vendor}/{verb}")
        desk.advance(minutes=1)
        assert desk.call("POST", f"{VENDORS}/{vendor}/{verb}") == first == sees(desk, vendor)
        assert first["archived"] is archived
    assert told == ["vendor.created", "vendor.archived", "vendor.restored"]


def test_nobody_is_found_under_an_id_that_was_never_given(desk):
    nobody = "00901NOBODYHERE00none"
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"phone": "1"}), ("POST", "/archive", None),
        ("POST", "/restore", None), ("GET", "/bank-account", None),
        ("POST", "/bank-account", BANK), ("DELETE", "/bank-account", None),
    ):  # fmt: skip
        assert desk.refused(method, f"{VENDORS}/{nobody}{path}", body) == (404, ["BDC_1205"]), path


# The bank account


def test_a_vendor_gets_a_bank_account_and_loses_it(desk, told):
    vendor = desk.vendor()
    at = f"{VENDORS}/{vendor}/bank-account"
    assert desk.refused("GET", at) == (404, ["BDC_1205"])
    assert desk.refused("DELETE", at) == (404, ["BDC_1205"])
    shown = BANK | {"accountNumber": "*****0033", "status": "VERIFIED", "regulatoryFields": []}
    made = desk.call("POST", at, BANK, status=200)
    # An empty list may be left out.
    assert made | {"regulatoryFields": []} == shown and desk.call("GET", at) == made
    seen = sees(desk, vendor)
    assert seen["paymentInformation"]["bankAccount"] == made
    assert seen["paymentInformation"]["payByType"] == "ACH"
    assert desk.refused("POST", at, BANK) == (422, ["BDC_1233"])
    assert desk.answer("DELETE", at).status_code == 204
    seen = sees(desk, vendor)
    assert "bankAccount" not in seen["paymentInformation"]
    assert seen["paymentInformation"]["payByType"] == "CHECK"
    assert desk.refused("GET", at) == (404, ["BDC_1205"])
    desk.call("POST", at, BANK, status=200)
    assert told == ["vendor.created"] + ["vendor.updated"] * 3


def test_deleting_answers_nothing(desk):
    answer = desk.answer("DELETE", f"{VENDORS}/{demo_world.VENDOR_ID}/bank-account")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("wrong, code, named", [
    ({"routingNumber": "123456789"}, "BDC_1119", "routingNumber"),
    ({"routingNumber": None}, "BDC_1119", "routingNumber"),
    ({"accountNumber": None}, None, "accountNumber"),
    ({"nameOnAccount": ""}, None, "nameOnAccount"),
    ({"paymentCurrency": "ZZZ"}, "BDC_1119", "paymentCurrency"),
])  # fmt: skip
def test_what_no_bank_account_may_be(desk, wrong, code, named):
    vendor = desk.vendor()
    answer = desk.answer("POST", f"{VENDORS}/{vendor}/bank-account", BANK | wrong)
    (error,) = answer.json()
    assert (answer.status_code, error.get("code")) == (400, code)
    assert error["message"].startswith(f"{named}: ")
    assert "bankAccount" not in sees(desk, vendor)["paymentInformation"]


def test_an_account_abroad_needs_no_routing_number(desk):
    vendor = desk.vendor(address=PARIS)
    made = desk.call("POST", f"{VENDORS}/{vendor}/bank-account", IBAN, status=200)
    assert made["accountNumber"] == "*****0189" and "routingNumber" not in made
    assert sees(desk, vendor)["paymentInformation"]["payByType"] == "INTERNATIONAL_E_PAYMENT"


def test_an_account_abroad_says_what_kind_it_is(desk):
    at = f"{VENDORS}/{desk.vendor(address=PARIS)}/bank-account"
    assert desk.refused("POST", at, IBAN | {"type": None}) == (400, ["BDC_1119"])


def test_twenty_bank_accounts_at_once_are_one(desk):
    at = f"{VENDORS}/{desk.vendor()}/bank-account"
    statuses = [answer.status_code for answer in desk.together([("POST", at, BANK)] * 20)]
    assert (statuses.count(200), statuses.count(422)) == (1, 19)


# Automatic payments


@pytest.mark.parametrize("enabled", [True, "true"])
def test_automatic_payment_needs_trust_and_is_not_served_yet(desk, enabled):
    vendor = desk.vendor()
    sent = {"autoPay": {"enabled": enabled, "bankAccountId": demo_world.BANK_ACCOUNT_ID}}
    asks = [
        ("POST", VENDORS, vendor_of("Best") | sent),
        ("POST", f"{VENDORS}/bulk", [vendor_of("Best") | sent]),
        ("PATCH", f"{VENDORS}/{vendor}", sent),
    ]
    assert [desk.refused(*ask) for ask in asks] == [(422, ["BDC_1143"])] * 3
    desk.signs_in(trusted=False)
    assert [desk.refused(*ask) for ask in asks] == [(403, ["BDC_1361"])] * 3
    for off in (None, {}, {"enabled": "false"}):
        desk.vendor(autoPay=off)


# Secrets and the audit


def test_no_account_or_tax_number_lies_in_the_clear(sqlite_url, open_desk, folder):
    desk = open_desk(sqlite_url)
    desk.signs_in()
    vendor = desk.vendor(
        additionalInfo={"taxId": TAX_ID, "taxIdType": "EIN"}, paymentInformation={"bankAccount": BANK}
    )
    other = "987-65-4329"
    after = desk.call("PATCH", f"{VENDORS}/{vendor}", {"additionalInfo": {"taxId": other}})
    assert after["additionalInfo"]["taxId"] == other
    desk.call("DELETE", f"{VENDORS}/{vendor}/bank-account", status=204)
    desk.call("POST", f"{VENDORS}/{vendor}/bank-account", BANK, status=200)
    files = list(folder.glob("billfold.db*"))
    written = b"".join(path.read_bytes() for path in files)
    assert (
        b"Acme Inc" in written and [s for s in (ACCOUNT, TAX_ID, other) if s.encode() in written] == []
    )


def test_the_audit_names_field_before_and_after(desk):
    vendor = desk.vendor(phone="1", shortName="A")
    assert trail(desk, vendor) == {}
    sent = {"phone": "2", "shortName": None, "email": "a@acme.example", "address": {"city": "Reno"}}
    desk.call("PATCH", f"{VENDORS}/{vendor}", sent)
    assert trail(desk, vendor) == {
        "phone": ("1", "2"), "short_name": ("A", None), "email": (None, "a@acme.example"),
    }  # fmt: skip
    desk.call("POST", f"{VENDORS}/{vendor}/archive")
    assert trail(desk, vendor)["archived"] == (False, True)


def test_the_audit_hides_what_is_sealed(desk):
    vendor = desk.vendor(additionalInfo={"taxId": TAX_ID})
    desk.call("PATCH", f"{VENDORS}/{vendor}", {"additionalInfo": {"taxId": None}})
    assert trail(desk, vendor)["tax_id"] == (HIDDEN, None)
    desk.call("PATCH", f"{VENDORS}/{vendor}", {"additionalInfo": {"taxId": "1"}})
    desk.call("POST", f"{VENDORS}/{vendor}/bank-account", BANK, status=200)
    seen = trail(desk, vendor)
    assert seen["tax_id"] == (None, HIDDEN) and seen["pay_by_type"] == ("CHECK", "ACH")
    assert seen["bank_account_id"][1].startswith("vba")


def test_a_refused_change_leaves_no_trace(desk):
    vendor = desk.vendor()
    desk.refused("PATCH", f"{VENDORS}/{vendor}", {"phone": "2", "billCurrency": "ZZZ"})
    assert trail(desk, vendor) == {}
