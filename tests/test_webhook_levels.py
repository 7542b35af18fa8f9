"""Levels of subscriptions, what each hears and sees, and histories: looked through, sent again."""

import asyncio
import base64
import hashlib
import hmac
import json
import uuid

import psycopg
import pytest

from billfold import demo_world
from billfold.access import credentials, organizations, sessions
from billfold.events.catalog import SPEND_TYPES, TYPES
from billfold.events.outbox import Delivery
from billfold.events.samples_v3 import ENTITY_OF
from billfold.kit import agenda_items, worker
from billfold.kit.callers import Caller
from billfold.kit.secrets import digest
from tests.desk import EVENTS, START, V3, vendor_of
from tests.receiver import Receiver
from tests.test_webhooks import SUBSCRIPTIONS, request_of

CHILD = {
    "name": "Child Ltd",
    "address": {"line1": "1 Way", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"},
}  # fmt: skip
LEVELS = ("organization", "partner", "spend")
FIRST_TYPE = {"organization": "bill.created", "partner": "bill.created", "spend": SPEND_TYPES[0]}


class Callers:
    """Headers of each level."""

    def __init__(self, desk) -> None:
        desk.signs_in()
        self.desk = desk
        self.organization = {"sessionId": desk.session, "devKey": demo_world.DEVELOPER_KEY}
        asked = {
            "username": demo_world.PARTNER_USERNAME, "password": demo_world.PARTNER_PASSWORD,
            "appKey": demo_world.APPLICATION_KEY,
        }  # fmt: skip
        session = desk.call("POST", f"{V3}/partner/login", asked, session="")["sessionId"]
        self.partner = {"sessionId": session, "appKey": demo_world.APPLICATION_KEY}
        make = lambda work: credentials.api_token(work, demo_world.ORGANIZATION_ID, demo_world.USERNAME)
        self.spend = {"apiToken": desk.writes(make, None)}

    def call(self, level: str, method: str, path: str, body=None, headers=None, **more):
        headers = getattr(self, level) | (headers or {})
        return self.desk.call(method, path, body, session="", headers=headers, **more)

    def refused(self, level: str, method: str, path: str, body=None, headers=None, **more):
        headers = getattr(self, level) | (headers or {})
        return self.desk.refused(method, path, body, session="", headers=headers, **more)

    def subscribes(self, level: str, url: str, *types: str) -> dict:
        key = {"X-Idempotent-Key": str(uuid.uuid4())}
        body = request_of(url, *(types or (FIRST_TYPE[level],)))
        return self.call(level, "POST", SUBSCRIPTIONS, body, headers=key)

    def founds_child(self) -> dict:
        """An organization of the partner's, with a user who is signed in to it: id and headers."""
        at = f"{V3}/partner/organizations"
        child = self.desk.call("POST", at, CHILD, status=201, session="", headers=self.partner)["id"]
        user = {
            "firstName": "Cy", "lastName": "Child", "email": f"cy@{child.lower()}.example",
            "username": f"cy{child[-9:]}",
            "acceptTermsOfService": True,
        }  # fmt: skip
        headers = self.partner | {"organizationId": child}
        made = self.desk.call(
            "POST", f"{V3}/partner/users", user, status=201, session="", headers=headers
        )
        asked = {"organizationId": child, "userId": made["id"]}
        said = self.desk.call(
            "POST", f"{V3}/partner/login-as-user", asked, session="", headers=self.partner
        )
        key = demo_world.PARTNER_DEVELOPER_KEY
        return {"id": child, "headers": {"sessionId": said["sessionId"], "devKey": key}}

    def writes_vendor(self, child: dict, name: str) -> str:
        said = self.desk.call(
            "POST", f"{V3}/vendors", vendor_of(name), status=201, session="", headers=child["headers"]
        )
        return said["id"]


@pytest.fixture
def callers(desk) -> Callers:
    return Callers(desk)


def owner_of(level: str) -> str:
    return {
        "organization": demo_world.ORGANIZATION_ID, "partner": demo_world.PARTNER_ID,
        "spend": organizations.company_id(demo_world.ORGANIZATION_ID),
    }[level]  # fmt: skip


def test_a_subscription_is_seen_at_its_own_level_alone(callers):
    """Every operation, asked for a subscription of each level at each level."""
    for level in LEVELS:
        made = callers.subscribes(level, "http://127.0.0.1:9/hook")
        assert made["organizationId"] == owner_of(level)
        event = callers.call(level, "POST", f"{SUBSCRIPTIONS}/{made['id']}/test")["id"]
        one, whole = f"{SUBSCRIPTIONS}/{made['id']}", request_of("http://127.0.0.1:9/hook", "x.y")
        whole["events"] = [{"type": FIRST_TYPE[level], "version": "1"}]
        history = f"{EVENTS}/events/subscription/{made['id']}"
        key = lambda: {"X-Idempotent-Key": str(uuid.uuid4())}
        asked = [
            ("GET", one, None, None), ("PATCH", one, {"name": "N"}, None), ("PUT", one, whole, None),
            ("POST", f"{one}/test", {}, None), ("POST", f"{one}/security-key", None, key),
            ("POST", f"{one}/security_key", None, key), ("GET", history, None, None),
            ("POST", f"{history}/event/{event}", None, None), ("DELETE", one, None, None),
        ]  # fmt: skip
        for other in LEVELS:
            if other != level:
                assert callers.call(other, "GET", SUBSCRIPTIONS) == {"results": []}
                for method, path, body, makes in asked:
                    if method == "PUT":
                        body = {**body, "events": [{"type": FIRST_TYPE[other], "version": "1"}]}
                    headers = makes() if makes else None
                    said = callers.refused(other, method, path, body, headers=headers)
                    assert said == (404, ["BDC_1205"]), (level, other, method, path)
        assert [each["id"] for each in callers.call(level, "GET", SUBSCRIPTIONS)["results"]] == [
            made["id"]
        ]
        for method, path, body, makes in asked:
            callers.call(level, method, path, body, headers=makes() if makes else None)


def test_what_can_be_subscribed_to_at_each_level(callers):
    for level, types in (("organization", TYPES), ("partner", TYPES), ("spend", SPEND_TYPES)):
        catalog = callers.call(level, "GET", f"{EVENTS}/events/catalog")
        assert catalog == [{"type": type, "versions": ["1"]} for type in types]
    key = {"X-Idempotent-Key": str(uuid.uuid4())}
    for level, type in (
        ("organization", SPEND_TYPES[0]),
        ("partner", SPEND_TYPES[0]),
        ("spend", TYPES[0]),
    ):
        body = request_of("http://127.0.0.1:9/hook", type)
        said = callers.refused(level, "POST", SUBSCRIPTIONS, body, headers=key)
        assert said == (400, ["BDC_1119"])


def test_a_partner_hears_every_organization_that_it_has_made(callers, receiver):
    """Also those that come later, and no other; told apart by where it happened, with one event id for
    the organization's own subscription and the partner's."""
    first = callers.founds_child()
    made = callers.subscribes("partner", receiver.url, "vendor.created")
    own = f"{receiver.url}?own"
    body, key = request_of(own, "vendor.created"), {"X-Idempotent-Key": str(uuid.uuid4())}
    callers.desk.call("POST", SUBSCRIPTIONS, body, session="", headers=first["headers"] | key)
    callers.writes_vendor(first, "One")
    later = callers.founds_child()
    callers.writes_vendor(later, "Two")
    callers.desk.vendor("Not the partner's")
    callers.desk.advance(seconds=1)
    said = {
        (each["metadata"]["organizationId"], each["vendor"]["name"], each["metadata"]["subscriptionId"])
        for each in receiver.bodies
    }
    assert len(receiver.got) == 3
    assert {(first["id"], "One", made["id"]), (later["id"], "Two", made["id"])} < said
    ids = {each["metadata"]["eventId"] for each in receiver.bodies if each["vendor"]["name"] == "One"}
    assert len(ids) == 1
    for _, headers, body, _ in receiver.got:
        if json.loads(body)["metadata"]["subscriptionId"] == made["id"]:
            right = hmac.new(made["securityKey"].encode(), body, hashlib.sha256).digest()
            assert base64.b64decode(headers["x-bill-sha-signature"]) == right
    path = f"{EVENTS}/events/subscription/{made['id']}"
    history = callers.call("partner", "GET", path)["results"]
    told = [json.loads(each["payload"])["metadata"]["organizationId"] for each in history]
    assert told == [later["id"], first["id"]]
    callers.call("partner", "POST", f"{path}/event/{history[1]['id']}")
    callers.desk.advance(seconds=1)
    assert receiver.bodies[-1]["metadata"]["eventId"] == history[1]["id"]


def test_what_every_process_remembers_of_a_partner_stays_right(callers, receiver):
    """Subscriptions are remembered until one changes: no event is missed after, none told before."""
    child = callers.founds_child()
    callers.writes_vendor(child, "Before")
    made = callers.subscribes("partner", receiver.url, "vendor.created")
    callers.writes_vendor(child, "After")
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    callers.call("partner", "PATCH", path, {"status": {"enabled": False}})
    callers.writes_vendor(child, "Disabled")
    callers.call("partner", "PATCH", path, {"status": {"enabled": True}})
    callers.writes_vendor(child, "Enabled")
    callers.call("partner", "DELETE", path)
    callers.writes_vendor(child, "Deleted")
    made = callers.subscribes("partner", receiver.url, "vendor.created")
    callers.desk.advance(seconds=1)
    # What was still to be sent when it was disabled or deleted is not sent either.
    assert receiver.got == []
    callers.writes_vendor(child, "Last")
    callers.desk.advance(seconds=1)
    assert [each["vendor"]["name"] for each in receiver.bodies] == ["Last"]
    owner = Caller(demo_world.PARTNER_ID, "", False)
    states = callers.desk.reads(lambda w: [each.state for each in w.rows(Delivery)], owner)
    assert sorted(states) == ["DELIVERED", "STOPPED", "STOPPED", "STOPPED"]


def test_what_waited_when_it_was_disabled_is_not_sent_when_it_is_enabled(callers, receiver):
    made = callers.subscribes("organization", receiver.url, "vendor.created")
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    callers.desk.vendor("Waits")
    for enabled in (False, True):
        callers.call("organization", "PATCH", path, {"status": {"enabled": enabled}})
    callers.desk.vendor("Comes")
    callers.desk.advance(seconds=1)
    assert [each["vendor"]["name"] for each in receiver.bodies] == ["Comes"]
    history = callers.call("organization", "GET", f"{EVENTS}/events/subscription/{made['id']}")
    codes = [each.get("statusCode") for each in history["results"]]
    assert codes == [200, None]


def test_ten_subscriptions_of_each_owner(callers):
    for level in LEVELS:
        for number in range(10):
            callers.subscribes(level, f"http://127.0.0.1:9/{number}")
        body = request_of("http://127.0.0.1:9/x", FIRST_TYPE[level])
        key = {"X-Idempotent-Key": str(uuid.uuid4())}
        said = callers.refused(level, "POST", SUBSCRIPTIONS, body, headers=key)
        assert said == (400, ["BDC_1119"])


def test_missing_and_wrong_credentials_of_each_level(callers):
    """Missing ones are 400, one element each; wrong ones 401, a key's told from a session's."""
    desk = callers.desk
    session, partners = callers.organization["sessionId"], callers.partner["sessionId"]
    dev, app = demo_world.DEVELOPER_KEY, demo_world.APPLICATION_KEY
    blank = "{}: must not be blank".format
    for headers, expected in (
        ({}, (400, [blank("devKey"), blank("sessionId")])),
        ({"devKey": dev}, (400, [blank("sessionId")])),
        ({"appKey": app}, (400, [blank("sessionId")])),
        ({"sessionId": session}, (400, [blank("devKey")])),
        ({"apiToken": ""}, (400, [blank("devKey"), blank("sessionId")])),
        ({"apiToken": "invented"}, (401, ["BDC_1102"])),
        ({"apiToken": dev}, (401, ["BDC_1102"])),
        ({"appKey": "invented", "sessionId": partners}, (401, ["BDC_1102"])),
        ({"appKey": dev, "sessionId": partners}, (401, ["BDC_1102"])),
        ({"devKey": "invented", "sessionId": session}, (401, ["BDC_1102"])),
        ({"devKey": app, "sessionId": session}, (401, ["BDC_1102"])),
        ({"appKey": app, "sessionId": "invented"}, (401, ["BDC_1109"])),
        ({"appKey": app, "sessionId": session}, (401, ["BDC_1109"])),
        ({"devKey": dev, "sessionId": partners}, (401, ["BDC_1109"])),
    ):
        said = desk.refused("GET", SUBSCRIPTIONS, session="", headers=headers)
        assert said == expected, headers
    answer = desk.answer("GET", SUBSCRIPTIONS, session="", headers={"apiToken": "invented"})
    assert answer.json()[0]["message"] == "The apiToken is not valid here."


def test_a_key_that_is_revoked_opens_no_level(callers):
    desk = callers.desk
    for level, name in (("spend", "apiToken"), ("partner", "appKey"), ("organization", "devKey")):
        callers.call(level, "GET", SUBSCRIPTIONS)
        key = digest(getattr(callers, level)[name])
        desk.writes(lambda work, key=key: sessions.revoke_key(work, key), None)
        code = (
            "BDC_1102" if level == "spend" else "BDC_1109"
        )  # The others' sessions have ended with it.
        assert callers.refused(level, "GET", SUBSCRIPTIONS) == (401, [code]), level


def test_a_token_goes_as_far_as_its_user(callers):
    """A user who is archived, and one whose role may not manage integrations."""
    desk = callers.desk
    name = "clerk@demo.example"
    users = desk.call("GET", f"{V3}/users", max=100)["results"]
    clerk = next(each for each in users if each["id"] == demo_world.user_id("CLERK"))
    make = lambda work: credentials.api_token(
        work, demo_world.ORGANIZATION_ID, clerk.get("username") or clerk["email"]
    )
    callers.spend = {"apiToken": desk.writes(make, None)}
    assert callers.refused("spend", "GET", SUBSCRIPTIONS)[0] == 403, name
    desk.call("POST", f"{V3}/users/{clerk['id']}/archive")
    assert callers.refused("spend", "GET", SUBSCRIPTIONS) == (401, ["BDC_1102"])


# Histories


def test_the_history_of_a_subscription(callers, receiver):
    """The newest first, by subject, by time and page after page; the payload is the delivered body."""
    desk = callers.desk
    made = callers.subscribes("organization", receiver.url, "vendor.created", "vendor.updated")
    ids = []
    for number in range(5):
        ids.append(desk.vendor(f"V{number}"))
        desk.advance(hours=1)
        desk.signs_in()
    callers.organization["sessionId"] = desk.session
    desk.call("PATCH", f"{V3}/vendors/{ids[2]}", {"name": "Changed"})
    path = f"{EVENTS}/events/subscription/{made['id']}"
    find = lambda **query: callers.call("organization", "GET", path, **query)
    whole = find()
    assert [json.loads(each["payload"])["vendor"]["name"] for each in whole["results"]] == [
        "Changed", "V4", "V3", "V2", "V1", "V0",
    ]  # fmt: skip
    assert "nextPage" not in whole and "prevPage" not in whole
    last, before = whole["results"][-1], whole["results"][0]
    body = json.loads(receiver.got[0][2])
    assert last == {
        "id": body["metadata"]["eventId"], "type": "vendor.created", "version": "1",
        "subscriptionId": made["id"], "payload": receiver.got[0][2].decode(),
        "createdTime": "2027-01-04T17:00:00.000+00:00", "statusCode": 200,
    }  # fmt: skip
    assert "statusCode" not in before  # It was not sent yet.
    of_one = find(entityId=ids[2])["results"]
    assert [each["type"] for each in of_one] == ["vendor.updated", "vendor.created"]
    assert find(entityId="00901NOBODYHERE0none") == {"results": []}
    between = find(createdTimeFrom="2027-01-04T18:00:00Z", createdTimeTo="2027-01-04T19:00:00Z")
    assert [json.loads(each["payload"])["vendor"]["name"] for each in between["results"]] == [
        "V2",
        "V1",
    ]
    pages, page = [], find(max=4, createdTimeFrom="2027-01-04T17:00:00Z")
    while True:
        pages += page["results"]
        if "nextPage" not in page:
            break
        page = find(max=4, nextPage=page["nextPage"])
    assert pages == whole["results"]
    desk.advance(days=179, hours=21)
    desk.signs_in()
    callers.organization["sessionId"] = desk.session
    assert [json.loads(each["payload"])["vendor"]["name"] for each in find(max=5)["results"]] == [
        "Changed", "V4", "V3", "V2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        {"max": 0}, {"max": 101}, {"max": "x"}, {"max": "1e1"}, {"createdTimeFrom": "yesterday"},
        {"createdTimeTo": "2027-13-01T00:00:00Z"}, {"nextPage": "forged"}, {"entityId": '"'},
    ],
)  # fmt: skip
def test_what_no_history_can_be_asked_for(callers, query):
    made = callers.subscribes("organization", "http://127.0.0.1:9/hook")
    path = f"{EVENTS}/events/subscription/{made['id']}"
    assert callers.refused("organization", "GET", path, **query)[0] == 400


