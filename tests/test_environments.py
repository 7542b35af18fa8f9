"""Environments side by side: each has its own people, keys, time and books, and ends on its day."""

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from billfold import demo_world
from billfold.app import OPERATIONS
from billfold.door.gates import CONTROL as CONTROL_GATE
from billfold.door.gates import PUBLIC, Gate
from billfold.environments import host as hosting
from billfold.environments.listed import Listed, State
from billfold.kit.clock import real
from tests.desk import CONTROL, EVENTS, LOGIN, LOGIN_V2, START, V2, V3

ALL = f"{CONTROL}/environments"
STAGE = "/env/stage"


def makes(desk, name: str = "stage", status: int = 201, **more) -> dict:
    return desk.call("POST", ALL, {"name": name, **more}, status=status, session="")


def login_of(found: dict) -> dict:
    return {name: found[name] for name in ("username", "password", "organizationId", "devKey")}


def enters(desk, made: dict) -> dict:
    """A session in an environment: the headers of the requests that follow."""
    under = f"/env/{made['name']}"
    login = login_of(made["credentials"])
    session = desk.call("POST", f"{under}{V3}/login", login, session="")
    return {"sessionId": session["sessionId"], "devKey": login["devKey"]}


def ends(desk, day: str, successor: str = "stage", name: str = "sandbox") -> dict:
    body = {"date": day, "successor": successor}
    return desk.call("POST", f"{ALL}/{name}/sunset", body, session="")


def restarts(desk):
    desk.runner.run(desk.close())
    desk.runner.run(desk.open(start=None))


def refused_sentence(desk, method: str, path: str, body=None) -> tuple[int, str]:
    answer = desk.answer(method, path, body, session="")
    (problem,) = answer.json()
    return answer.status_code, problem["message"]


def test_an_environment_has_its_own_address_people_and_keys(desk):
    made = makes(desk)
    assert (made["name"], made["policy"], made["state"]) == ("stage", "sandbox", "ACTIVE")
    base = f"http://127.0.0.1:8080{STAGE}"
    urls = [made[name] for name in ("baseUrl", "eventsUrl", "v2Url", "controlUrl")]
    assert urls == [f"{base}{path}" for path in ("/connect", "/connect-events", V2, CONTROL)]
    headers = enters(desk, made)
    found = desk.call("GET", f"{STAGE}{V3}/login/session", headers=headers, session="")
    assert found["organizationId"] == made["credentials"]["organizationId"]
    assert found["organizationId"] != demo_world.ORGANIZATION_ID
    assert desk.call("GET", f"{STAGE}{CONTROL}/credentials", session="") == made["credentials"]


def test_v2_names_its_own_end_point(desk):
    known = makes(desk)["credentials"]
    form = {"userName": known["username"], "orgId": known["organizationId"], "devKey": known["devKey"]}
    login = desk.answer(
        "POST", f"{STAGE}{V2}/Login.json", session="", password=known["password"], **form
    ).json()["response_data"]
    assert login["apiEndPoint"] == f"http://127.0.0.1:8080{STAGE}{V2}"


def test_what_is_asked_for_in_one_changes_nothing_in_another(desk):
    made = makes(desk)
    headers = enters(desk, made)
    desk.signs_in()
    vendor = desk.vendor("Only Here")
    assert desk.answer("GET", f"{V3}/vendors/{vendor}").status_code == 200
    there = desk.answer("GET", f"{STAGE}{V3}/vendors/{vendor}", headers=headers, session="")
    assert there.status_code == 404
    desk.call("POST", f"{STAGE}{CONTROL}/clock", {"freeze": True}, session="")
    desk.call("POST", f"{STAGE}{CONTROL}/clock", {"advance": {"days": 40}}, session="")
    assert desk.now() == START
    desk.call("POST", f"{STAGE}{CONTROL}/reset", session="")
    assert desk.answer("GET", f"{V3}/vendors/{vendor}").status_code == 200
    enters(desk, made)  # The same people are there again.


def test_a_reset_of_the_first_leaves_the_others(desk):
    made = makes(desk)
    desk.call("POST", f"{CONTROL}/reset", session="")
    enters(desk, made)
    desk.signs_in()


