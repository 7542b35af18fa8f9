"""Signing up, and passwords: which are taken, and what a new one ends."""

import json

import pyotp
import pytest

from billfold import demo_world
from billfold.access import invitations, passwords, sign_up, users, verifications
from billfold.access.authenticators import Authenticator
from billfold.access.mfa import Remembered
from billfold.access.roles import RoleType
from billfold.access.sessions import Session
from billfold.access.sign_up import Applicant, SignUp
from billfold.access.verifications import Verification
from billfold.kit.callers import Caller
from billfold.kit.errors import Refusal
from tests.desk import CONTROL, LOGIN, V3
from tests.server import run
from tests.test_production import KEY

GOOD = "seven green bicycles"
CARLA = Applicant("Carla's Guitars", "Carla", "Luthier", "carla@guitars.example", "+14155550111")


def refusal(do) -> list[str | None]:
    with pytest.raises(Refusal) as caught:
        do()
    return [problem.code for problem, _ in caught.value.problems]


def signs_up(desk, applicant=CARLA, password=GOOD):
    return desk.runner.run(sign_up.sign_up(desk.environment, applicant, password))


def inbox(desk) -> list[dict]:
    return desk.call("GET", f"{CONTROL}/messages", session="")["results"]


def enters(desk, made, password=GOOD) -> dict:
    """Signs in with what the sign-up showed."""
    body = {
        "username": made.username, "password": password, "organizationId": made.organization_id,
        "devKey": made.developer_key,
    }  # fmt: skip
    return desk.call("POST", f"{V3}/login", body, session="")


# Passwords


@pytest.mark.parametrize(
    "password, why",
    [
        ("short", "at least 12 characters"),
        ("elevenchars", "at least 12 characters"),
        ("x" * 257, "at most 256 characters"),
        ("password1234", "too common"),
        ("123456789012", "too common"),
        ("qwertyuiop12", "too common"),
        ("aaaaaaaaaaaa", "too common"),
        ("letmeinletmein", "too common"),
        ("billfoldbillfold", "too common"),
        ("guitarsguitars", "too common"),
        ("carla@guitars.example", "too common"),
        ("Carla-Billfold-2027", "too common"),
    ],
)
def test_a_password_that_is_short_or_easily_guessed_is_refused(password, why):
    with pytest.raises(Refusal, match="BDC_1143") as caught:
        passwords.check(password, "carla@guitars.example", "Guitars")
    assert why in caught.value.problems[0][1]


@pytest.mark.parametrize(
    "password", [GOOD, "correct horse battery staple", "kX9vq2Lm0pZt", "одиннадцать труб"]
)
def test_nothing_is_asked_about_which_characters(password):
    passwords.check(password, "carla@guitars.example")


# Signing up


def test_an_organization_is_made_with_administrator_key_and_phone(desk):
    made = signs_up(desk)
    login = enters(desk, made)
    assert (login["organizationId"], login["trusted"]) == (made.organization_id, False)
    headers = {"sessionId": login["sessionId"], "devKey": made.developer_key}
    asks = lambda method, path, body=None, status=200: desk.call(
        method, f"{V3}/{path}", body, status=status, session="", headers=headers
    )
    assert asks("GET", "login/session")["mfaStatus"] == "CHALLENGE"
    challenge = asks("POST", "mfa/challenge")["challengeId"]
    assert inbox(desk)[-1]["to"] == CARLA.phone
    asks("POST", "mfa/challenge/validate", {"challengeId": challenge, "token": desk.code()})
    assert asks("GET", "login/session")["mfaStatus"] == "COMPLETE"
    assert asks("GET", "vendors")["results"] == []
    asks("GET", f"vendors/{demo_world.VENDOR_ID}", status=404)


def test_without_a_phone_there_is_an_app(desk):
    made = signs_up(desk, Applicant("Solo", "Sol", "Own", "sol@solo.example"))
    assert made.authenticator_uri.startswith("otpauth://totp/Billfold:sol%40solo.example?secret=")
    login = enters(desk, made)
    headers = {"sessionId": login["sessionId"], "devKey": made.developer_key}
    ask = {"headers": headers, "session": ""}
    body = {
        "challengeId": desk.call("POST", f"{V3}/mfa/challenge", **ask)["challengeId"],
        "token": pyotp.TOTP(made.authenticator_secret).now(),
    }
    desk.call("POST", f"{V3}/mfa/challenge/validate", body, **ask)
    assert inbox(desk) == []


