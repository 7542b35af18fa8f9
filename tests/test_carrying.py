"""An organization moves: what goes with it, what stays behind, and that it is whole or not there."""

import asyncio
import fcntl
import hashlib
import json
import re
import signal
import struct
import subprocess
import termios
import time
from itertools import product

import msgspec
import pytest
import sqlalchemy as sa

from billfold import demo_world, migrations
from billfold.access import authenticators, credentials, invitations, keys
from billfold.access.keys import KeyKind
from billfold.access.roles import RoleType
from billfold.access.sessions import Session, SessionKind
from billfold.access.users import Login
from billfold.app import OPERATIONS, Billfold
from billfold.carrying import arriving, leaving
from billfold.carrying.carried import TABLES, Carried
from billfold.carrying.rows import Fields, kinds
from billfold.door.gates import DOWNLOADS
from billfold.door.operations import in_path
from billfold.kit import tables
from billfold.kit.environment import claim
from billfold.kit.errors import Unusable
from billfold.kit.idempotency import HEADER
from billfold.kit.secrets import digest
from billfold.kit.tables import Owned, metadata
from billfold.payables.payments import Payment
from billfold.payables.vendor_bank_accounts import VendorBankAccount
from billfold.payables.vendors import Vendor
from billfold.v2.envelope import V2 as DIALECT_V2
from tests.desk import LOGIN, V3, Desk
from tests.fuzz.pool import Pool, camel
from tests.fuzz.world import World
from tests.server import PROGRAM, run, surroundings
from tests.test_full_objects import ORGANIZATION, VENDOR

ORG = demo_world.ORGANIZATION_ID
TOKEN = "a session on both sides"
HEADERS = {"sessionId": TOKEN, "devKey": demo_world.DEVELOPER_KEY}
READS = [
    each for each in OPERATIONS
    if each.method == "GET" and each.dialect is not DIALECT_V2
    and each.gate.headers and set(each.gate.headers) <= set(HEADERS)
]  # fmt: skip


def quiet(rows: int, total: int) -> None:
    pass


def exported(desk: Desk, organization_id: str = ORG) -> bytes:
    lines: list[bytes] = []
    desk.runner.run(leaving.export(desk.environment, organization_id, lines.append, quiet))
    return b"".join(lines)


class Place:
    """Another installation: an empty database, and a key of its own."""

    def __init__(self, runner: asyncio.Runner, folder, database: str = "") -> None:
        folder.mkdir()
        self.runner, self.folder = runner, folder
        self.url = database or f"sqlite:{folder / 'billfold.db'}"
        migrations.migrate(self.url)
        self.desk = Desk(runner, self.url, str(folder), seed=2)
        self.open = False

    def takes_in(self, content: bytes) -> arriving.Arrived:
        """As the command does, without a server."""
        pieces = iter(content.splitlines(keepends=True))
        return self.does(lambda env: arriving.take_in(env, lambda most: next(pieces, b""), quiet))

    def writes(self, do):
        return self.does(lambda environment: environment.write(do))

    def does(self, do):
        async def work():
            environment = Billfold(self.desk.settings).environment
            await environment.database.start()
            try:
                await claim(environment)
                return await do(environment)
            finally:
                await environment.database.close()

        return self.runner.run(work())

    def rows(self) -> dict[str, int]:
        """How many are in each table, but for those that every environment has."""
        ours = [each for each in metadata.sorted_tables if each.name != "clocks"]

        def count(work):
            return {
                each.name: work.connection.values(sa.select(sa.func.count()).select_from(each))[0][0]
                for each in ours
            }

        return {name: count for name, count in self.writes(count).items() if count}

    def serves(self, start) -> Desk:
        self.runner.run(self.desk.open(start))
        self.open = True
        return self.desk


@pytest.fixture
def make_place(desk, tmp_path, request):
    made: list[Place] = []

    def make(database: str = "sqlite") -> Place:
        url = request.getfixturevalue("empty_postgres_url") if database == "postgres" else ""
        made.append(Place(desk.runner, tmp_path / f"place {len(made)}", url))
        return made[-1]

    yield make
    for place in made:
        if place.open:
            desk.runner.run(place.desk.close())


