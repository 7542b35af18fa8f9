"""Snapshots: an environment goes back to what it was, or stays as it is; others are made of it."""

from datetime import timedelta
from pathlib import Path

import pytest

from billfold import demo_world, migrations
from billfold.environments import differences
from billfold.environments.listed import Listed, State
from billfold.kit.clock import real
from billfold.payables.vendors import Vendor
from tests.desk import CONTROL, START, V3, vendor_of
from tests.server import assert_refused, run
from tests.test_environments import ALL, enters, makes, refused_sentence, restarts
from tests.test_payments import pays
from tests.test_webhooks import subscribes

SNAPSHOTS = f"{CONTROL}/snapshots"


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def saves(desk, name: str = "base", status: int = 201, **more) -> dict:
    return desk.call("POST", SNAPSHOTS, {"name": name, **more}, status=status, session="")


def restores(desk, name: str = "base", status: int = 200) -> dict:
    return desk.call("POST", f"{SNAPSHOTS}/{name}/restore", status=status, session="")


def names(desk) -> list[str]:
    """Of the vendors beside the demo world's own."""
    desk.signs_in()
    found = desk.call("GET", f"{V3}/vendors")["results"]
    return sorted(each["name"] for each in found if each["id"] != demo_world.VENDOR_ID)


def database_of(desk, name: str) -> str:
    return desk.billfold.host.place.beside(name)


def test_an_environment_goes_back_to_what_it_was(desk):
    desk.vendor("before")
    made = saves(desk)
    assert (made["name"], made["environment"], made["policy"]) == ("base", "sandbox", "sandbox")
    desk.vendor("after")
    assert restores(desk) == made
    assert names(desk) == ["before"]


def test_whoever_was_signed_in_is_not_any_more(desk):
    """Neither since nor when it was saved; keys and people are those of then."""
    saves(desk)
    then = desk.session
    desk.signs_in()
    restores(desk)
    for session in (then, desk.session):
        answer = desk.answer("GET", f"{V3}/vendors", session=session)
        assert (answer.status_code, answer.json()[0]["code"]) == (401, "BDC_1109")
    desk.signs_in()
    desk.call("GET", f"{V3}/vendors")


def test_time_goes_back_and_what_was_planned_is_planned_again(desk):
    (made,) = pays(desk, (desk.owes(demo_world.VENDOR_ID, 100), 100))
    saves(desk)
    statuses = []
    for _ in range(2):
        assert desk.now() - START < timedelta(minutes=1)
        desk.advance(days=30)
        desk.signs_in()
        statuses.append(desk.call("GET", f"{V3}/payments/{made['id']}")["singleStatus"])
        restores(desk)
    assert statuses == ["CLEARED", "CLEARED"]


def test_what_was_on_its_way_is_told_again_under_its_id(desk, receiver):
    subscribes(desk, receiver.url, "vendor.created")
    desk.vendor()
    saves(desk)
    desk.advance(seconds=1)
    restores(desk)
    desk.advance(seconds=1)
    first, second = (body["metadata"]["eventId"] for body in receiver.bodies)
    assert first == second


def test_another_environment_is_kept_and_put_back_alone(desk):
    made = makes(desk)
    saves(desk, "base", environment="stage")
    headers = enters(desk, made)
    vendors = f"/env/stage{V3}/vendors"
    before = desk.call("GET", vendors, headers=headers, session="")["results"]
    desk.vendor("here")
    restores(desk)
    headers = enters(desk, made)
    assert desk.call("GET", vendors, headers=headers, session="")["results"] == before
    assert names(desk) == ["here"]


def test_what_was_made_since_stays_in_the_list(desk):
    """The list of environments and snapshots is the installation's, and does not go back."""
    saves(desk)
    makes(desk)
    saves(desk, "later")
    restores(desk)
    found = desk.call("GET", ALL, session="")["results"]
    assert [each["name"] for each in found] == ["sandbox", "stage"]
    found = desk.call("GET", SNAPSHOTS, session="")["results"]
    assert [each["name"] for each in found] == ["base", "later"]


def test_others_are_made_of_a_snapshot(desk):
    before = desk.vendor("before")
    saves(desk)
    desk.vendor("after")
    desk.call("POST", ALL, {"name": "copy", "from": "base"}, status=201, session="")
    login = {
        "username": demo_world.USERNAME, "password": demo_world.PASSWORD,
        "organizationId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY,
    }  # fmt: skip
    session = desk.call("POST", f"/env/copy{V3}/login", login, session="")["sessionId"]
    headers = {"sessionId": session, "devKey": demo_world.DEVELOPER_KEY}
    found = desk.call("GET", f"/env/copy{V3}/vendors", headers=headers, session="")["results"]
    assert {each["id"] for each in found} == {demo_world.VENDOR_ID, before}
    assert names(desk) == ["after", "before"]