def test_a_login_that_is_there_proves_its_password_and_has_a_second_organization(desk):
    again = Applicant("Ada's Other", "Ada", "Payer", "ADA@demo.example", "+14155550111")
    assert refusal(lambda: signs_up(desk, again)) == ["BDC_1101"]
    made = signs_up(desk, again, demo_world.PASSWORD)
    assert made.username == demo_world.USERNAME
    assert enters(desk, made, demo_world.PASSWORD)["organizationId"] == made.organization_id
    desk.signs_in(trusted=False)


def test_an_open_invitation_is_nobody_s_to_take(desk):
    desk.writes(lambda w: users.add_user(w, first_name="C", last_name="L", email=CARLA.email))
    assert refusal(lambda: signs_up(desk)) == ["BDC_1101"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "carla"}, {"email": "a@b@c.example"}, {"email": "carla@ "}, {"organization": " "},
        {"first_name": ""}, {"last_name": "x" * 101}, {"email": "c@x.example\nBcc: e@x.example"},
    ],
)  # fmt: skip
def test_who_signs_up_has_a_name_and_an_address(sqlite_desk, wrong):
    from msgspec.structs import replace

    assert refusal(lambda: signs_up(sqlite_desk, replace(CARLA, **wrong))) == ["BDC_1143"]


def begins(desk, applicant=CARLA, password=GOOD) -> str:
    return desk.runner.run(sign_up.begin(desk.environment, applicant, password))


def finishes(desk, token: str, mailed: str, code: str):
    return desk.runner.run(sign_up.finish(desk.environment, token, mailed, code))


def test_on_the_page_nothing_is_made_before_both_codes_are_right(desk):
    token = begins(desk)
    mail, text = inbox(desk)
    assert (mail["to"], mail["channel"]) == (CARLA.email, "EMAIL")
    assert (text["to"], text["channel"]) == (CARLA.phone, "TEXT")
    assert desk.reads(lambda work: users.login_of(work, CARLA.email)) is None
    for codes in ((text["code"], mail["code"]), (mail["code"], ""), ("", text["code"])):
        assert refusal(lambda codes=codes: finishes(desk, token, *codes)) == ["BDC_1356"]
    assert refusal(lambda: finishes(desk, token, mail["code"], text["code"])) == ["BDC_1358"]
    token = begins(desk)
    mail, text = inbox(desk)[-2:]
    made = finishes(desk, token, mail["code"], text["code"])
    assert enters(desk, made)["organizationId"] == made.organization_id
    assert refusal(lambda: finishes(desk, token, mail["code"], text["code"])) == [None]


def test_a_sign_up_waits_a_quarter_of_an_hour_and_is_forgotten(desk):
    token = begins(desk)
    mail, text = inbox(desk)
    desk.advance(minutes=15)
    assert refusal(lambda: finishes(desk, token, mail["code"], text["code"])) == [None]
    begins(desk)
    (left,) = desk.reads(lambda work: work.connection.where(SignUp))
    assert CARLA.email.encode() not in left.vetted


# A new password


def trusted_elsewhere(desk) -> None:
    desk.signs_in(trusted=False)
    desk.passes_mfa(rememberMe=True, device="till-1")


def nobody_is_signed_in(desk) -> None:
    assert desk.refused("GET", f"{V3}/login/session") == (401, ["BDC_1109"])
    mine = {"user_id": demo_world.USER_ID}
    assert desk.reads(lambda work: work.connection.where(Session, **mine)) == []
    assert desk.reads(lambda work: work.connection.where(Remembered, **mine)) == []


