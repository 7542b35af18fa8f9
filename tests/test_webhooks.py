"""Being told: subscriptions, signed notifications, retries, and what is said of what happened."""

import asyncio
import base64
import hashlib
import hmac
import json
import uuid

import pytest

from billfold import demo_world
from billfold.events.outbox import Delivery, Event
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.idempotency import IdempotencyKey
from tests.desk import CONTROL, EVENTS, START, V3, bill_of, vendor_of
from tests.receiver import Receiver

SUBSCRIPTIONS = f"{EVENTS}/subscriptions"
ALL = [
    *(f"vendor.{what}" for what in ("created", "updated", "archived", "restored")),
    *(f"bill.{what}" for what in ("created", "updated", "archived", "restored")),
    "payment.updated",
]


def request_of(url: str, *types: str, **more) -> dict:
    events = [{"type": type, "version": "1"} for type in types or ALL]
    return {
        "name": "All",
        "status": {"enabled": True},
        "events": events,
        "notificationUrl": url,
        **more,
    }


def subscribes(desk, url: str, *types: str, key: str | None = None, **more) -> dict:
    headers = {"X-Idempotent-Key": key or str(uuid.uuid4())}
    return desk.call("POST", SUBSCRIPTIONS, request_of(url, *types, **more), headers=headers)


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def test_a_notification_is_signed_over_its_exact_bytes(desk, receiver):
    made = subscribes(desk, receiver.url, "bill.created")
    vendor = desk.vendor("Acme")
    bill = desk.owes(vendor, 228.99, "202601", purchaseOrderNumber="PO-1")
    desk.advance(seconds=1)
    ((_, headers, body, _),) = receiver.got
    right = base64.b64encode(hmac.new(made["securityKey"].encode(), body, hashlib.sha256).digest())
    assert headers["x-bill-sha-signature"] == right.decode()
    assert headers["content-type"] == "application/json"
    said = json.loads(body)
    assert body == json.dumps(said, separators=(",", ":")).encode().replace(b"228.99", b"228.99")
    (event,) = [e for e in desk.reads(lambda w: w.rows(Event)) if e.event_type == "bill.created"]
    assert said["metadata"] == {
        "eventId": event.id, "subscriptionId": made["id"], "eventType": "bill.created",
        "organizationId": demo_world.ORGANIZATION_ID, "version": "1",
    }  # fmt: skip
    assert said["bill"] == {
        "id": bill, "vendorId": vendor, "vendorName": "Acme", "amount": 228.99, "archived": False,
        "invoice": {"invoiceNumber": "202601", "invoiceDate": "2027-01-04T00:00:00.000Z"},
        "createdTime": "2027-01-04T17:00:00.000+00:00", "dueDate": "2027-12-31",
        "updatedTime": "2027-01-04T17:00:00.000+00:00", "createdBy": demo_world.USER_ID,
        "paymentStatus": "UNPAID", "purchaseOrderNumber": "PO-1",
    }  # fmt: skip


def test_a_payment_is_told_of_at_every_step_and_nothing_else(desk, receiver):
    subscribes(desk, receiver.url)
    bill = desk.owes(demo_world.VENDOR_ID, 142)
    body = {
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
        "payments": [{"billId": bill, "amount": 142}],
    }  # fmt: skip
    (payment,) = desk.call("POST", f"{V3}/payments/bulk", body, status=201)["payments"]
    desk.advance(days=10)
    assert sorted(receiver.told()[:3]) == [
        "bill.created UNPAID", "bill.updated SCHEDULED", "payment.updated SCHEDULED",
    ]  # fmt: skip
    assert sorted(receiver.told()[3:5]) == ["bill.updated PAID", "payment.updated FUNDING_STARTED"]
    assert receiver.told()[5:] == [
        "payment.updated PROCESSED", "payment.updated SENT", "payment.updated CLEARED",
    ]  # fmt: skip
    last = receiver.bodies[-1]["payment"]
    times = {name: last.pop(name) for name in ("createdTime", "updatedTime")}
    assert times["updatedTime"] == "2027-01-08T14:00:00.000+00:00"
    assert last == {
        "id": payment["id"], "billIds": [bill], "transactionNumber": payment["transactionNumber"],
        "status": "CLEARED", "createdBy": demo_world.USER_ID, "processDate": "2027-01-05",
        "funding": {"amount": 142.0, "currency": "USD", "fundingAccount": {
            "id": demo_world.BANK_ACCOUNT_ID, "type": "BANK_ACCOUNT", "name": "Operating",
            "accountNumber": "*****2333"}},
        "disbursement": {"amount": 142.0, "currency": "USD", "arrivesByDate": "2027-01-08",
            "disbursementAccount": {"type": "BANK_ACCOUNT", "accountNumber": "*****4321"}},
        "vendor": {"id": demo_world.VENDOR_ID, "name": "Juniper Supply"}, "billingType": "BDC",
    }  # fmt: skip
    first = next(b["payment"] for b in receiver.bodies if "payment" in b)
    assert first["disbursement"]["disbursementAccount"] == {}