def test_they_are_listed_by_name_and_survive_a_restart(desk):
    made = makes(desk)
    makes(desk, "alpha")
    restarts(desk)
    found = desk.call("GET", ALL, session="")["results"]
    assert [each["name"] for each in found] == ["alpha", "sandbox", "stage"]
    assert found[1]["baseUrl"] == "http://127.0.0.1:8080/connect"
    enters(desk, made)


def test_one_that_is_removed_is_gone_with_its_database(desk):
    makes(desk)
    assert desk.answer("DELETE", f"{ALL}/stage", session="").status_code == 204
    status, said = refused_sentence(desk, "GET", f"{STAGE}{V3}/health")
    assert status == 404 and "stage" in said
    answer = desk.answer("POST", f"{STAGE}{V2}/Login.json", session="")
    assert (answer.status_code, answer.json()["response_data"]["error_code"]) == (404, "BDC_1121")
    host = desk.billfold.host
    assert not host.place.exists(host.place.beside("stage"))
    status, _ = refused_sentence(desk, "DELETE", f"{ALL}/stage")
    assert status == 404
    enters(desk, makes(desk))


@pytest.mark.parametrize(("body", "status", "words"), [
    ({"name": "Stage"}, 400, "small letter"),
    ({"name": "../x"}, 400, "small letter"),
    ({"name": "a" * 31}, 400, "small letter"),
    ({"name": ""}, 400, "small letter"),
    ({"name": "sandbox"}, 422, "already"),
    ({"name": "x", "policy": "strict"}, 400, "sandbox, production"),
    ({"name": "x", "policy": "production"}, 422, "https"),
    ({"name": "x", "from": "nowhere"}, 404, "nowhere"),
    ({"name": "x", "from": "sandbox", "policy": "production"}, 422, "copy of sandbox"),
    ({"name": "x", "nome": "y"}, 400, "nome"),
])  # fmt: skip
def test_what_cannot_be_made_is_refused_and_nothing_is_left(desk, body, status, words):
    found, said = refused_sentence(desk, "POST", ALL, body)
    assert found == status and words in said
    assert [each["name"] for each in desk.call("GET", ALL, session="")["results"]] == ["sandbox"]


def test_the_first_and_a_successor_stay(desk):
    makes(desk)
    ends(desk, "2027-02-01")
    for name, words in (("sandbox", "first"), ("stage", "go on here")):
        status, said = refused_sentence(desk, "DELETE", f"{ALL}/{name}")
        assert status == 422 and words in said
    status, said = refused_sentence(desk, "GET", f"{STAGE}{ALL}")
    assert status == 404 and "first" in said


def test_a_copy_begins_where_its_source_stands_and_goes_its_own_way(desk):
    desk.signs_in()
    vendor = desk.vendor("In Both")
    made = makes(desk, "copy", **{"from": "sandbox"})
    under = f"/env/copy{V3}"
    assert made["credentials"]["devKey"] == demo_world.DEVELOPER_KEY
    here = {"sessionId": desk.session, "devKey": demo_world.DEVELOPER_KEY}
    assert desk.answer("GET", f"{under}/vendors", headers=here, session="").status_code == 401
    headers = enters(desk, made)
    name = {"name": "Only There"}
    desk.call("PATCH", f"{under}/vendors/{vendor}", name, headers=headers, session="")
    assert desk.call("GET", f"{V3}/vendors/{vendor}")["name"] == "In Both"
    there = desk.call("GET", f"/env/copy{CONTROL}/clock", session="")["now"]
    assert datetime.fromisoformat(there) == START
    listed = desk.call("GET", ALL, session="")["results"]
    assert [each["name"] for each in listed] == ["copy", "sandbox"]