def test_a_cursor_is_that_of_one_subscription(callers):
    desk = callers.desk
    made = [
        callers.subscribes("organization", f"http://127.0.0.1:9/{n}", "vendor.created") for n in "ab"
    ]
    for _ in range(3):
        desk.vendor()
    paths = [f"{EVENTS}/events/subscription/{each['id']}" for each in made]
    cursor = callers.call("organization", "GET", paths[0], max=1)["nextPage"]
    assert callers.refused("organization", "GET", paths[1], nextPage=cursor)[0] == 400


def test_what_waits_for_its_next_attempt_is_sent_again_at_once(callers, receiver):
    """Its receiver is well again, and whoever asks knows it. The attempt that was planned is none."""
    desk = callers.desk
    made = callers.subscribes("organization", receiver.url, "vendor.created")
    receiver.status = 500
    desk.vendor("Acme")
    desk.advance(seconds=7)
    assert len(receiver.got) == 3  # The fourth comes at 14.
    receiver.status = 200
    path = (
        f"{EVENTS}/events/subscription/{made['id']}/event/{receiver.bodies[0]['metadata']['eventId']}"
    )
    callers.call("organization", "POST", path)
    desk.advance(seconds=1)
    assert len(receiver.got) == 4
    desk.advance(minutes=5)
    assert len(receiver.got) == 4
    callers.call("organization", "POST", path)
    desk.advance(seconds=1)
    assert len(receiver.got) == 5 and len({body for _, _, body, _ in receiver.got}) == 1