def test_vendors_are_told_of_once_a_change(desk, receiver):
    subscribes(desk, receiver.url)
    vendor = desk.vendor("Acme")
    path = f"{V3}/vendors/{vendor}"
    desk.call("PATCH", path, {"name": "Acme Two", "address": {"city": "Elko"}})
    desk.call("PATCH", path, {"name": "Acme Two"})
    for _ in range(2):
        desk.call("POST", f"{path}/archive")
    desk.call("POST", f"{path}/restore")
    desk.advance(seconds=1)
    assert sorted(receiver.told()) == [
        "vendor.archived Acme Two", "vendor.created Acme", "vendor.restored Acme Two",
        "vendor.updated Acme Two",
    ]  # fmt: skip


def test_a_refused_payment_is_told_of_though_nothing_of_it_remains(desk, receiver):
    subscribes(desk, receiver.url, "payment.failed")
    bill = desk.owes(demo_world.VENDOR_ID, 10)
    bank = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    body = {"fundingAccount": bank, "payments": [{"billId": bill, "amount": 11}]}
    refusal = desk.answer("POST", f"{V3}/payments/bulk", body).json()
    # Not told of: a body without shape, and a session that is not let in.
    desk.refused("POST", f"{V3}/payments/bulk", {"payments": []})
    desk.refused("POST", f"{V3}/payments/bulk", body, session="")
    desk.advance(seconds=1)
    (said,) = receiver.bodies
    now = "2027-01-04T17:00:00.000+00:00"
    # As a payment has one that was sent without: twenty capitals.
    number = said["payment"].pop("transactionNumber")
    assert len(number) == 20 and number.isalpha() and number.isupper()
    assert said["payment"] == {
        "bills": [{"id": bill, "amount": 11.0}], "createdBy": demo_world.USER_ID,
        "createdTime": now, "updatedTime": now, "fundingAccount": bank,
        "vendor": {"id": demo_world.VENDOR_ID, "name": "Juniper Supply"},
    }  # fmt: skip
    (reason,) = said["errors"]
    assert reason == {"code": "BDC_1159", "message": refusal[0]["message"], "timestamp": now}
    assert desk.sees(bill)["dueAmount"] == 10


def test_nobody_hears_of_what_was_refused_or_not_asked_for(desk, receiver):
    subscribes(desk, receiver.url, "vendor.archived")
    vendor = desk.vendor()
    desk.refused("POST", f"{V3}/bills/bulk", [bill_of(vendor, 1, "1"), bill_of(vendor, 1, "1")])
    desk.advance(seconds=1)
    assert receiver.got == []
    assert [event.event_type for event in desk.reads(lambda w: w.rows(Event))] == ["vendor.created"]


def test_a_receiver_who_never_answers_well_is_asked_five_times_and_left_alone(desk, receiver):
    receiver.status = 500
    made = subscribes(desk, receiver.url)
    desk.vendor("Acme")
    desk.advance(minutes=5)
    waits = [(when - START).total_seconds() for when, *_ in receiver.got]
    assert waits == [0, 2, 6, 14, 30]
    assert len({body for _, _, body, _ in receiver.got}) == 1
    desk.vendor("Best")
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    assert desk.call("GET", path)["status"] == {"enabled": False}
    receiver.status = 200
    desk.call("PATCH", path, {"status": {"enabled": True}})
    desk.vendor("Cove")
    desk.advance(seconds=1)
    assert receiver.told()[5:] == ["vendor.created Cove"]