def test_nobody_enters_a_snapshot(desk):
    saves(desk)
    assert refused_sentence(desk, "GET", f"/env/base{V3}/vendors")[0] == 404
    assert refused_sentence(desk, "POST", f"{ALL}/sandbox/migrate-keys", {"to": "base"})[0] == 404
    assert refused_sentence(desk, "DELETE", f"{ALL}/base")[0] == 404


def test_a_snapshot_outlives_a_restart_and_goes_when_it_is_removed(desk):
    desk.vendor("before")
    saves(desk)
    restarts(desk)
    restores(desk)
    assert names(desk) == ["before"]
    desk.call("DELETE", f"{SNAPSHOTS}/base", status=204, session="")
    assert desk.call("GET", SNAPSHOTS, session="") == {"results": []}
    assert not desk.billfold.host.place.exists(database_of(desk, "base"))
    saves(desk)


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), [
    ("POST", SNAPSHOTS, {"name": "Not A Name"}, 400, "small letter"),
    ("POST", SNAPSHOTS, {"name": "sandbox"}, 422, "already"),
    ("POST", SNAPSHOTS, {"name": "base"}, 422, "already"),
    ("POST", SNAPSHOTS, {"name": "x", "environment": "nowhere"}, 404, "nowhere"),
    ("POST", SNAPSHOTS, {"name": "x", "environment": "base"}, 404, "base"),
    ("POST", ALL, {"name": "base"}, 422, "already"),
    ("POST", f"{SNAPSHOTS}/nowhere/restore", None, 404, "nowhere"),
    ("POST", f"{SNAPSHOTS}/sandbox/restore", None, 404, "sandbox"),
    ("DELETE", f"{SNAPSHOTS}/nowhere", None, 404, "nowhere"),
])  # fmt: skip
def test_what_cannot_be_is_one_sentence(desk, method, path, body, status, words):
    saves(desk)
    found, sentence = refused_sentence(desk, method, path, body)
    assert found == status and words in sentence


def test_the_environment_of_a_snapshot_may_be_gone(desk):
    """It can still be made anew of it."""
    makes(desk)
    saves(desk, "base", environment="stage")
    desk.call("DELETE", f"{ALL}/stage", status=204, session="")
    assert refused_sentence(desk, "POST", f"{SNAPSHOTS}/base/restore")[0] == 404
    desk.call("POST", ALL, {"name": "stage", "from": "base"}, status=201, session="")
    restores(desk)


def test_one_of_another_key_changes_nothing(desk, other_key):
    saves(desk)
    desk.vendor("after")
    other_key(database_of(desk, "base"))
    status, sentence = refused_sentence(desk, "POST", f"{SNAPSHOTS}/base/restore")
    assert status == 422 and "another key" in sentence
    assert names(desk) == ["after"]
    status, sentence = refused_sentence(desk, "POST", ALL, {"name": "copy", "from": "base"})
    assert status == 422 and "another key" in sentence


@pytest.fixture
def other_key():
    def change(url: str) -> None:
        text = "UPDATE clocks SET key_check = "
        if url.startswith("sqlite:"):
            import apsw

            apsw.Connection(url.removeprefix("sqlite:")).execute(text + "x'00'")
        else:
            import psycopg

            with psycopg.connect(url) as connection:
                connection.execute(text + "'\\x00'")

    return change


@pytest.mark.parametrize("keeps", [0, 1_000, 40_000])
def test_a_truncated_file_changes_nothing(sqlite_url, open_desk, keeps):
    desk = open_desk(sqlite_url)
    desk.signs_in()
    saves(desk)
    desk.vendor("after")
    file = database_of(desk, "base").removeprefix("sqlite:")
    with open(file, "r+b") as found:
        found.truncate(keeps)
    for path, body in ((f"{SNAPSHOTS}/base/restore", None), (ALL, {"name": "copy", "from": "base"})):
        status, sentence = refused_sentence(desk, "POST", path, body)
        assert status == 422 and "base" in sentence
    assert names(desk) == ["after"]
    assert [each["name"] for each in desk.call("GET", ALL, session="")["results"]] == ["sandbox"]


def test_nobody_else_reads_its_file(sqlite_url, open_desk):
    desk = open_desk(sqlite_url)
    saves(desk)
    assert Path(database_of(desk, "base").removeprefix("sqlite:")).stat().st_mode & 0o777 == 0o600


def test_half_made_ones_are_taken_away_and_whole_ones_stay(desk):
    saves(desk)
    now = real()
    half = Listed("half", "sandbox", State.MAKING, now, now, "", origin="sandbox")
    desk.writes(lambda work: work.insert(half))
    restarts(desk)
    found = desk.call("GET", SNAPSHOTS, session="")["results"]
    assert [each["name"] for each in found] == ["base"]
    assert desk.reads(lambda work: work.connection.first(Listed, id="half")) is None