def test_an_event_is_sent_again_with_its_id_and_retried_like_any(callers, receiver):
    desk = callers.desk
    made = callers.subscribes("organization", receiver.url, "vendor.created")
    desk.vendor("Acme")
    desk.advance(seconds=1)
    (first,) = receiver.got
    event_id = receiver.bodies[0]["metadata"]["eventId"]
    path = f"{EVENTS}/events/subscription/{made['id']}/event"
    receiver.status = 500
    said = callers.call("organization", "POST", f"{path}/{event_id}")
    assert (said["id"], said["payload"]) == (event_id, first[2].decode())
    # What is on its way already is not sent twice.
    callers.call("organization", "POST", f"{path}/{event_id}")
    start = desk.environment.clock.now()
    desk.advance(minutes=5)
    waits = [(when - start).total_seconds() for when, *_ in receiver.got[1:]]
    assert waits == [0, 2, 6, 14, 30]
    assert {body for _, _, body, _ in receiver.got} == {first[2]}
    one = f"{SUBSCRIPTIONS}/{made['id']}"
    assert callers.call("organization", "GET", one)["status"] == {"enabled": False}
    assert callers.refused("organization", "POST", f"{path}/{event_id}") == (400, ["BDC_1119"])
    assert callers.refused("organization", "POST", f"{one}/test") == (400, ["BDC_1119"])
    callers.call("organization", "PATCH", one, {"status": {"enabled": True}})
    receiver.status = 200
    callers.call("organization", "POST", f"{path}/{event_id}")
    desk.advance(seconds=1)
    assert len(receiver.got) == 7
    unknown = callers.refused("organization", "POST", f"{path}/{uuid.uuid4()}")
    assert unknown == (404, ["BDC_1205"])
    malformed = callers.refused("organization", "POST", f"{path}/nonsense")
    assert malformed == (400, ["eventId: must be a UUID"])