def test_keys_move_and_nothing_else_does(desk):
    """The story of the summer of 2024: a new sandbox beside the old one, and the same key."""
    makes(desk)
    elsewhere = {"headers": {}, "session": ""}
    assert desk.refused("POST", f"{STAGE}{V3}/login", LOGIN, **elsewhere) == (400, ["BDC_1102"])
    moves = lambda: desk.call("POST", f"{ALL}/sandbox/migrate-keys", {"to": "stage"}, session="")
    assert moves() == {"copied": 1} and moves() == {"copied": 0}
    # The key is known there, the user is not.
    assert desk.refused("POST", f"{STAGE}{V3}/login", LOGIN, **elsewhere) == (401, ["BDC_1101"])
    signs_up = {
        "organization": "Demo Company", "firstName": "Ada", "lastName": "Payer",
        "email": demo_world.USERNAME, "password": "seven green bicycles", "phone": "+14155550142",
    }  # fmt: skip
    made = desk.call("POST", f"{STAGE}{CONTROL}/sign-ups", signs_up, status=201, session="")
    login = LOGIN | {"password": signs_up["password"], "organizationId": made["organizationId"]}
    desk.call("POST", f"{STAGE}{V3}/login", login, session="")
    assert made["devKey"] != demo_world.DEVELOPER_KEY


def test_a_partner_s_keys_stay_with_its_organizations(desk):
    makes(desk)
    desk.call("POST", f"{ALL}/sandbox/migrate-keys", {"to": "stage"}, session="")
    login = LOGIN | {"devKey": demo_world.PARTNER_DEVELOPER_KEY}
    refused = desk.refused("POST", f"{STAGE}{V3}/login", login, session="")
    assert refused == (400, ["BDC_1102"])


def test_the_last_day_is_told_from_when_it_is_set_and_then_kept(desk):
    desk.signs_in()
    makes(desk)
    assert "sunset" not in desk.answer("GET", f"{V3}/health").headers
    assert ends(desk, "2027-01-06")["state"] == "SUNSET"
    base = f"http://127.0.0.1:8080{STAGE}"
    for path, link in (
        (f"{V3}/login/session", "/connect"), (f"{V3}/nothing/here", "/connect"),
        (f"{EVENTS}/subscriptions", "/connect-events"), (f"{V2}/CurrentTime.json", V2),
        ("/signup", ""), (ALL, ""),
    ):  # fmt: skip
        answer = desk.answer("GET", path)
        assert answer.status_code != 410
        assert answer.headers["link"] == f'<{base}{link}>; rel="successor-version"', path
        told = parsedate_to_datetime(answer.headers["sunset"])
        assert told == datetime(2027, 1, 7, 8, tzinfo=UTC)  # Midnight in California.
    desk.advance(days=2, hours=14, minutes=59)
    desk.signs_in()
    desk.advance(minutes=1)
    for path, link in (
        (f"{V3}/login/session", "/connect"),
        (f"{EVENTS}/subscriptions", "/connect-events"),
    ):
        answer = desk.answer("GET", path)
        (problem,) = answer.json()
        assert (answer.status_code, problem["code"]) == (410, "BDC_1005")
        assert base + link in problem["message"] and "sunset" in answer.headers
    code, said = desk.refused_v2("ListOrgs", **LOGIN_V2)
    assert code == "BDC_1005" and f"{base}{V2}" in said
    assert desk.answer("GET", "/signup").status_code == 410
    assert desk.call("GET", f"{CONTROL}/clock", session="")["now"].startswith("2027-01-07")
    found, stage = desk.call("GET", ALL, session="")["results"]
    assert (found["state"], found["sunsetDate"], stage["state"]) == ("RETIRED", "2027-01-06", "ACTIVE")
    assert desk.answer("GET", f"{STAGE}{V3}/health", session="").status_code == 200


def test_a_successor_may_be_elsewhere(desk):
    url = "https://pay.company.example/connect"
    ends(desk, "2027-03-01", url)
    assert desk.answer("GET", f"{V3}/health").headers["link"].startswith(f"<{url}>")
    for successor, status in (("nobody", 404), ("sandbox", 400), ("ftp://x.example/", 400),
                              ("https://x.example/>,<a", 400)):  # fmt: skip
        body = {"date": "2027-03-01", "successor": successor}
        found, _ = refused_sentence(desk, "POST", f"{ALL}/sandbox/sunset", body)
        assert found == status, successor


def test_one_that_nobody_uses_closes_and_opens_again(desk, monkeypatch):
    made = makes(desk)
    host = desk.billfold.host
    desk.runner.run(host._close_idle())
    assert [*host._open] == ["stage"]
    monkeypatch.setattr(hosting, "IDLE_SECONDS_MAX", 0.0)
    desk.runner.run(host._close_idle())
    assert [*host._open] == []
    enters(desk, made)
    assert [*host._open] == ["stage"]