@pytest.mark.parametrize("status", [201, 204, 302, 400, 503])
def test_only_two_hundred_counts_and_redirects_are_not_followed(sqlite_desk, status):
    desk = sqlite_desk
    desk.signs_in()
    receiver = Receiver(desk)
    url = desk.runner.run(receiver.open())
    receiver.status = status
    subscribes(desk, url)
    desk.vendor()
    desk.advance(seconds=3)
    assert [path for *_, path in receiver.got] == ["/hook", "/hook"]
    (delivery,) = desk.reads(lambda w: w.rows(Delivery))
    assert (delivery.status_code, delivery.attempts, delivery.state) == (status, 2, "PENDING")
    receiver.status = 200
    desk.advance(seconds=4)
    (delivery,) = desk.reads(lambda w: w.rows(Delivery))
    assert (delivery.status_code, delivery.state) == (200, "DELIVERED")
    desk.runner.run(receiver.close())


def test_a_receiver_that_is_not_there_is_tried_again(desk):
    subscribes(desk, "http://127.0.0.1:9/hook")
    desk.vendor()
    desk.advance(seconds=1)
    (delivery,) = desk.reads(lambda w: w.rows(Delivery))
    assert (delivery.status_code, delivery.attempts) == (None, 1) and delivery.failure


def test_what_waits_when_a_subscription_ends_is_not_sent(desk, receiver):
    receiver.status = 500
    made = subscribes(desk, receiver.url)
    desk.vendor()
    desk.advance(seconds=1)
    assert desk.call("DELETE", f"{SUBSCRIPTIONS}/{made['id']}") == {}
    desk.advance(minutes=5)
    (delivery,) = desk.reads(lambda w: w.rows(Delivery))
    assert (len(receiver.got), delivery.state) == (1, "STOPPED")
    assert desk.refused("GET", f"{SUBSCRIPTIONS}/{made['id']}") == (404, ["BDC_1205"])


def test_one_event_is_told_to_two_with_one_id(desk, receiver):
    subscribes(desk, receiver.url, "vendor.created")
    subscribes(desk, f"{receiver.url}?second", "vendor.created")
    desk.vendor()
    desk.advance(seconds=1)
    metadata = [body["metadata"] for body in receiver.bodies]
    assert len({each["eventId"] for each in metadata}) == 1
    assert len({each["subscriptionId"] for each in metadata}) == 2


def test_the_same_key_is_answered_with_the_same_subscription(desk, receiver):
    key = str(uuid.uuid4())
    made = subscribes(desk, receiver.url, key=key)
    assert len(made["securityKey"]) >= 32
    assert subscribes(desk, receiver.url, key=key) == made
    assert subscribes(desk, receiver.url, key=key.upper()) == made
    seen = desk.call("GET", f"{SUBSCRIPTIONS}/{made['id']}")
    assert seen == {name: value for name, value in made.items() if name != "securityKey"}
    assert desk.call("GET", SUBSCRIPTIONS) == {"results": [seen]}
    desk.advance(hours=24)
    desk.signs_in()
    headers = {"X-Idempotent-Key": key}
    refusal = desk.refused("POST", SUBSCRIPTIONS, request_of(receiver.url), headers=headers)
    assert refusal[0] == 400  # Forgotten after a day: now it is a second subscription like the first.


def test_twenty_at_once_with_one_key_make_one_subscription(desk, receiver):
    """However the key is spelled."""
    key = str(uuid.uuid4())
    headers = {"X-Idempotent-Key": key}

    async def all_at_once():
        asked = (
            desk.asks(
                "POST", SUBSCRIPTIONS, request_of(receiver.url),
                headers={"X-Idempotent-Key": spelled},
            )
            for spelled in [key, key.upper()] * 10
        )  # fmt: skip
        return await asyncio.gather(*asked)

    answers = desk.runner.run(all_at_once())
    # Who comes while the first is being done is told so, who comes later what was done.
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len({answer.text for answer in answers if answer.status_code == 200}) == 1
    in_flight = next(answer for answer in answers if answer.status_code == 429)
    assert [error["severity"] for error in in_flight.json()] == ["ERROR"]
    again = desk.call("POST", SUBSCRIPTIONS, request_of(receiver.url), headers=headers)
    made = next(answer for answer in answers if answer.status_code == 200)  # Whoever came first.
    assert again["securityKey"] in made.text
    assert len(desk.call("GET", SUBSCRIPTIONS)["results"]) == 1