def test_a_test_is_signed_and_stands_in_the_history(callers, receiver):
    """Every type of each level; what is sent is said in place of what is made up."""
    for level, types in (("organization", TYPES), ("partner", TYPES), ("spend", SPEND_TYPES)):
        made = callers.subscribes(level, receiver.url)
        path = f"{SUBSCRIPTIONS}/{made['id']}/test"
        for type in types:
            del receiver.got[:]
            entity = ENTITY_OF[type]
            body = {"eventType": type, "version": "1"}
            if entity:
                body[entity] = {"id": "00901MINEMINE0000mine", "more": {"of": 1}}
            said = callers.call(level, "POST", path, body)
            callers.desk.advance(seconds=1)
            ((_, headers, got, _),) = receiver.got
            right = hmac.new(made["securityKey"].encode(), got, hashlib.sha256).digest()
            assert base64.b64decode(headers["x-bill-sha-signature"]) == right
            assert said["payload"] == got.decode() and said["type"] == type
            heard = json.loads(got)
            assert heard["metadata"] == {
                "eventId": said["id"], "subscriptionId": made["id"], "organizationId": owner_of(level),
                "eventType": type, "version": 1 if type.startswith("invoice.") else "1",
            }  # fmt: skip
            if entity:
                assert heard[entity]["id"] == "00901MINEMINE0000mine"
                assert heard[entity]["more"] == {"of": 1} and len(heard[entity]) > 2
        history = callers.call(level, "GET", f"{EVENTS}/events/subscription/{made['id']}", max=100)
        assert len(history["results"]) == len(types)