@pytest.fixture
def world(desk) -> World:
    """The demo company with a row of every kind that goes with an organization."""
    desk.signs_in()
    body = {"phoneNumber": "4155550150", "phoneType": "WORK"}
    desk.call("POST", f"{V3}/risk-verifications/phone", body)
    vendor = desk.call("POST", f"{V3}/vendors", VENDOR, status=201)["id"]
    world = World(desk)
    world.looks_around()  # With a subscription, a bill of it and two payments.
    changed = {"description": "Strings and bows"}
    bill = desk.owes(vendor, "142.00")
    desk.call("PATCH", f"{V3}/bills/{bill}", changed)
    pays(desk, bill, "2027-01-05")
    desk.advance(days=8)
    desk.signs_in()
    pays(desk, bill, "2027-02-01")
    desk.passes_mfa(rememberMe=True, device="laptop", machineName="Laptop")
    person = {
        "firstName": "Gil",
        "lastName": "Guest",
        "email": "gil@guest.example",
        "acceptTermsOfService": True,
    }
    role = desk.call("GET", f"{V3}/users/{demo_world.USER_ID}")["role"]["id"]
    desk.call("POST", f"{V3}/users", person | {"roleId": role}, status=201)
    desk.writes(
        lambda work: credentials.console_token(work, demo_world.USERNAME, "Figures & Co", [ORG]), None
    )
    return world


def pays(desk, bill: str, on: str) -> None:
    account = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    paid = {"billId": bill, "amount": 40, "processDate": on, "processingOptions": {}}
    desk.call("POST", f"{V3}/payments", paid | {"fundingAccount": account}, status=201)


def lets_in(desk: Desk) -> None:
    """A session of the same administrator, without a sign-in."""
    session = Session(
        digest(TOKEN), digest(demo_world.DEVELOPER_KEY), SessionKind.PASSWORD, ORG,
        demo_world.USER_ID, RoleType.ADMINISTRATOR, True, desk.now(), desk.now(),
    )  # fmt: skip
    desk.writes(lambda work: work.insert(session))
    if not desk.reads(lambda work: keys.is_known(work, KeyKind.DEVELOPER, HEADERS["devKey"])):
        desk.writes(lambda work: keys.add_developer_key(work, HEADERS["devKey"], organization_id=ORG))


def paths(pool: Pool) -> list[tuple[str, bool]]:
    """Every read, with each id there is for its path; and whether the session goes in the query."""
    found = []
    for operation in READS:
        names = in_path(operation.path)
        known = [sorted(set(pool.said[camel(name)])) for name in names]
        for ids in product(*known):
            values = dict(zip(names, ids, strict=True))
            path = re.sub(r"{(\w+)}", lambda name, values=values: values[name[1]], operation.path)
            found.append((path, operation.gate is DOWNLOADS))
    return found


def answers(desk: Desk, asked: list[tuple[str, bool]]) -> dict[str, tuple]:
    found = {}
    for path, in_query in asked:
        options = {"sessionId": TOKEN} if in_query else {}
        answer = desk.answer("GET", path, session="", headers=HEADERS, **options)
        # What a copy tells nobody before its owner wants it.
        text = answer.text.replace('"status":{"enabled":true}', '"status":{"enabled":false}')
        found[path] = answer.status_code, text
    return found


def without_event_ids(said: dict[str, tuple]) -> dict[str, tuple]:
    ids = re.compile(r'("id":"|eventId\\":\\")[0-9a-f-]{36}')
    return {
        path: (status, ids.sub(r"\1…", text) if "/events/subscription/" in path else text)
        for path, (status, text) in said.items()
    }