def test_a_failed_request_frees_its_key(desk, receiver):
    key = str(uuid.uuid4())
    headers = {"X-Idempotent-Key": key}
    wrong = request_of(receiver.url, "no.such.event")
    assert desk.refused("POST", SUBSCRIPTIONS, wrong, headers=headers) == (400, ["BDC_1119"])
    assert desk.reads(lambda w: w.connection.where(IdempotencyKey)) == []
    subscribes(desk, receiver.url, key=key)


@pytest.mark.parametrize("key", ["", "no uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
def test_a_key_is_a_uuid_of_version_four(desk, key):
    body = request_of("http://127.0.0.1:9/")
    refusal = desk.refused("POST", SUBSCRIPTIONS, body, headers={"X-Idempotent-Key": key})
    assert refusal[0] == 400 and refusal[1][0].startswith("X-Idempotent-Key: ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"status": {}}, {"events": []}, {"notificationUrl": "ftp://x.example/"},
        {"notificationUrl": "http://"}, {"notificationUrl": "nonsense"},
        {"notificationUrl": "http://user:pw@x.example/"}, {"notificationUrl": "http://x:99999/"},
        {"events": [{"type": "bill.created", "version": "2"}]},
        {"events": [{"type": "spend.transaction.updated", "version": "1"}]},
    ],
)  # fmt: skip
def test_what_cannot_be_subscribed_to(desk, wrong):
    body = request_of("http://127.0.0.1:9/hook") | wrong
    headers = {"X-Idempotent-Key": str(uuid.uuid4())}
    refused = desk.call("POST", SUBSCRIPTIONS, body, 400, headers=headers)
    assert {error["category"] for error in refused} == {"REQUEST"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/a\r\nX: y", "http://127.0.0.1:9/a ", "http://127.0.0.1:9/a\t",
        " http://127.0.0.1:9/a", "http://127.0.0.1 x:9/", "http://127.0.0.1:9/a b",
        "http://127.0.0.1:9/\x7f", "http://127.0.0.1:9/\x1f", "\nhttp://x:9/",
    ],
)  # fmt: skip
def test_an_url_has_neither_blanks_nor_controls(desk, url):
    made = subscribes(desk, "http://127.0.0.1:9/hook")
    headers = {"X-Idempotent-Key": str(uuid.uuid4())}
    refused = (400, ["BDC_1119"])
    assert desk.refused("POST", SUBSCRIPTIONS, request_of(url), headers=headers) == refused
    for method, body in (("PATCH", {"notificationUrl": url}), ("PUT", request_of(url))):
        assert desk.refused(method, f"{SUBSCRIPTIONS}/{made['id']}", body) == refused


def test_ten_subscriptions_and_no_two_alike(desk):
    urls = [f"http://127.0.0.1:9/{number}" for number in range(10)]
    made = [subscribes(desk, url, "bill.created", "bill.updated") for url in urls]
    headers = lambda: {"X-Idempotent-Key": str(uuid.uuid4())}
    eleventh = request_of("http://127.0.0.1:9/x", "bill.created")
    (refused,) = desk.call("POST", SUBSCRIPTIONS, eleventh, 400, headers=headers())
    assert refused["category"] == "REQUEST"
    desk.call("DELETE", f"{SUBSCRIPTIONS}/{made[0]['id']}")
    alike = request_of(urls[1], "bill.updated", "bill.created")
    assert desk.refused("POST", SUBSCRIPTIONS, alike, headers=headers())[0] == 400
    moved = {"notificationUrl": urls[2]}
    assert desk.refused("PATCH", f"{SUBSCRIPTIONS}/{made[1]['id']}", moved)[0] == 400
    subscribes(desk, urls[0])
    page = desk.call("GET", SUBSCRIPTIONS, max=6)
    rest = desk.call("GET", SUBSCRIPTIONS, max=6, nextPage=page["nextPage"])
    ids = [each["id"] for each in page["results"] + rest["results"]]
    assert len(set(ids)) == 10 and "nextPage" not in rest