def test_a_changed_password_ends_sessions_forgets_devices_and_is_told(desk):
    trusted_elsewhere(desk)
    old = demo_world.PASSWORD
    change = lambda old, new: desk.runner.run(
        passwords.change(desk.environment, demo_world.USERNAME, old, new)
    )
    assert refusal(lambda: change("guess", GOOD)) == ["BDC_1101"]
    assert refusal(lambda: change(old, "password1234")) == ["BDC_1143"]
    desk.call("GET", f"{V3}/login/session")
    change(old, GOOD)
    nobody_is_signed_in(desk)
    notice = inbox(desk)[-1]
    assert notice["to"] == demo_world.USERNAME and "was changed" in notice["subject"]
    assert GOOD not in json.dumps(inbox(desk))
    assert desk.refused("POST", f"{V3}/login", LOGIN, session="") == (401, ["BDC_1101"])
    desk.signs_in(password=GOOD)


def test_wrong_passwords_lock_the_change_as_they_lock_the_door(desk):
    change = lambda old: desk.runner.run(
        passwords.change(desk.environment, demo_world.USERNAME, old, GOOD)
    )
    codes = [refusal(lambda: change("guess")) for _ in range(5)]
    assert codes == [["BDC_1101"]] * 5
    assert refusal(lambda: change(demo_world.PASSWORD)) == ["BDC_1110"]
    assert desk.refused("POST", f"{V3}/login", LOGIN, session="") == (403, ["BDC_1110"])


def forgets(desk, name: str) -> None:
    desk.writes(lambda work: passwords.forget(work, name), None)


def token_of(message: dict) -> str:
    return next(w for w in message["text"].split() if w.startswith("http")).rpartition("/")[2]


def test_a_forgotten_password_is_set_by_a_link_that_is_good_once(desk):
    trusted_elsewhere(desk)
    forgets(desk, " ADA@demo.example")
    mail = inbox(desk)[-1]
    assert mail["to"] == demo_world.USERNAME and "http://127.0.0.1:8080/password/reset/" in mail["text"]
    reset = lambda new: desk.runner.run(passwords.reset(desk.environment, token_of(mail), new))
    assert refusal(lambda: reset("123456789012")) == ["BDC_1143"]
    reset(GOOD)
    nobody_is_signed_in(desk)
    assert refusal(lambda: reset("another good bicycle")) == [None]
    desk.signs_in(password=GOOD)


def test_the_link_ends_after_an_hour_and_with_any_other_change(desk):
    reset = lambda mail: desk.runner.run(passwords.reset(desk.environment, token_of(mail), GOOD))
    forgets(desk, demo_world.USERNAME)
    first = inbox(desk)[-1]
    desk.advance(hours=1)
    assert refusal(lambda: reset(first)) == [None]
    forgets(desk, demo_world.USERNAME)
    forgets(desk, demo_world.USERNAME)
    second, third = inbox(desk)[-2:]
    reset(third)
    assert refusal(lambda: reset(second)) == [None]


def test_nobody_is_written_to_who_is_not_there_or_was_only_invited(desk):
    desk.writes(lambda w: users.add_user(w, first_name="C", last_name="L", email=CARLA.email))
    for name in ("nobody@demo.example", CARLA.email, ""):
        forgets(desk, name)
    assert inbox(desk) == []


def test_a_changed_phone_is_told_by_mail(desk):
    desk.signs_in()
    before = len(inbox(desk))
    setup = desk.call("POST", f"{V3}/mfa/setup", {"phone": "4155550199", "type": "TEXT"})["setupId"]
    body = {"setupId": setup, "type": "TEXT", "token": desk.code()}
    desk.call("POST", f"{V3}/mfa/setup/validate", body)
    code, notice = inbox(desk)[before:]
    assert code["channel"] == "TEXT" and notice["to"] == demo_world.USERNAME
    assert "0199" in notice["text"] and "4155550199" not in notice["text"]


# Invitations


def invites(desk, **more) -> dict:
    def invite(work):
        role = work.rows(users.Role, type=RoleType.CLERK)[0].id
        user = users.add_user(
            work, first_name="Carla", last_name="Luthier", email=CARLA.email, role_id=role
        )
        invitations.invite(work, user)

    desk.writes(invite)
    return inbox(desk)[-1]


def test_who_is_invited_sets_a_password_and_begins(desk):
    mail = invites(desk)
    assert mail["to"] == CARLA.email and "Demo Company" in mail["text"]
    accept = lambda new: desk.runner.run(invitations.accept(desk.environment, token_of(mail), new))
    assert refusal(lambda: accept("carlaluthier1")) == ["BDC_1143"]
    accept(GOOD)
    login = LOGIN | {"username": CARLA.email, "password": GOOD}
    assert desk.call("POST", f"{V3}/login", login, session="")["trusted"] is False
    assert refusal(lambda: accept(GOOD)) == [None]