def test_a_test_of_nothing_in_particular(callers, receiver):
    made = callers.subscribes("organization", receiver.url, "bill.updated", "vendor.created")
    path = f"{SUBSCRIPTIONS}/{made['id']}/test"
    for body, expected in (
        (None, "bill.updated"), ({}, "bill.updated"), ({"vendor": {"name": "V"}}, "vendor.created"),
        ({"bank-account": {}}, "bank-account.created"),
    ):  # fmt: skip
        assert callers.call("organization", "POST", path, body)["type"] == expected
    for body, said in (
        ({"eventType": "no.such"}, "eventType: invalid value"),
        ({"version": "2"}, "version: invalid value"),
        ({"eventType": SPEND_TYPES[0]}, "BDC_1119"),
    ):
        assert callers.refused("organization", "POST", path, body) == (400, [said])
    assert callers.refused("organization", "POST", path, {"vendor": 1})[0] == 400


# Keys of the client's


def test_another_body_under_a_known_key(desk, sqlite_url, open_desk):
    """Answered like the first where BILL's limits do not hold, refused where they do."""
    key = {"X-Idempotent-Key": str(uuid.uuid4())}
    for strict in (False, True):
        desk = open_desk(sqlite_url, strict=strict)
        desk.signs_in()
        body = request_of("http://127.0.0.1:9/one", "bill.created")
        made = desk.call("POST", SUBSCRIPTIONS, body, headers=key)
        assert desk.call("POST", SUBSCRIPTIONS, body, headers=key) == made
        other = {**body, "name": "Other"}
        if strict:
            said = desk.refused("POST", SUBSCRIPTIONS, other, headers=key)
            assert said == (400, ["X-Idempotent-Key: was used for another request"])
        else:
            assert desk.call("POST", SUBSCRIPTIONS, other, headers=key) == made


