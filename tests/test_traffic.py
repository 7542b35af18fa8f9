"""Rates: nobody is slowed down in a sandbox, unless it is a strict one."""

import pytest

from billfold.door import traffic
from tests.desk import EVENTS, V3, vendor_of

SESSION = f"{V3}/login/session"


@pytest.fixture
def strict(database_url, open_desk):
    desk = open_desk(database_url, strict=True)
    desk.signs_in()
    return desk


def test_a_sandbox_lets_everybody_through(desk, monkeypatch):
    monkeypatch.setattr(traffic, "AN_HOUR_MAX", 1)
    monkeypatch.setattr(traffic, "AT_ONCE_MAX", 1)
    desk.signs_in()
    answers = desk.together([("POST", f"{V3}/vendors", vendor_of(f"V{n}")) for n in range(6)])
    assert {answer.status_code for answer in answers} == {201}


def test_a_key_has_so_many_requests_an_hour_by_the_clock(strict, monkeypatch):
    asked = sum(strict.billfold.first.door.traffic._asked.values())
    monkeypatch.setattr(traffic, "AN_HOUR_MAX", asked + 2)
    strict.call("GET", SESSION)
    assert strict.answer_v2("CurrentTime")["response_status"] == 0
    assert strict.refused("GET", SESSION) == (422, ["BDC_1144"])
    code, said = strict.refused_v2("CurrentTime")
    assert code == "BDC_1144" and str(asked + 2) in said
    assert strict.refused("GET", f"{EVENTS}/subscriptions")[0] == 429
    strict.advance(hours=1)
    strict.signs_in(trusted=False)
    strict.call("GET", SESSION)


def test_what_is_not_let_in_counts_for_nobody(strict, monkeypatch):
    counts = strict.billfold.first.door.traffic._asked
    before = counts.copy()
    assert strict.refused("GET", SESSION, headers={"sessionId": "nobody's"})[0] == 401
    assert strict.refused("GET", f"{V3}/no/such/api")[0] == 404
    assert counts == before


def test_an_organization_has_three_requests_at_once_with_a_key(strict):
    requests = [("POST", f"{V3}/vendors", vendor_of(f"V{number}")) for number in range(8)]
    answers = strict.together(requests)
    found = [answer.status_code for answer in answers]
    assert found.count(201) >= 3 and set(found) == {201, 422}, found
    codes = {answer.json()[0]["code"] for answer in answers if answer.status_code == 422}
    assert codes == {"BDC_1322"}
    assert not strict.billfold.first.door.traffic._flying
    strict.vendor("Afterwards")


def test_what_fails_is_not_in_flight_for_ever(strict):
    for _ in range(5):
        assert strict.refused("POST", f"{V3}/vendors", b"{")[0] == 400
        assert strict.refused("GET", f"{V3}/vendors/00901NOBODY00000none")[0] == 404
    assert not strict.billfold.first.door.traffic._flying