def test_no_more_are_open_than_may_be(database_url, open_desk):
    desk = open_desk(database_url, open_environments=2)
    made = [makes(desk, name) for name in ("one", "two", "three")]
    assert [*desk.billfold.host._open] == ["two", "three"]
    for each in made:
        enters(desk, each)
    assert [*desk.billfold.host._open] == ["two", "three"]


def test_one_that_is_being_made_is_not_taken_for_one_that_was_removed(desk, monkeypatch):
    host = desk.billfold.host
    noting = host._note_use

    async def note_slowly(name: str) -> None:
        """It is open, and not listed as made."""
        closing = asyncio.create_task(host._close_idle())
        await asyncio.sleep(0.05)
        await noting(name)
        ends.append(closing)

    ends: list[asyncio.Task] = []
    monkeypatch.setattr(host, "_note_use", note_slowly)
    makes(desk)
    assert ends  # More than one where its keeper goes round meanwhile, and notes that it is used.
    for closing in ends:
        desk.runner.run(asyncio.wait_for(closing, 5))
    assert [*host._open] == ["stage"]


def test_what_falls_due_in_a_closed_one_opens_it(database_url, open_desk, monkeypatch):
    desk = open_desk(database_url, worker=True)
    makes(desk)
    host = desk.billfold.host
    site = host._open["stage"]
    later = site.environment.clock.now() + timedelta(seconds=2)

    def plan(work):
        work.plan(later, "payment.step", "stp01NOTHINGATALLnone")

    caller = demo_world.world_of(site.environment).caller
    desk.runner.run(site.environment.write(plan, caller))
    monkeypatch.setattr(hosting, "IDLE_SECONDS_MAX", 0.0)
    desk.runner.run(host._close_idle())
    assert "stage" not in host._open
    assert 0 < host._awaited["stage"] - hosting.monotonic() <= 2
    host._awaited["stage"] = 0.0
    desk.runner.run(host._open_due())
    assert "stage" in host._open and "stage" not in host._awaited


@pytest.mark.parametrize("state", [State.MAKING, State.REMOVING])
def test_what_was_left_half_done_is_taken_away(desk, state):
    host = desk.billfold.host
    now = real()
    desk.writes(lambda work: work.insert(Listed("stage", "sandbox", state, now, now, "stage")), None)
    has_database(desk, "stage")
    restarts(desk)
    host = desk.billfold.host
    assert "stage" not in host.listed and not host.place.exists(host.place.beside("stage"))
    enters(desk, makes(desk))


def test_an_ephemeral_one_disappears_when_it_is_left(desk, monkeypatch):
    makes(desk, ephemeral=True)
    host = desk.billfold.host
    desk.runner.run(host.tidy())
    assert "stage" in host.listed
    monkeypatch.setattr("billfold.environments.listed.EPHEMERAL_IDLE_MAX", timedelta(0))
    monkeypatch.setattr(hosting, "IDLE_SECONDS_MAX", 0.0)
    desk.runner.run(host._close_idle())
    desk.runner.run(host.tidy())
    assert "stage" not in host.listed


def test_a_database_of_somebody_else_is_not_touched(desk):
    host = desk.billfold.host
    url = has_database(desk, "stage")
    status, said = refused_sentence(desk, "POST", ALL, {"name": "stage"})
    assert status == 422 and "not of ours" in said
    assert host.place.exists(url)
    assert "stage" not in [each["name"] for each in desk.call("GET", ALL, session="")["results"]]


def has_database(desk, name: str) -> str:
    """As somebody else, or somebody who died, has made it."""
    place = desk.billfold.host.place
    claim = place.claim(place.beside(name))
    claim.create()
    claim.release()
    return place.beside(name)


def test_several_are_made_at_once(desk):
    names = [f"w{number}" for number in range(4)]
    found = desk.together([("POST", ALL, {"name": name}) for name in names])
    assert [each.status_code for each in found] == [201] * 4, [each.text for each in found]
    for each in found:
        enters(desk, each.json())