def test_levels_share_no_key(callers):
    key = {"X-Idempotent-Key": str(uuid.uuid4())}
    made = set()
    for level in LEVELS:
        body = request_of("http://127.0.0.1:9/hook", FIRST_TYPE[level])
        made.add(callers.call(level, "POST", SUBSCRIPTIONS, body, headers=key)["id"])
    assert len(made) == 3


def test_the_times_of_a_key_are_the_environments(callers):
    assert callers.desk.environment.clock.now() == START
    key = {"X-Idempotent-Key": str(uuid.uuid4())}
    made = callers.subscribes("organization", "http://127.0.0.1:9/hook")
    path = f"{SUBSCRIPTIONS}/{made['id']}/security-key"
    first = callers.call("organization", "POST", path, headers=key)
    callers.desk.advance(hours=23)
    callers.desk.signs_in()
    callers.organization["sessionId"] = callers.desk.session
    assert callers.call("organization", "POST", path, headers=key) == first
    callers.desk.advance(hours=1)
    callers.desk.signs_in()
    callers.organization["sessionId"] = callers.desk.session
    assert callers.call("organization", "POST", path, headers=key) != first


def test_a_key_with_which_another_process_is_at_work(copied_postgres_url, open_desk):
    """The database knows it, for as long as the other's transaction lasts."""
    desk = open_desk(copied_postgres_url)
    desk.signs_in()
    key = str(uuid.uuid4())
    name = digest(f"owner {demo_world.ORGANIZATION_ID} subscriptions {key}")
    asked = {"headers": {"X-Idempotent-Key": key}}
    body = request_of("http://127.0.0.1:9/hook", "bill.created")
    with psycopg.connect(copied_postgres_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        assert desk.refused("POST", SUBSCRIPTIONS, body, **asked)[0] == 429
    desk.call("POST", SUBSCRIPTIONS, body, **asked)


def test_two_workers_share_the_lanes(copied_postgres_url, open_desk):
    """None is sent twice, none is lost, and four at most are in flight to a subscription."""
    desks = [open_desk(copied_postgres_url) for _ in range(2)]
    desk = desks[0]
    desk.signs_in()
    receivers = [Receiver(desk), Receiver(desk)]
    flying, most = [0, 0], [0, 0]
    for number, receiver in enumerate(receivers):

        async def slowly(_: dict, number=number) -> None:
            flying[number] += 1
            most[number] = max(most[number], flying[number])
            await asyncio.sleep(0.005)
            flying[number] -= 1

        receiver.then = slowly
        url = desk.runner.run(receiver.open())
        body = request_of(url, "vendor.created")
        key = {"X-Idempotent-Key": str(uuid.uuid4())}
        desk.call("POST", SUBSCRIPTIONS, body, headers=key)
    for number in range(30):
        desk.vendor(f"V{number}")

    async def work() -> None:
        workers = [asyncio.create_task(worker.work_forever(each.environment)) for each in desks]
        async with asyncio.timeout(20):
            while min(len(each.got) for each in receivers) < 30:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    desk.runner.run(work())
    for receiver in receivers:
        ids = [body["metadata"]["eventId"] for body in receiver.bodies]
        assert len(ids) == len(set(ids)) == 30
        desk.runner.run(receiver.close())
    assert max(most) <= agenda_items.LANE_MAX