def test_a_replaced_subscription_keeps_id_and_key(desk, receiver):
    made = subscribes(desk, "http://127.0.0.1:9/", "bill.created")
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    replaced = desk.call("PUT", path, request_of(receiver.url, "vendor.created", name="Vendors"))
    assert (replaced["id"], replaced["name"]) == (made["id"], "Vendors")
    desk.vendor()
    desk.advance(seconds=1)
    ((_, headers, body, _),) = receiver.got
    right = hmac.new(made["securityKey"].encode(), body, hashlib.sha256).digest()
    assert base64.b64decode(headers["x-bill-sha-signature"]) == right


def test_a_new_security_key_signs_from_now_on(desk, receiver):
    made = subscribes(desk, receiver.url, "vendor.created")
    for spelling in ("security-key", "security_key"):
        headers = {"X-Idempotent-Key": str(uuid.uuid4())}
        path = f"{SUBSCRIPTIONS}/{made['id']}/{spelling}"
        key = desk.call("POST", path, headers=headers)["securityKey"]
        assert key != made["securityKey"]
        assert desk.call("POST", path, headers=headers)["securityKey"] == key
    desk.vendor()
    desk.advance(seconds=1)
    ((_, headers, body, _),) = receiver.got
    right = hmac.new(key.encode(), body, hashlib.sha256).digest()
    assert base64.b64decode(headers["x-bill-sha-signature"]) == right


def test_missing_credentials_are_400_and_wrong_ones_401(desk):
    path = f"{SUBSCRIPTIONS}/{uuid.uuid4()}"
    assert desk.refused("GET", path, session="") == (
        400, ["devKey: must not be blank", "sessionId: must not be blank"],
    )  # fmt: skip
    assert desk.refused("GET", path, headers={"devKey": ""}) == (400, ["devKey: must not be blank"])
    assert desk.refused("GET", path, headers={"sessionId": "x"}) == (401, ["BDC_1109"])
    assert desk.refused("GET", path) == (404, ["BDC_1205"])
    one = str(uuid.uuid4())
    for wrong in ("nonsense", one.replace("-", ""), f"{{{one}}}", f"urn:uuid:{one}"):
        assert desk.refused("GET", f"{SUBSCRIPTIONS}/{wrong}") == (
            400, ["subscriptionId: must be a UUID"],
        ), wrong  # fmt: skip


def test_the_catalog_is_a_bare_array(desk):
    catalog = desk.call("GET", f"{EVENTS}/events/catalog")
    assert {"type": "payment.updated", "versions": ["1"]} in catalog
    assert len(catalog) == 21 and not any(each["type"].startswith("spend.") for each in catalog)
    desk.call("GET", f"{EVENTS}/health", session="")


def test_production_sends_only_by_https_to_the_internet(database_url, open_desk):
    desk = open_desk(database_url, policy="production")
    desk.signs_in(trusted=False)
    for url in ("http://hooks.example.test/", "https://127.0.0.1/", "https://10.1.2.3/",
                "https://localhost/", "https://[::1]/", "https://169.254.169.254/"):  # fmt: skip
        headers = {"X-Idempotent-Key": str(uuid.uuid4())}
        assert desk.refused("POST", SUBSCRIPTIONS, request_of(url), headers=headers)[0] == 400, url


def test_a_name_that_leads_to_a_private_address_is_not_connected_to(sqlite_url, open_desk, monkeypatch):
    """The name looks public when it is subscribed to; where it leads is seen when connecting."""
    desk = open_desk(sqlite_url, policy="production")
    desk.signs_in(trusted=False)
    monkeypatch.setattr("billfold.events.subscriptions.may_be_public", lambda host: True)
    subscribes(desk, "https://localhost:9443/hook")
    desk.vendor()
    desk.runner.run(_run_agenda(desk))
    (delivery,) = desk.reads(lambda w: w.rows(Delivery))
    assert "no address of the internet" in delivery.failure


async def _run_agenda(desk):
    from billfold.kit import agenda

    await agenda.run_due(desk.environment)


