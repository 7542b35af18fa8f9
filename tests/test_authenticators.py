"""An authenticator app as the second step, for those who have no gateway."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine

from billfold import demo_world
from billfold.access import authenticators, mfa
from billfold.access.authenticators import Authenticator
from billfold.access.messages import Channel
from billfold.access.mfa import MfaPhone
from tests.desk import CONTROL, V3

SESSION = f"{V3}/login/session"
STEPS = f"{V3}/mfa/challenge", f"{V3}/mfa/challenge/validate"
# The beginning of a step, by the machine's clock, which is far from the desk's.
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def real_time():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def app(desk, real_time):
    """Ada's app: a function that shows its code, some seconds before or after now. She has no phone."""

    def enrol(work):
        for phone in work.rows(MfaPhone, user_id=demo_world.USER_ID):
            work.remove(work.hold(MfaPhone, phone.id))
        authenticators.enrol(work, demo_world.USER_ID, SECRET)

    desk.writes(enrol)
    desk.signs_in(trusted=False)
    return lambda seconds=0: pyotp.TOTP(SECRET).at(NOON + timedelta(seconds=seconds))


def shows(desk, code: str) -> tuple[int, list[str]]:
    """Asks for a challenge and answers it: the status and what was wrong."""
    challenge = desk.call("POST", STEPS[0])["challengeId"]
    answer = desk.answer("POST", STEPS[1], {"challengeId": challenge, "token": code})
    wrong = answer.json() if answer.status_code != 200 else []
    return answer.status_code, [error["code"] for error in wrong]


def test_the_app_is_a_registered_factor_and_nothing_is_sent(desk, app):
    assert desk.call("GET", SESSION)["mfaStatus"] == "CHALLENGE"
    assert shows(desk, app()) == (200, [])
    assert desk.call("GET", SESSION)["mfaStatus"] == "COMPLETE"
    assert desk.call("GET", f"{CONTROL}/messages", session="")["results"] == []


@pytest.mark.parametrize("seconds, status", [(-31, 400), (-30, 200), (29, 200), (59, 200), (60, 400)])
def test_one_step_before_and_one_after_are_taken(desk, app, seconds, status):
    assert shows(desk, app(seconds))[0] == status


def test_no_code_is_taken_twice_nor_one_from_before(desk, app, real_time):
    assert shows(desk, app()) == (200, [])
    desk.signs_in(trusted=False)
    assert shows(desk, app()) == (400, ["BDC_1356"])
    assert shows(desk, app(-30)) == (400, ["BDC_1356"])
    real_time.shift(30)
    assert shows(desk, app(30)) == (200, [])


def test_it_goes_by_the_real_time_and_not_by_the_sandbox_s(desk, app):
    desk.advance(days=200)
    desk.signs_in(trusted=False)
    assert shows(desk, app()) == (200, [])


def test_guesses_count_as_those_at_a_texted_code(desk, app):
    challenge = desk.call("POST", STEPS[0])["challengeId"]
    wrong = next(code for code in ("000000", "111111", "222222", "333333")
                 if code not in (app(-30), app(), app(30)))  # fmt: skip
    for _ in range(3):
        body = {"challengeId": challenge, "token": wrong}
        assert desk.refused("POST", STEPS[1], body) == (400, ["BDC_1356"])
    body = {"challengeId": challenge, "token": app()}
    assert desk.refused("POST", STEPS[1], body) == (400, ["BDC_1358"])
    assert shows(desk, app()) == (200, [])


def test_a_code_that_is_shown_several_times_at_once_lets_in_once(desk, app):
    challenges = []
    for _ in range(5):
        desk.signs_in(trusted=False)
        challenges.append(desk.call("POST", STEPS[0])["challengeId"])
    shown = [("POST", STEPS[1], {"challengeId": each, "token": app()}) for each in challenges]
    answers = desk.together(shown)
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]


def test_the_backup_is_a_telephone_and_no_app(desk, app):
    assert desk.refused("POST", STEPS[0], {"useBackup": True}) == (400, ["BDC_1354"])


def test_one_that_is_not_confirmed_opens_nothing(desk, app):
    desk.writes(lambda w: authenticators.enrol(w, demo_world.USER_ID, SECRET, confirmed=False))
    assert desk.call("GET", SESSION)["mfaStatus"] == "SETUP"
    assert desk.refused("POST", STEPS[0]) == (400, ["BDC_1354"])


def test_who_has_both_is_texted_and_may_show_either(desk, app, real_time):
    desk.writes(lambda w: mfa.add_phone(w, demo_world.USER_ID, demo_world.PHONE, Channel.TEXT))
    assert shows(desk, app()) == (200, [])
    real_time.shift(1)  # The inbox is in the order of the machine's clock, which stands.
    desk.signs_in(trusted=False)
    challenge = desk.call("POST", STEPS[0])["challengeId"]
    desk.call("POST", STEPS[1], {"challengeId": challenge, "token": desk.code()})


def test_where_no_gateway_is_set_up_the_app_answers_also_for_who_has_a_phone(
    sqlite_url, open_desk, real_time
):
    desk = open_desk(sqlite_url, policy="production", second_factor="totp")
    desk.writes(lambda work: authenticators.enrol(work, demo_world.USER_ID, SECRET))
    desk.signs_in(trusted=False)
    assert shows(desk, pyotp.TOTP(SECRET).at(NOON)) == (200, [])


def test_its_secret_is_sealed(desk, app):
    (row,) = desk.reads(lambda work: work.rows(Authenticator))
    assert SECRET.encode() not in row.secret
    assert authenticators.uri(SECRET, "ada@demo.example") == (
        f"otpauth://totp/Billfold:ada%40demo.example?secret={SECRET}&issuer=Billfold"
    )
