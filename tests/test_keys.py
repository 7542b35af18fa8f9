"""Keys and tokens that whoever runs the server makes: each opens what it should, and ends at once."""

import json

import pytest

from billfold import demo_world
from billfold.access import credentials
from billfold.access.keys import KeyKind
from billfold.access.organizations import Organization
from billfold.kit.errors import Refusal
from tests.desk import LOGIN, V3
from tests.server import Server, assert_refused, run

ORGANIZATION = demo_world.ORGANIZATION_ID
ADA = demo_world.USERNAME
GOOD = "seven green bicycles"
SESSION = f"{V3}/login/session"


def makes(desk, rule, *args):
    """What the command does, with nobody signed in."""
    return desk.writes(lambda work: rule(work, *args), None)


def refusal(do) -> tuple[str | None, str]:
    with pytest.raises(Refusal) as caught:
        do()
    ((problem, about),) = caught.value.problems
    return problem.code, about


def test_up_to_four_developer_keys_of_an_organization_are_active(desk):
    made = [makes(desk, credentials.developer_key, ORGANIZATION) for _ in range(3)]
    desk.call("POST", f"{V3}/login", LOGIN | {"devKey": made[0]}, session="")
    code, about = refusal(lambda: makes(desk, credentials.developer_key, ORGANIZATION))
    assert code == "BDC_1143" and "4 active" in about
    makes(desk, credentials.revoke, made[0][-4:])
    makes(desk, credentials.developer_key, ORGANIZATION)
    code, _ = refusal(lambda: makes(desk, credentials.developer_key, "00801NOBODYS0000none"))
    assert code == "BDC_1205"


def test_a_revoked_key_ends_its_sessions_and_no_others(desk):
    key = makes(desk, credentials.developer_key, ORGANIZATION)
    login = desk.call("POST", f"{V3}/login", LOGIN | {"devKey": key}, session="")
    desk.signs_in(trusted=False)
    mine = {"headers": {"sessionId": login["sessionId"], "devKey": key}, "session": ""}
    desk.call("GET", SESSION, **mine)
    revoked = makes(desk, credentials.revoke, key[-4:])
    assert revoked.kind is KeyKind.DEVELOPER
    assert desk.refused("GET", SESSION, **mine) == (401, ["BDC_1109"])
    desk.call("GET", SESSION)
    refused = desk.refused("POST", f"{V3}/login", LOGIN | {"devKey": key}, session="")
    assert refused == (403, ["BDC_1103"])


def test_a_key_that_is_revoked_while_a_password_is_compared_opens_no_session(desk, monkeypatch):
    key = makes(desk, credentials.developer_key, ORGANIZATION)
    passwords = desk.environment.passwords
    match = passwords.match

    async def revoke_meanwhile(*said):
        await desk.environment.write(lambda work: credentials.revoke(work, key[-4:]), None)
        return await match(*said)

    monkeypatch.setattr(passwords, "match", revoke_meanwhile)
    refused = desk.refused("POST", f"{V3}/login", LOGIN | {"devKey": key}, session="")
    assert refused == (403, ["BDC_1103"])


def test_which_key_is_meant_is_said_by_its_end_or_its_id(desk):
    key = makes(desk, credentials.developer_key, ORGANIZATION)
    found = desk.reads(lambda work: credentials.listed(work, ORGANIZATION), None)
    id = next(each.id for each in found if each.last4 == key[-4:])
    assert refusal(lambda: makes(desk, credentials.revoke, "none"))[0] == "BDC_1205"
    assert refusal(lambda: makes(desk, credentials.revoke, id[:3]))[0] == "BDC_1205"
    makes(desk, credentials.revoke, id[:12])
    assert refusal(lambda: makes(desk, credentials.revoke, id[:12]))[0] == "BDC_1205"


def test_of_two_keys_with_the_same_end_the_id_is_asked(desk):
    from billfold.access import keys

    def twins(work):
        for secret in ("first-twin", "other-twin"):
            keys.add(work, KeyKind.API_TOKEN, secret, organization_id=ORGANIZATION)

    desk.writes(twins)
    code, about = refusal(lambda: makes(desk, credentials.revoke, "twin"))
    assert code == "BDC_1143" and "several keys" in about


def test_a_sync_token_signs_in_by_its_name_and_the_next_of_its_name_ends_it(desk):
    signs_in = lambda token: desk.answer(
        "POST", f"{V3}/login", LOGIN | {"username": "Nightly-Sync", "password": token}, session=""
    )
    first = makes(desk, credentials.sync_token, ORGANIZATION, "nightly-sync", ADA)
    session = signs_in(first).json()["sessionId"]
    desk.call("GET", f"{V3}/vendors", session=session)
    assert desk.refused("POST", f"{V3}/mfa/challenge", session=session)[0] == 403
    second = makes(desk, credentials.sync_token, ORGANIZATION, "Nightly-Sync", ADA)
    assert desk.refused("GET", f"{V3}/vendors", session=session) == (401, ["BDC_1109"])
    assert (signs_in(first).status_code, signs_in(second).status_code) == (401, 200)
    other = makes(desk, credentials.sync_token, ORGANIZATION, "weekly", ADA)
    assert other != second and signs_in(second).status_code == 200


def test_a_sync_token_has_no_person_s_name_and_acts_for_somebody_who_is_there(desk):
    for args in ((ORGANIZATION, ADA, ADA), (ORGANIZATION, "sync", "nobody@demo.example"),
                 ("00801NOBODYS0000none", "sync", ADA)):  # fmt: skip
        code, _ = refusal(lambda args=args: makes(desk, credentials.sync_token, *args))
        assert code in ("BDC_1143", "BDC_1205")