@pytest.mark.parametrize("target", ["sqlite", "postgres"])
def test_an_organization_answers_the_same_elsewhere(world, make_place, target):
    """Every read of the operation table, with every id; now, and after what was scheduled."""
    desk, place = world.desk, make_place(target)
    content = exported(desk)
    arrived = place.takes_in(content)
    assert arrived.rows == content.count(b"\n") - 2
    there = place.serves(desk.now())
    # To the last byte, but for the header's time and the end's digest.
    assert exported(there).splitlines()[1:-1] == content.splitlines()[1:-1]
    lets_in(desk)
    lets_in(there)
    world.pool.hear({"organizationId": ORG})
    for operation in READS:
        if "{" not in operation.path:
            said = desk.call("GET", operation.path, session="", headers=HEADERS)
            world.pool.learn(operation, said)
    asked = paths(world.pool)
    for days in (0, 40):
        if days:
            for each in (desk, there):
                each.advance(days=days)
                each.writes(lambda work: work.connection.delete(Session, digest(TOKEN)))
                lets_in(each)
        before, after = answers(desk, asked), answers(there, asked)
        if days:
            # What happens at both places since is told by each under an id of its own.
            assert without_event_ids(after) == without_event_ids(before)
        else:
            assert after == before
        well = {path for path, (status, _) in before.items() if status == 200}
        assert len(well) > 40
        for operation in READS:
            shape = re.compile(re.sub(r"{\w+}", "[^/]+", operation.path))
            assert any(shape.fullmatch(path) for path in well), f"{operation.path} was not answered"
    paid = there.reads(lambda work: work.rows(Payment))
    assert {str(each.status) for each in paid} == {"CLEARED"} and len(paid) == 4
    print(f"{len(asked)} reads, {len(content)} bytes, {arrived.rows} rows")


def test_every_table_says_whether_it_goes():
    assert set(TABLES) == set(metadata.tables)
    order = {name: place for place, name in enumerate(TABLES)}
    for name, kind in kinds().items():
        record = tables.TABLES[name]
        assert kind._fields.shape
        assert issubclass(record, Owned) or name in {"consoles", "organizations", "logins", "agenda"}
        for key in record.table.foreign_keys:
            assert order[key.column.table.name] < order[name], f"{name} comes before what it refers to"


def test_what_is_sealed_where_none_looks_is_found():
    """So that no number goes as the bytes it lies in, which nobody could open elsewhere."""
    numbers = msgspec.defstruct("Numbers", [("id", str), ("all", list[VendorBankAccount])])
    with pytest.raises(AssertionError, match=r"Numbers\.all is sealed where none looks"):
        Fields(numbers)
    assert Fields(Vendor).sealed_names == ["tax_id"]


def test_the_world_has_a_row_of_every_kind(world):
    """So that the test of answers can fail."""
    counts = json.loads(exported(world.desk).splitlines()[0])["counts"]
    assert set(counts) == {name for name, how in TABLES.items() if isinstance(how, Carried)}
    assert not [name for name, count in counts.items() if not count]


def test_no_secret_leaves(world):
    desk = world.desk
    seed = authenticators.new_secret()

    def read(work):
        authenticators.enrol(work, demo_world.USER_ID, seed)
        work.write()
        found = {seed.encode()}
        for name, how in TABLES.items():
            record = tables.TABLES[name]
            for row in work.connection.rows(record, sa.select(record.table), {}):
                values = msgspec.structs.asdict(row)
                if isinstance(how, Carried):
                    found |= {str(values[column]).encode() for column in how.anew if values[column]}
                    if name == "subscriptions":
                        found.add(work.secrets.open(row.key, row.id).encode())
                elif name in ("keys", "sessions", "invitations"):
                    found.add(row.id.encode())
                elif name == "mfa_remembered":
                    found.add(row.token.encode())
                elif name == "messages" and row.code:
                    found.add(f'"{row.code}"'.encode())
        return found - {b"True"}

    secrets = desk.writes(read)
    assert len(secrets) > 15
    content = exported(desk)
    assert not [each for each in secrets if each in content]
    assert b"argon2" not in content and b"111222333" in content