def test_one_of_an_older_schema_is_migrated_first(desk, older):
    desk.vendor("before")
    saves(desk)
    desk.vendor("after")
    older(database_of(desk, "base"))
    restores(desk)
    assert names(desk) == ["before"]
    assert migrations.revision(database_of(desk, "base")) == migrations.HEAD


@pytest.fixture
def older():
    """The schema before the last one, which had one index less."""

    def change(url: str) -> None:
        texts = (
            "DROP INDEX ix_agenda_leased",
            f"UPDATE alembic_version SET version_num = '{migrations.REVISIONS[-2]}'",
        )
        if url.startswith("sqlite:"):
            import apsw

            for text in texts:
                apsw.Connection(url.removeprefix("sqlite:")).execute(text)
        else:
            import psycopg

            with psycopg.connect(url) as connection:
                for text in texts:
                    connection.execute(text)

    return change


# What differs


def differs(desk, one: str, other: str) -> list[dict]:
    path = f"{CONTROL}/differences?one={one}&other={other}"
    return desk.call("GET", path, session="")["results"]


def test_what_only_one_has_and_what_is_other_is_told(desk):
    vendor = desk.vendor("before")
    saves(desk)
    assert differs(desk, "base", "sandbox") == []
    desk.call("PATCH", f"{V3}/vendors/{vendor}", {"shortName": "Fore"})
    later = desk.vendor("later")
    found = {each["id"]: each for each in differs(desk, "base", "sandbox")}
    assert set(found) == {vendor, later}
    assert found[vendor]["table"] == found[later]["table"] == "vendors"
    assert (found[vendor]["one"]["short_name"], found[vendor]["other"]["short_name"]) == (None, "Fore")
    assert "one" not in found[later] and found[later]["other"]["name"] == "later"
    assert differs(desk, "sandbox", "base")[-1].keys() >= {"one"}


def test_what_is_sealed_is_compared_opened_and_not_told(desk):
    vendor = desk.vendor("before", additionalInfo={"taxId": "123456789", "taxIdType": "EIN"})
    saves(desk)
    desk.writes(lambda work: seal_again(work, vendor, "123456789"))
    assert differs(desk, "base", "sandbox") == []
    desk.writes(lambda work: seal_again(work, vendor, "987654321"))
    (found,) = differs(desk, "base", "sandbox")
    assert found["one"] == found["other"] == {"tax_id": None}


def seal_again(work, vendor: str, tax_id: str) -> None:
    work.connection.update(Vendor, vendor, {"tax_id": work.secrets.seal(tax_id, vendor)})


def test_pages_are_gone_through_and_a_thousand_told(desk, monkeypatch):
    monkeypatch.setattr(differences, "PAGE", 2)
    differences._select_page.cache_clear()
    saves(desk)
    made = [desk.vendor(f"V{number}") for number in range(7)]
    assert [each["id"] for each in differs(desk, "base", "sandbox")] == sorted(made)
    monkeypatch.setattr(differences, "DIFFERENCES_MAX", 3)
    assert [each["id"] for each in differs(desk, "base", "sandbox")] == sorted(made)[:3]
    differences._select_page.cache_clear()


def test_only_environments_and_snapshots_can_be_compared(desk):
    for path in ("one=sandbox&other=nowhere", "one=nowhere&other=sandbox"):
        status, sentence = refused_sentence(desk, "GET", f"{CONTROL}/differences?{path}")
        assert status == 404 and "nowhere" in sentence
    assert refused_sentence(desk, "GET", f"{CONTROL}/differences?one=sandbox")[0] == 400


def test_the_commands_keep_put_back_compare_and_remove(serve, tmp_path):
    server = serve()
    server.signs_in()

    def says(*arguments: str) -> str:
        done = run(*arguments, "--url", server.base)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    assert says("snapshot", "save", "base").startswith("base is sandbox as it was at ")
    assert says("snapshot", "list").split()[:3] == ["base", "sandbox", "sandbox"]
    made = server.call("POST", f"{V3}/vendors", vendor_of("later"), status=201)["id"]
    assert says("diff", "base", "sandbox") == f"+ vendors {made}\n"
    assert says("snapshot", "restore", "base").startswith("sandbox is what it was at ")
    assert says("diff", "base", "sandbox") == ""
    assert says("snapshot", "remove", "base") == "base is removed\n"
    assert_refused(run("snapshot", "restore", "base", "--url", server.base), "no snapshot base")
    server.stop()
    folder = str(tmp_path / "data")
    assert run("snapshot", "save", "cold", "--data", folder).stdout.startswith("cold is sandbox")
    assert run("snapshot", "restore", "cold", "--data", folder).returncode == 0
    done = run("diff", "cold", "sandbox", "--data", folder)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert_refused(run("diff", "cold", "nowhere", "--data", folder), "no environment nowhere")