def test_a_console_token_signs_in_to_the_console_s_clients(desk):
    id, token = makes(desk, credentials.console_token, ADA, "Books & Co", [ORGANIZATION])
    body = {"username": ADA, "organizationId": ORGANIZATION, "devKey": demo_world.DEVELOPER_KEY}
    login = desk.answer("POST", f"{V3}/login", body | {"consoleApiToken": token}, session="")
    session = login.json()["sessionId"]
    desk.call("GET", f"{V3}/vendors", session=session)
    again, other = makes(desk, credentials.console_token, ADA, "Books & Co", [ORGANIZATION])
    assert again == id and other != token
    made = desk.reads(lambda work: work.connection.first(Organization, id=ORGANIZATION))
    assert made.console_id == id
    makes(desk, credentials.revoke, token[-4:])
    assert desk.refused("GET", f"{V3}/vendors", session=session) == (401, ["BDC_1109"])


def test_a_partner_is_made_with_keys_and_a_person(desk):
    id, application_key, key = makes(desk, credentials.partner, "Guitar Makers' Union")
    hash = desk.runner.run(desk.environment.passwords.hash(GOOD))
    makes(desk, credentials.partner_person, id, "Union@partner.example", hash)
    body = {"username": "union@partner.example", "password": GOOD}
    signs_in = lambda app_key: desk.answer(
        "POST", f"{V3}/partner/login", body | {"appKey": app_key}, session=""
    )
    second = makes(desk, credentials.application_key, id)
    assert len({application_key, key, second}) == 3
    login = signs_in(application_key)
    if login.status_code != 404:  # The operation is another's to serve; the rule is asked below.
        assert login.status_code == 200
    from billfold.access import partners

    for app_key in (application_key, second):
        desk.runner.run(partners.sign_in(desk.environment, app_key, *body.values()))
    code, about = refusal(lambda: makes(desk, credentials.partner_person, id, ADA, hash))
    assert code == "BDC_1143" and "taken" in about


def test_only_digests_are_kept_and_a_list_shows_no_key(sqlite_desk, folder):
    made = [
        makes(sqlite_desk, credentials.developer_key, ORGANIZATION),
        makes(sqlite_desk, credentials.sync_token, ORGANIZATION, "nightly", ADA),
        makes(sqlite_desk, credentials.console_token, ADA, "Books", [ORGANIZATION])[1],
        makes(sqlite_desk, credentials.api_token, ORGANIZATION, ADA),
        *makes(sqlite_desk, credentials.partner, "Union")[1:],
    ]
    written = b"".join(path.read_bytes() for path in folder.glob("billfold.db*"))
    assert [secret for secret in made if secret.encode() in written] == []
    listed = sqlite_desk.reads(lambda work: credentials.listed(work), None)
    assert {secret[-4:] for secret in made} <= {key.last4 for key in listed}


# By command


def test_the_command_makes_lists_and_ends(tmp_path):
    where = ["--data", tmp_path / "data"]
    variables = {"BILLFOLD_PASSWORD": GOOD}
    partner = run(
        "keys", "create", "appKey", "--partner", "Union", "--partner-user", "u@union.example", "--json",
        *where, seconds=60, **variables,
    )  # fmt: skip
    assert partner.returncode == 0, partner.stderr
    made = json.loads(partner.stdout)
    assert set(made) == {"partnerId", "appKey", "devKey", "username"}
    listed = run("keys", "list", *where, seconds=60).stdout.splitlines()
    assert len(listed) == 2 and not [key for key in made.values() if key in listed[0].split()[:2]]
    ended = run("keys", "revoke", made["appKey"][-4:], *where, seconds=60)
    assert ended.stdout == f"appKey …{made['appKey'][-4:]} has ended, and its sessions with it\n"
    again = run("keys", "revoke", made["appKey"][-4:], *where, seconds=60)
    assert_refused(again, "no active key")
    for which in ("-lZU", "--aB", "-_-h"):  # Keys hold dashes.
        assert_refused(run("keys", "revoke", which, *where, seconds=60), "no active key")


def test_on_sqlite_the_server_is_stopped_for_what_writes(tmp_path):
    where = ["--data", tmp_path / "data"]
    server = Server(tmp_path / "data")
    try:
        company = ["--organization", ORGANIZATION]
        for command in (["keys", "create", "devKey", *company], ["keys", "revoke", "abcd"]):
            assert_refused(run(*command, *where), "another server", "stop it")
        server.signs_in()
        # Read it is beside it, with its key and under its policy.
        listed = run("keys", "list", *where)
        assert listed.returncode == 0 and "devKey" in listed.stdout
        written = run("export", *company, "--out", tmp_path / "company.jsonl", *where)
        assert (
            written.returncode == 0 and demo_world.VENDOR_ID in (tmp_path / "company.jsonl").read_text()
        )
        assert_refused(run("keys", "list", *where, BILLFOLD_KEY="A" * 43 + "="), "another key")
        assert_refused(run("keys", "list", "--policy", "production", *where), "belongs to a sandbox")
        server.signs_in()
    finally:
        server.kill()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["Missing argument 'kind'", "devKey", "apiToken"]),
        (["devKey"], ["--organization or --partner"]),
        (["appKey"], ["--partner"]),
        (["syncToken", "--organization", "x"], ["--name", "--user"]),
        (["apiToken", "--organization", "x", "--organization", "y", "--user", "u"], ["one"]),
    ],
)
def test_what_is_missing_is_said(tmp_path, arguments, words):
    assert_refused(run("keys", "create", *arguments, "--data", tmp_path / "data"), *words)
    assert not (tmp_path / "data").exists()