def test_people_come_in_by_an_invitation_and_subscriptions_wait(world, make_place):
    place = make_place()
    arrived = place.takes_in(exported(world.desk))
    assert demo_world.USERNAME in arrived.strangers and not arrived.known
    assert arrived.subscriptions == ["A"]
    there = place.serves(world.desk.now())
    key = there.writes(lambda work: credentials.developer_key(work, ORG), None)
    sign_in = LOGIN | {"devKey": key, "password": "a bow and a bridge"}
    assert there.refused("POST", f"{V3}/login", sign_in, session="")[0] == 401
    link = there.writes(lambda work: invitations.link_for(work, ORG, demo_world.USERNAME), None)
    token = link.rpartition("/")[2]
    there.runner.run(invitations.accept(there.environment, token, sign_in["password"]))
    assert there.call("POST", f"{V3}/login", sign_in, session="")["organizationId"] == ORG
    lets_in(there)
    at = "/connect-events/v3/subscriptions"
    (wanted,) = there.call("GET", at, session="", headers=HEADERS)["results"]
    assert wanted["status"] == {"enabled": False}
    once = HEADERS | {HEADER: "6f1c1e5e-0f3a-4a55-9b1e-2f6a1c0d9b7e"}
    assert there.call("POST", f"{at}/{wanted['id']}/security-key", session="", headers=once)


def test_who_is_known_signs_in_as_before(desk, make_place):
    place = make_place()
    hash = desk.environment.passwords.hash_now("another bow and bridge")
    mine = Login("00601MYLOGIN00000mine", demo_world.USERNAME, hash)
    place.writes(lambda work: work.insert(mine))
    place.writes(lambda work: keys.add_developer_key(work, demo_world.DEVELOPER_KEY) and None)
    assert place.takes_in(exported(desk)).known == [demo_world.USERNAME]
    there = place.serves(desk.now())
    sign_in = LOGIN | {"password": "another bow and bridge"}
    assert there.call("POST", f"{V3}/login", sign_in, session="")["userId"] == demo_world.USER_ID


def test_a_partners_organization_comes_after_its_partner(desk, make_place):
    asked = {
        "username": demo_world.PARTNER_USERNAME, "password": demo_world.PARTNER_PASSWORD,
        "appKey": demo_world.APPLICATION_KEY,
    }  # fmt: skip
    session = desk.call("POST", f"{V3}/partner/login", asked, session="")["sessionId"]
    headers = {"sessionId": session, "appKey": demo_world.APPLICATION_KEY}
    at = f"{V3}/partner/organizations"
    child = desk.call("POST", at, ORGANIZATION, status=201, session="", headers=headers)["id"]
    person = {
        "username": "gil", "firstName": "Gil", "lastName": "Guest", "email": "gil@guest.example",
        "acceptTermsOfService": True,
    }  # fmt: skip
    here = headers | {"organizationId": child}
    desk.call("POST", f"{V3}/partner/users", person, status=201, session="", headers=here)
    content = exported(desk, child)
    place = make_place()
    with pytest.raises(Unusable, match=f"--partner {demo_world.PARTNER_ID} --name"):
        place.takes_in(content)
    place.writes(lambda work: credentials.partner(work, "Pia's", demo_world.PARTNER_ID))
    made = place.rows()
    place.writes(lambda work: work.insert(Login("00601ANOTHERGIL000gil", "gil", None)))
    with pytest.raises(Unusable, match="'gil' is taken here"):
        place.takes_in(content)
    place.writes(lambda work: work.connection.delete(Login, "00601ANOTHERGIL000gil"))
    assert place.rows() == made
    assert place.takes_in(content).strangers == ["gil"]


def resealed(lines: list[bytes]) -> bytes:
    """With the end that these lines would have."""
    before = b"".join(line + b"\n" for line in lines[:-1])
    end = {"end": True, "rows": len(lines) - 2, "sha256": hashlib.sha256(before).hexdigest()}
    return before + json.dumps(end).encode() + b"\n"