def test_what_was_just_finished_is_not_tidied_away(desk):
    """Whoever tidies goes by the list as it is when its turn has come, not as it saw it before."""
    host = desk.billfold.host

    async def both():
        making = asyncio.create_task(desk.asks("POST", ALL, {"name": "stage"}, session=""))
        while "stage" not in host.listed:
            await asyncio.sleep(0.001)
        await asyncio.gather(making, host.tidy())
        return making.result()

    enters(desk, desk.runner.run(both()).json())


def test_somebody_else_s_database_outlives_a_tidy(desk):
    host = desk.billfold.host
    url = has_database(desk, "stage")

    async def both():
        making = asyncio.create_task(desk.asks("POST", ALL, {"name": "stage"}, session=""))
        for _ in range(20):
            await asyncio.gather(host.tidy(), asyncio.sleep(0))
        return await making

    assert desk.runner.run(both()).status_code == 422
    restarts(desk)
    assert desk.billfold.host.place.exists(url)


@pytest.mark.parametrize(("body", "status"), [
    ({"date": "9999-12-31", "successor": "stage"}, 400),
    ({"date": "2059-01-01", "successor": "stage"}, 400),
    ({"date": "2058-12-31", "successor": "stage"}, 200),
    ({"date": "2028-12-31", "successor": "https://[::1"}, 400),
    ({"date": "2028-12-31", "successor": "https://x.example/" + "a" * 2_000}, 400),
    ({"date": "2028-02-30", "successor": "stage"}, 400),
    ({"date": "2028-12-31", "successor": ""}, 404),
    ({"date": "2028-12-31"}, 400),
])  # fmt: skip
def test_a_last_day_that_cannot_be_leaves_no_trace(desk, body, status):
    makes(desk)
    answer = desk.answer("POST", f"{ALL}/sandbox/sunset", body, session="")
    assert answer.status_code == status, answer.text
    restarts(desk)
    assert ("sunset" in desk.answer("GET", f"{V3}/health").headers) is (status == 200)


def test_a_broken_one_is_in_nobody_s_way(sqlite_desk, monkeypatch):
    desk = sqlite_desk
    makes(desk, "aaa")
    made = makes(desk, "stage")
    host = desk.billfold.host
    monkeypatch.setattr(hosting, "IDLE_SECONDS_MAX", 0.0)
    desk.runner.run(host._close_idle())
    file = Path(host.place.beside("aaa").removeprefix("sqlite:"))
    file.write_bytes(b"no database" * 1_000)
    host._awaited |= dict.fromkeys(("aaa", "stage"), 0.0)
    desk.runner.run(host._open_due())
    assert [*host._open] == ["stage"] and host._awaited["aaa"] > hosting.monotonic()
    answer = desk.answer("GET", f"/env/aaa{V3}/health", session="")
    assert (answer.status_code, answer.json()[0]["code"]) == (503, "BDC_1001")
    enters(desk, made)


def test_a_copy_tells_nobody_twice_and_remembers_no_device(desk, slow_receiver):
    desk.signs_in()
    remembered = desk.passes_mfa(rememberMe=True, device="laptop")
    body = {
        "name": "Vendors", "status": {"enabled": True}, "notificationUrl": slow_receiver.url,
        "events": [{"type": "vendor.created", "version": "1"}],
    }  # fmt: skip
    key = {"X-Idempotent-Key": str(uuid.uuid4())}
    headers = key | {"sessionId": desk.session, "devKey": demo_world.DEVELOPER_KEY}
    desk.call("POST", f"{EVENTS}/subscriptions", body, headers=headers, session="")
    desk.vendor("On Its Way")  # No worker takes it there.
    made = makes(desk, "copy", **{"from": "sandbox"})
    headers = enters(desk, made)
    (found,) = desk.call("GET", f"/env/copy{EVENTS}/subscriptions", headers=headers, session="")[
        "results"
    ]
    assert found["status"] == {"enabled": False}
    desk.call("POST", f"/env/copy{CONTROL}/clock", {"advance": {"days": 1}}, session="")
    assert slow_receiver.got == []
    login = login_of(made["credentials"]) | {"rememberMeId": remembered, "device": "laptop"}
    assert not desk.call("POST", f"/env/copy{V3}/login", login, session="")["trusted"]