def test_an_invitation_is_good_for_seven_days_and_until_the_next(desk):
    first = invites(desk)
    accept = lambda token: desk.runner.run(invitations.accept(desk.environment, token, GOOD))
    link_for = lambda work: invitations.link_for(work, demo_world.ORGANIZATION_ID, CARLA.email)
    second = desk.writes(link_for, None).rpartition("/")[2]
    assert refusal(lambda: accept(token_of(first))) == [None]
    desk.advance(days=7)
    assert refusal(lambda: accept(second)) == [None]
    accept(desk.writes(link_for, None).rpartition("/")[2])


def test_who_has_a_password_elsewhere_proves_it(desk):
    made = signs_up(desk)
    mail = invites(desk)
    accept = lambda password: desk.runner.run(
        invitations.accept(desk.environment, token_of(mail), password)
    )
    assert refusal(lambda: accept("another good bicycle")) == ["BDC_1101"]
    accept(GOOD)
    assert enters(desk, made)["organizationId"] == made.organization_id


def test_where_apps_are_the_factor_an_invitation_enrols_one(database_url, open_desk):
    desk = open_desk(database_url, second_factor="totp")
    mail = invites(desk)
    guest = desk.reads(lambda work: invitations.guest_of(work, token_of(mail)), None)
    accept = lambda code: desk.runner.run(
        invitations.accept(desk.environment, token_of(mail), GOOD, code)
    )
    assert refusal(lambda: accept("")) == ["BDC_1356"]
    accept(pyotp.TOTP(guest.secret).now())
    assert len(desk.reads(lambda work: work.rows(Authenticator, user_id=guest.user.id))) == 1


# By command


def test_the_command_makes_what_the_page_makes(tmp_path):
    flags = [
        "--organization", "Carla's Guitars", "--first-name", "Carla", "--last-name", "Luthier",
        "--email", "carla@guitars.example",
    ]  # fmt: skip
    where = ["--data", tmp_path / "data", "--policy", "production"]
    variables = {"BILLFOLD_KEY": KEY, "BILLFOLD_PASSWORD": GOOD}
    refused = run("signup", *flags, *where, seconds=60, **variables)
    assert (refused.returncode, "second_factor = totp" in refused.stderr) == (2, True)
    variables["BILLFOLD_SECOND_FACTOR"] = "totp"
    done = run("signup", *flags, *where, "--json", seconds=60, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["username"] == "carla@guitars.example" and len(shown["devKey"]) == 40
    assert shown["secret"] in shown["authenticator"]
    weak = run(
        "signup", *flags, *where, seconds=60, **variables | {"BILLFOLD_PASSWORD": "carlaluthier1"}
    )
    assert weak.returncode == 2 and "The user name or the password is wrong" in weak.stderr
    listed = json.loads(run("keys", "list", *where, "--json", seconds=60, **variables).stdout)
    assert [(key["kind"], key["last4"]) for key in listed] == [("devKey", shown["devKey"][-4:])]
    assert shown["devKey"] not in done.stderr and GOOD not in done.stdout


def test_whoever_runs_the_server_vouches_for_an_organization(desk):
    """Made by the command it may move money at once; one that signed up itself when they say so."""
    applicant = Applicant("Carla's", "Carla", "Carver", "carla@carver.example", "+14155550199")
    made = desk.runner.run(sign_up.sign_up(desk.environment, applicant, "a long walk by the river"))
    caller = Caller(made.organization_id, made.user_id, True)
    assert desk.reads(verifications.may_pay, caller)
    forget = lambda work: [work.remove(work.hold(Verification, e.id)) for e in work.rows(Verification)]
    desk.writes(forget, caller)
    assert not desk.reads(verifications.may_pay, caller)
    desk.writes(lambda work: verifications.vouch_for(work, made.organization_id), None)
    assert desk.reads(verifications.may_pay, caller)
    with pytest.raises(Refusal):
        desk.writes(lambda work: verifications.vouch_for(work, "00801NOBODYHERE00none"), None)