def altered(lines: list[bytes], old: bytes, new: bytes) -> list[bytes]:
    """In the first line in which it stands."""
    place = next(place for place, line in enumerate(lines) if old in line)
    return [*lines[:place], lines[place].replace(old, new, 1), *lines[place + 1 :]]


WRONG = {
    "nothing": (lambda lines: b"", "the file is empty"),
    "no JSON": (lambda lines: b"Dear Sir or Madam,\n", "no export of an organization"),
    "other JSON": (lambda lines: b'{"results": []}\n', "no export of an organization"),
    "no text": (lambda lines: b"\xff\xfe\0\n", "no export of an organization"),
    "deep JSON": (lambda lines: b'{"format":' + b"[" * 100_000 + b"\n", "no export of an organization"),
    "a deep line": (
        lambda lines: b"\n".join([lines[0], b'{"table":' + b"[" * 100_000]), "line 2 .* cannot be used",
    ),
    "a newer format": (
        lambda lines: b"\n".join(altered(lines, b'"version":1', b'"version":2')), "update Billfold",
    ),
    "another schema": (
        lambda lines: b"\n".join(altered(lines, b'"schema":"', b'"schema":"9')), "export it again",
    ),
    "only its header": (lambda lines: lines[0] + b"\n", "was cut off"),
    "half a line": (lambda lines: b"\n".join(lines)[:-300], "line .* cannot be used"),
    "without its end": (lambda lines: b"\n".join(lines[:-1]) + b"\n", "was cut off"),
    "without a line": (lambda lines: b"\n".join([*lines[:9], *lines[10:]]), "altered on its way"),
    "another amount": (
        lambda lines: b"\n".join(altered(lines, b'"amount_cents":700', b'"amount_cents":900')),
        "altered on its way",
    ),
    "twice": (lambda lines: b"\n".join([*lines, *lines]), "goes on behind the end"),
    "an unknown table": (
        lambda lines: resealed(altered(lines, b'"table":"bills"', b'"table":"bells"')), "'bells'",
    ),
    "a table that stays": (
        lambda lines: resealed(altered(lines, b'"table":"bills"', b'"table":"keys"')), "'keys'",
    ),
    "an unknown column": (
        lambda lines: resealed(altered(lines, b'"row":{', b'"row":{"colour":"red",')), "`colour`",
    ),
    "a column too few": (
        lambda lines: resealed(altered(lines, b'"last4":"2333",', b"")), "`last4`",
    ),
    "another type": (
        lambda lines: resealed(altered(lines, b'"amount_cents":700', b'"amount_cents":7.5')), "int",
    ),
    "an unknown line": (lambda lines: resealed([lines[0], b'{"file":1}', *lines[1:]]), "`file`"),
    "an empty line": (lambda lines: resealed([lines[0], b"{}", *lines[1:]]), "neither a row nor"),
    "another's row": (
        lambda lines: resealed(
            altered(lines, b'"organization_id":"%s"' % ORG.encode(), b'"organization_id":"other"')
        ),
        "belongs to another organization",
    ),
    "another's login": (
        lambda lines: resealed(altered(lines, b'"login_id":"', b'"login_id":"x')),
        "its login is not in the export",
    ),
    "no organization": (lambda lines: resealed([lines[0], *lines[2:]]), "holds no organization"),
    "a row twice": (lambda lines: resealed([*lines[:9], lines[8], *lines[9:]]), "does not fit here"),
    "a bill without its vendor": (
        lambda lines: resealed([line for line in lines if b'"table":"vendors"' not in line]),
        "does not fit here",
    ),
}  # fmt: skip