def test_the_first_goes_by_no_name(desk):
    made = desk.call("POST", f"/env/sandbox{ALL}", {"name": "stage"}, status=201, session="")
    assert made["baseUrl"] == f"http://127.0.0.1:8080{STAGE}/connect"


def test_a_forged_host_is_in_no_link(desk):
    ends(desk, "2028-01-01", "https://pay.company.example/connect")
    makes(desk)
    ends(desk, "2028-01-01")
    headers = {"host": 'x>; rel="a", <http://evil.example'}
    link = desk.answer("GET", f"{V3}/health", headers=headers, session="").headers["link"]
    assert link == f'<{STAGE}/connect>; rel="successor-version"'


def test_an_ephemeral_one_is_no_successor_and_no_production(desk):
    makes(desk, ephemeral=True)
    body = {"date": "2028-01-01", "successor": "stage"}
    assert refused_sentence(desk, "POST", f"{ALL}/sandbox/sunset", body)[0] == 422


# Nothing of one can be read with what opens another.


GUARDED = [each for each in OPERATIONS if each.gate not in (PUBLIC, CONTROL_GATE)]


def test_nothing_of_one_is_reached_with_what_opens_another(desk):
    """Every guarded operation, with the keys, sessions and remembered ids of the first environment."""
    makes(desk)
    desk.signs_in()
    remembered = desk.passes_mfa(rememberMe=True, device="laptop")
    partner = {
        "username": demo_world.PARTNER_USERNAME, "password": demo_world.PARTNER_PASSWORD,
        "appKey": demo_world.APPLICATION_KEY,
    }  # fmt: skip
    found = desk.call("POST", f"{V3}/partner/login", partner, session="")
    ours = {"sessionId": desk.session, "devKey": demo_world.DEVELOPER_KEY}
    theirs = {"sessionId": found["sessionId"], "appKey": demo_world.APPLICATION_KEY}
    desk.call("POST", f"{ALL}/sandbox/migrate-keys", {"to": "stage"}, session="")
    asked = 0
    for operation in GUARDED:
        path = re.sub(r"{\w+}", "x", operation.path)
        for headers in (ours, theirs):
            answer = shows(desk, operation.method, path, operation.gate, headers)
            assert answer in ({400}, {401}, {"BDC_1102"}, {"BDC_1109"}), (path, answer)
            asked += 1
    print(f"{asked} requests over {len(GUARDED)} operations reach nothing")
    login = LOGIN | {"rememberMeId": remembered, "device": "laptop"}
    assert desk.refused("POST", f"{STAGE}{V3}/login", login, session="") == (401, ["BDC_1101"])
    assert desk.refused("POST", f"{STAGE}{V3}/partner/login", partner, session="")[0] in (400, 401)


def shows(desk, method: str, path: str, gate: Gate, headers: dict) -> set:
    """Status, or v2's code, with which these credentials are refused in the other environment."""
    if path.startswith(V2):
        body = "&".join(f"{name}={value}" for name, value in headers.items()).encode()
        answer = desk.answer(method, STAGE + path, body, session="")
        return {answer.json()["response_data"]["error_code"]}
    body = None if method == "GET" else {}
    answer = desk.answer(
        method, STAGE + path, body, headers=headers | {"organizationId": "x"}, session=""
    )
    return {answer.status_code}


def test_the_files_of_environments_are_their_owner_s_alone(sqlite_desk):
    makes(sqlite_desk)
    folder = Path(sqlite_desk.settings.data) / "environments"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o600}


def test_what_another_process_removed_and_made_anew_is_opened_anew(copied_postgres_url, open_desk):
    here, there = open_desk(copied_postgres_url), open_desk(copied_postgres_url, start=None)
    made = makes(here)
    enters(there, made)
    here.call("POST", f"{STAGE}{CONTROL}/clock", {"advance": {"days": 400}}, session="")
    assert here.answer("DELETE", f"{ALL}/stage", session="").status_code == 204
    makes(here)
    there.runner.run(there.billfold.host.refresh())
    enters(there, made)
    clocks = [each.call("GET", f"{STAGE}{CONTROL}/clock", session="")["now"] for each in (here, there)]
    assert clocks[0][:10] == clocks[1][:10]
