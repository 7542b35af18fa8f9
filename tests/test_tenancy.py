"""Whose it is: nobody reaches another organization's objects, by any id in a path or a body.

Made from the operation table and from types, like the requests of `tests/fuzz`: an area that comes
later is asked without a line here.
"""

import json
import re
from random import Random
from urllib.parse import urlencode

import msgspec
import pytest
import sqlalchemy as sa

from billfold import demo_world
from billfold.access import keys, organizations, roles
from billfold.access.keys import KeyKind
from billfold.access.roles import RoleType
from billfold.access.sessions import Session, SessionKind
from billfold.access.users import Login, User
from billfold.door.gates import (
    CONTROL,
    EVENTS,
    PARTNER,
    PARTNER_IN_BODY,
    PARTNER_ON_CHILD,
    PUBLIC,
)
from billfold.door.operations import Operation
from billfold.events.outbox import Delivery
from billfold.kit.idempotency import HEADER
from billfold.kit.secrets import digest
from billfold.kit.tables import metadata
from billfold.v2 import entities as forms_v2
from tests.desk import START, V3, bill_of
from tests.fuzz.bodies import Bodies
from tests.fuzz.forms import BY_NAME, CALLS, NAMES, Forms, begins
from tests.fuzz.pool import camel
from tests.fuzz.world import V3_OPERATIONS, World, good_bodies