@pytest.mark.parametrize("target", ["sqlite", "postgres"])
def test_what_is_not_whole_changes_nothing(sqlite_desk, tmp_path, request, target):
    desk = sqlite_desk
    desk.signs_in()
    desk.owes(demo_world.VENDOR_ID, 7)
    url = request.getfixturevalue("empty_postgres_url") if target == "postgres" else ""
    place = Place(desk.runner, tmp_path / "place", url)
    lines = exported(desk).splitlines()
    for name, (spoil, said) in WRONG.items():
        spoilt = spoil(lines)
        assert spoilt != b"\n".join(lines) + b"\n", name
        with pytest.raises(Unusable, match=said):
            place.takes_in(spoilt)
        assert place.rows() == {}, name
    place.takes_in(b"\n".join(lines) + b"\n")
    before = place.rows()
    with pytest.raises(Unusable, match="is here already"):
        place.takes_in(b"\n".join(lines) + b"\n")
    assert place.rows() == before


@pytest.fixture
def data(sqlite_url, folder) -> list:
    """The demo world of a sandbox that was stopped."""
    return ["--data", folder]


def test_the_commands(data, tmp_path, place):
    out, elsewhere = tmp_path / "demo.jsonl", ["--data", tmp_path / "elsewhere", *place]
    made = run("export", "--organization", ORG, "--out", out, *data)
    assert made.returncode == 0 and made.stdout == ""
    assert "account and tax numbers in clear" in made.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    assert run("export", "--organization", ORG, *data).stdout.count("\n") == len(out.open().readlines())
    for mistake, said in (
        (run("export", "--organization", ORG, "--out", out, *data), "File exists"),
        (run("export", "--organization", "008", *data), "there is no organization 008 here"),
        (run("import", "--from", tmp_path / "none", *elsewhere), "No such file"),
    ):
        assert (mistake.returncode, mistake.stdout) == (2, "")
        assert said in mistake.stderr and mistake.stderr.count("\n") == 1, mistake.stderr
    taken = run("import", "--from", out, *elsewhere)
    assert taken.returncode == 0, taken.stderr
    assert f"Demo Company ({ORG})" in taken.stdout and "billfold invite" in taken.stdout
    again = run("import", "--from", out, *elsewhere)
    assert again.returncode == 2 and "is here already" in again.stderr
    link = run("invite", "--organization", ORG, "--email", demo_world.USERNAME, *elsewhere)
    assert "/invitation/" in link.stdout
    back = run("export", "--organization", ORG, *elsewhere)
    assert back.stdout.splitlines()[1:-1] == out.read_text().splitlines()[1:-1]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_ended_leaves_nothing(data, tmp_path, place, how):
    """When all of it has come but its last lines."""
    out, elsewhere = tmp_path / "demo.jsonl", ["--data", tmp_path / "elsewhere", *place]
    assert run("export", "--organization", ORG, "--out", out, *data).returncode == 0
    lines = out.read_bytes().splitlines(keepends=True)
    process = subprocess.Popen(
        [*PROGRAM, "import", *map(str, elsewhere)], stdin=subprocess.PIPE, env=surroundings(),
        stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(b"".join(lines[:-2]))
    process.stdin.flush()
    while unread(process.stdin.fileno()):
        time.sleep(0.01)
    process.send_signal(how)
    time.sleep(0.2)  # What is given at once may be taken in before it has noticed.
    _, said = process.communicate(b"".join(lines[-2:]) if how == signal.SIGINT else b"")
    assert (process.returncode, b"interrupted" in said) in [(-signal.SIGKILL, False), (2, True)], said
    taken = run("import", "--from", out, *elsewhere)
    assert taken.returncode == 0, taken.stderr


def test_a_partner_from_elsewhere_is_made_under_its_id(tmp_path, place):
    make = ["keys", "create", "appKey", "--partner", demo_world.PARTNER_ID]
    there = ["--data", tmp_path / "elsewhere", *place]
    assert run(*make, *there).returncode == 2
    made = run(*make, "--name", "Pia's Partners", "--json", *there)
    assert json.loads(made.stdout)["partnerId"] == demo_world.PARTNER_ID
    again = run(*make, "--name", "Pia's Partners", *there)
    assert again.returncode == 2 and "there is a partner" in again.stderr
    assert json.loads(run(*make, "--json", *there).stdout)["partnerId"] == demo_world.PARTNER_ID


def unread(pipe: int) -> int:
    (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return waiting