def test_a_receiver_may_ask_and_write_back_during_a_jump(desk, receiver):
    """It reads the payment it is told of, and files a bill, while thirty days pass."""
    subscribes(desk, receiver.url, "payment.updated")
    vendor = desk.vendor("Acme")
    bills = [desk.owes(vendor, 10) for _ in range(3)]
    body = {
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
        "payments": [{"billId": bill, "amount": 10} for bill in bills],
    }  # fmt: skip
    desk.call("POST", f"{V3}/payments/bulk", body, status=201)
    seen = []

    async def answer_back(said: dict) -> None:
        login = {
            "username": demo_world.USERNAME, "password": demo_world.PASSWORD,
            "organizationId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY,
        }  # fmt: skip
        session = (await desk.asks("POST", f"{V3}/login", login, session="")).json()["sessionId"]
        payment = await desk.asks("GET", f"{V3}/payments/{said['payment']['id']}", session=session)
        filed = await desk.asks(
            "POST",
            f"{V3}/bills",
            bill_of(vendor, 1, said["metadata"]["eventId"][-12:]),
            session=session,
        )
        seen.append((said["payment"]["status"], payment.json()["singleStatus"], filed.status_code))

    receiver.then = answer_back
    said = desk.advance(days=30)
    # Three payments by check, each told of as scheduled and at five steps.
    assert len(seen) == 18 and said["failed"] == 0
    assert all(status == now and code == 201 for status, now, code in seen)


def test_requests_during_a_jump_do_not_disturb_it(desk):
    """Reads go on for the whole jump, each of them looking at the clock that is being walked."""
    vendor = desk.vendor("Acme")
    bank = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    for number in range(12):
        bill = desk.owes(vendor, 1, f"P-{number}")
        body = {"fundingAccount": bank, "payments": [{"billId": bill, "amount": 1}]}
        desk.call("POST", f"{V3}/payments/bulk", body, status=201)

    async def jump() -> dict:
        jumping = asyncio.create_task(
            desk.asks("POST", f"{CONTROL}/clock", {"advance": {"days": 30}}, session="")
        )
        login = {
            "username": demo_world.USERNAME, "password": demo_world.PASSWORD,
            "organizationId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY,
        }  # fmt: skip

        async def poll() -> int:
            asked, session = 0, desk.session
            while not jumping.done():
                answer = await desk.asks("GET", f"{V3}/vendors/{vendor}", session=session)
                if answer.status_code == 401:
                    answer = await desk.asks("POST", f"{V3}/login", login, session="")
                    session = answer.json()["sessionId"]
                asked += 1
                await asyncio.sleep(0)
            return asked

        polled = await asyncio.gather(*(poll() for _ in range(3)))
        assert min(polled) > 10
        return (await jumping).json()

    assert desk.runner.run(jump())["done"] == {"payment.step": 60}
    desk.signs_in()
    found = desk.call("GET", f"{V3}/payments", max=100)["results"]
    assert {payment["singleStatus"] for payment in found} == {"CLEARED"}
    assert desk.reads(lambda w: w.connection.where(AgendaItem)) == []


def test_a_jump_waits_for_its_deliveries_side_by_side(desk, receiver):
    async def slowly(_: dict) -> None:
        await asyncio.sleep(0.3)

    receiver.then = slowly
    subscribes(desk, receiver.url, "vendor.created")
    for number in range(10):
        desk.call("POST", f"{V3}/vendors", vendor_of(f"V{number}"), status=201)
    assert desk.advance(seconds=1)["done"] == {"event.deliver": 10}
    assert len(receiver.got) == 10


def test_the_worker_delivers_by_itself(sqlite_url, open_desk):
    desk = open_desk(sqlite_url, start=None, worker=True)
    desk.signs_in()
    receiver = Receiver(desk)
    url = desk.runner.run(receiver.open())
    subscribes(desk, url, "vendor.created")
    desk.vendor()

    async def wait() -> None:
        async with asyncio.timeout(10):
            while not receiver.got:
                await asyncio.sleep(0.02)

    desk.runner.run(wait())
    desk.runner.run(receiver.close())
    assert desk.call("GET", f"{CONTROL}/clock", session="")["frozen"] is False
