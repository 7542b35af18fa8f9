"""A connection cut before or behind a COMMIT that moves money, lets somebody in or ends an item of the
agenda: the answer is the truth, what is there is whole, and asked again it is done once."""

from dataclasses import dataclass

import pytest

from billfold.access.attempts import Attempts
from billfold.access.sessions import Session
from tests.desk import CONTROL, LOGIN, V3
from tests.proof.books import Books
from tests.proof.clients import CODE, FUNDING, IN_DOUBT, Kept
from tests.relay import Relay
from tests.test_books import BULK, Whole

MODES = ["before", "after"]
CHALLENGE = f"{V3}/mfa/challenge"


@dataclass
class Far(Whole):
    """Whose database is behind a relay."""

    relay: Relay

    def cut(self, mode: str, words: str, path: str, body=None, **options) -> tuple[int, str]:
        """Ask, and lose the connection at the COMMIT of what says these words to the database; status
        and message."""
        self.relay.cut_all()  # A connection says what it has prepared only once.
        self.relay.mode, self.relay.cut_at = mode, words
        answer = self.desk.answer("POST", path, body, **options)
        assert self.relay.mode == "pass", "nothing was cut"
        if answer.status_code != 503:
            return answer.status_code, ""
        assert answer.headers["retry-after"] == "1" and answer.json()[0]["code"] == "BDC_1001"
        return 503, answer.json()[0]["message"]

    def status(self, path: str, body=None) -> int:
        return self.desk.answer("POST", path, body).status_code

    def order(self, *numbers: str) -> dict:
        """The body of a payment of so many bills, the first in two parts."""
        first, *others = self.bills = self.files(*numbers)
        self.kept.orders.append({first: [400, 600]} | {bill: [1000] for bill in others})
        lines = [*((bill, 10) for bill in others), (first, 4), (first, 6)]
        parts = [{"billId": bill, "amount": amount} for bill, amount in lines]
        return {"fundingAccount": FUNDING, "payments": parts}

    def made(self) -> set[str]:
        return {payment["id"] for payment in self.desk.call("GET", f"{V3}/payments")["results"]}

    def is_audited(self) -> None:
        """But for what was refused, because it was done already."""

        def look(work) -> None:
            books = Books(work)
            books.events = [each for each in books.events if each.event_type != "payment.failed"]
            books.audit(self.kept)

        self.desk.writes(look)

    def count(self, record: type) -> int:
        return self.desk.reads(lambda work: len(work.connection.where(record)))


@pytest.fixture
def far(relay, open_desk):
    desk = open_desk(relay.url, connections=2, mfa_code=CODE)
    desk.signs_in()
    return Far(desk, Kept(), desk.vendor(), [], [], relay)


@pytest.mark.parametrize("mode", MODES)
def test_a_bulk_payment_is_made_whole_and_once(far, mode):
    body = far.order("A-1-0", "A-1-1", "A-1-2")
    assert far.cut(mode, "INSERT INTO payments", BULK, body) == (503, IN_DOUBT)
    assert len(far.made()) == (0 if mode == "before" else 4)
    assert far.status(BULK, body) == (201 if mode == "before" else 422)
    far.kept.payments = far.made()
    assert len(far.kept.payments) == 4
    far.desk.advance(days=30)
    far.is_audited()


@pytest.mark.parametrize("mode", MODES)
def test_a_payment_is_canceled_once_and_its_bill_is_due_again(far, mode):
    far.desk.call("POST", BULK, far.order("A-1-0"), status=201)
    far.kept.payments = far.made()
    payment, _ = sorted(far.kept.payments)
    path = f"{V3}/payments/{payment}/cancel"
    assert far.cut(mode, "CANCELED", path) == (503, IN_DOUBT)
    assert bool(far.desk.sees(far.bills[0])["dueAmount"]) == (mode == "after")
    assert far.status(path) == (200 if mode == "before" else 422)
    far.kept.cancelled = {payment}
    far.desk.advance(days=30)
    far.is_audited()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("words", "opens"), [("FROM attempts", 0), ("INSERT INTO sessions", 1)])
def test_who_signs_in_again_is_let_in(far, mode, words, opens):
    """Of two units the first finds who that is, and the second opens a session: behind its COMMIT there
    is one that nobody knows."""
    before = far.count(Session)
    assert far.cut(mode, words, f"{V3}/login", LOGIN, session="") == (503, IN_DOUBT)
    found = far.count(Session)
    assert found == before + (opens if mode == "after" else 0)
    far.desk.signs_in()
    assert (far.count(Session), far.count(Attempts)) == (found + 1, 0)


@pytest.mark.parametrize("mode", MODES)
def test_a_code_makes_a_session_trusted_once(far, mode):
    far.desk.signs_in(trusted=False)
    body = {"challengeId": far.desk.call("POST", CHALLENGE)["challengeId"], "token": CODE}
    order = far.order("A-1-0")
    assert far.cut(mode, "UPDATE sessions", f"{CHALLENGE}/validate", body) == (503, IN_DOUBT)
    assert far.status(BULK, order) == (403 if mode == "before" else 201)
    assert far.status(f"{CHALLENGE}/validate", body) == (200 if mode == "before" else 400)
    assert far.status(BULK, order) == (201 if mode == "before" else 422)


@pytest.mark.parametrize("mode", MODES)
def test_each_step_of_a_payment_is_taken_once(far, mode):
    """A jump is answered when all is done: it tries again what it does not know of."""
    far.desk.call("POST", BULK, far.order("A-1-0", "A-1-1"), status=201)
    jump = {"advance": {"days": 30}}
    assert far.cut(mode, "DELETE FROM agenda", f"{CONTROL}/clock", jump, session="") == (200, "")
    far.is_audited()