THEIRS, MINE = demo_world.ORGANIZATION_ID, "00801OTHERS00000othe"
MY_USER, MY_LOGIN = "00601OTHERS00000othe", "00601OTHERLOGIN0othe"
TOKEN = "a token of the other organization's"
CHILD = {
    "name": "Child Ltd",
    "address": {"line1": "1 Way", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"},
}  # fmt: skip
OF_PARTNERS = (PARTNER, PARTNER_IN_BODY, PARTNER_ON_CHILD)
ASKED = [each for each in V3_OPERATIONS if each.gate not in (PUBLIC, CONTROL)]
BODIES = 8  # Of each operation and role, beside the good ones that are known.
IDS = 3  # Of each kind.
REFUSED = {400, 401, 403, 404, 405, 422}


class Stranger:
    """Somebody of another organization, who knows all ids of the demo company."""

    def __init__(self, world: World, seed: str) -> None:
        self.world, self.desk = world, world.desk
        self.bodies = Bodies(Random(seed), world.pool)
        self.asked = 0
        self._found_organization()
        self._partner = self._sign_in_partner()

    def ask(
        self, operation: Operation, role: RoleType, body: object = None, level: dict | None = None
    ) -> None:
        """`level` says by what else than a user's session it is asked."""
        path = re.sub(r"{(\w+)}", lambda name: self._theirs(camel(name[1])), operation.path)
        self.asked += 1
        headers = (level or self._headers(operation, role)) | {
            HEADER: f"{self.asked:08x}-0000-4000-8000-000000000000"
        }
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            headers["content-type"] = "application/json"
        answer = self.desk.runner.run(
            self.desk.client.request(operation.method, path, headers=headers, content=content)
        )
        said = f"{operation.method} {path} as {role}: {content!r} -> {answer.status_code} {answer.text}"
        if "{" in operation.path:
            assert answer.status_code in REFUSED, said
            may = operation.may is None or roles.may(role, operation.may)
            if may and body is None:
                assert answer.status_code == 404 and answer.json()[0]["code"] == "BDC_1205", said
        assert answer.status_code < 500, said
        if answer.status_code < 300:
            assert not (theirs := self.ids & words(answer.text)), (theirs, said)

    def ask_v2(self, operation: Operation, role: RoleType, body: object) -> list[tuple[str, object]]:
        """How each thing that was asked is answered: the code of its refusal or "", and the data. What
        was done names nothing of the demo company's."""
        self.asked += 1
        form = self._headers(operation, role) | {"data": msgspec.json.encode(body)}
        content = urlencode(form).encode()
        answer = self.desk.runner.run(self.desk.client.post(operation.path, content=content))
        case = f"{operation.path} as {role}: {body!r} -> {answer.status_code} {answer.text}"
        assert answer.status_code == 200, case
        said = answer.json()
        found = said["response_data"]
        parts = found["bulk"] if isinstance(found, dict) and "bulk" in found else [said]
        for part in parts:
            if part["response_status"] == 0:
                told = words(json.dumps(part["response_data"]))
                assert not (theirs := self.ids & told), (theirs, case)
        return [
            (part["response_data"]["error_code"] if part["response_status"] else "", part)
            for part in parts
        ]

    @property
    def levels(self) -> list[dict[str, str]]:
        """At what other levels subscriptions are asked for: a partner's, and Spend & Expense's."""
        partner = {name: value for name, value in self._partner.items() if name != "organizationId"}
        return [partner, {"apiToken": TOKEN}]

    def _theirs(self, name: str) -> str:
        known = self.world.pool.pick(Random(self.asked), name)
        assert known is not None, f"no {name} of the demo company is known: let World look at one"
        return str(known)

    def _headers(self, operation: Operation, role: RoleType) -> dict[str, str]:
        if operation.gate in OF_PARTNERS:
            return self._partner
        token = f"stranger {self.asked}"
        session = Session(
            digest(token), digest(demo_world.DEVELOPER_KEY), SessionKind.PASSWORD, MINE, MY_USER, role,
            True, START, START,
        )  # fmt: skip
        self.desk.writes(lambda work: work.insert(session))
        return {"sessionId": token, "devKey": demo_world.DEVELOPER_KEY}

    def _found_organization(self) -> None:
        def found(work):
            organizations.found(work, "Other", id=MINE, because="a test needs a second organization")
            work.insert(Login(MY_LOGIN, "bo@other.example", None))
            work.add(
                User, id=MY_USER, login_id=MY_LOGIN, first_name="Bo", last_name="Other",
                email="bo@other.example", role_id=roles.role_id(MINE, RoleType.ADMINISTRATOR),
            )  # fmt: skip
            keys.add(work, KeyKind.API_TOKEN, TOKEN, organization_id=MINE, user_id=MY_USER)

        self.desk.writes(found, None)
        self.ids = {id for rows in rows_of(self.desk, THEIRS).values() for id, *_ in rows} | {THEIRS}

    def _sign_in_partner(self) -> dict[str, str]:
        """With a child of its own, within which it asks for the demo company's people."""
        asked = {
            "username": demo_world.PARTNER_USERNAME, "password": demo_world.PARTNER_PASSWORD,
            "appKey": demo_world.APPLICATION_KEY,
        }  # fmt: skip
        session = self.desk.call("POST", f"{V3}/partner/login", asked, session="")["sessionId"]
        headers = {"sessionId": session, "appKey": demo_world.APPLICATION_KEY}
        at = f"{V3}/partner/organizations"
        child = self.desk.call("POST", at, CHILD, status=201, session="", headers=headers)["id"]
        return headers | {"organizationId": child}


def words(text: str) -> set[str]:
    return set(re.findall(r"[0-9A-Za-z-]{16,}", text))


def rows_of(desk, organization_id: str) -> dict[str, list]:
    """Everything that is an organization's, but for its sessions, which every request touches."""

    def read(work):
        found = {}
        for each in metadata.sorted_tables:
            if "organization_id" not in each.c or each.name == "sessions":
                continue
            query = sa.select(each).where(each.c.organization_id == sa.bindparam("owner"))
            text = work.connection.compiled(query.order_by(each.c.id)).text
            found[each.name] = [tuple(row) for row in work.connection.fetch(text, [organization_id])]
        return found

    return desk.reads(read)


@pytest.fixture
def world(desk) -> World:
    """The demo company with one of everything that can be named."""
    desk.signs_in()
    made = World(desk)
    made.looks_around()
    bill = desk.owes(demo_world.VENDOR_ID, 7, "tenancy")
    made.pool.hear({"billId": bill, **bill_of(demo_world.VENDOR_ID, 7, "tenancy")})
    made.pool.hear({"userId": demo_world.user_id(RoleType.CLERK)})
    (event,) = desk.reads(lambda work: [each.event_id for each in work.rows(Delivery)])[:1]
    made.pool.hear({"eventId": event})
    return made


def test_nobody_reaches_what_is_anothers(world):
    """Every operation, asked with ids of the demo company by every role of another organization and by
    a partner: nothing is found, nothing of it changes, and nothing of it is told or referred to."""
    desk, stranger = world.desk, Stranger(world, "tenancy")
    before = rows_of(desk, THEIRS)
    assert sum(map(len, before.values())) > 40
    good: dict[str, list] = {}
    for name, body in good_bodies(world.pool):
        good.setdefault(name, []).append(body)
    for operation in ASKED:
        for role in roles.DEFAULTS:
            made = [None]
            if operation.body_name and not operation.body_may_be_empty:
                made = [*good.get(operation.name, [])]
                made += [stranger.bodies.body(operation.body) for _ in range(BODIES)]
            for body in made:
                stranger.ask(operation, role, body)
                for level in stranger.levels if operation.gate is EVENTS else ():
                    stranger.ask(operation, RoleType.ADMINISTRATOR, body, level)
    _ask_v2(stranger)
    assert rows_of(desk, THEIRS) == before
    mine = rows_of(desk, MINE)
    told = words(json.dumps(mine, default=str))
    assert not (theirs := stranger.ids & told), theirs
    print(f"{len(ASKED)} operations, {stranger.asked} requests, {len(stranger.ids)} foreign ids")


def _ask_v2(stranger: Stranger) -> None:
    """With every id of theirs that the call could mean, and with made bodies full of their ids."""
    forms = Forms(stranger.bodies, sorted(stranger.ids))
    for operation in CALLS:
        name = NAMES[operation.path]
        start = begins(name.rpartition("/")[2])
        theirs = sorted(id for id in stranger.ids if start and id.startswith(start))
        takes_id = operation.body is forms_v2.Asked
        for role in roles.DEFAULTS:
            may = operation.may and roles.may(role, operation.may)
            for id in theirs[:IDS] if takes_id else ():
                ((code, _),) = stranger.ask_v2(operation, role, {"id": id})
                assert code == "BDC_1120" or not may, (name, role, id, code)
            for _ in range(BODIES):
                stranger.ask_v2(operation, role, forms.body(operation))


def test_a_stranger_is_seen_in_v2(world):
    """So that what is asked there can fail."""
    stranger = Stranger(world, "seen")
    stranger._headers = lambda operation, role: world.sessions.headers(operation.gate)
    with pytest.raises(AssertionError):
        stranger.ask_v2(
            BY_NAME["Crud/Read/Vendor"], RoleType.ADMINISTRATOR, {"id": demo_world.VENDOR_ID}
        )


def test_a_stranger_is_seen(world):
    """So that the test above can fail: within the demo company the same ids are found."""
    stranger = Stranger(world, "seen")
    stranger._headers = lambda operation, role: world.sessions.headers(operation.gate)
    get_vendor = next(each for each in ASKED if each.name == "get_vendor")
    with pytest.raises(AssertionError):
        stranger.ask(get_vendor, RoleType.ADMINISTRATOR)
