"""A world in which requests are sent, judged and learnt from."""

import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache

import httpx2
import msgspec

from billfold import demo_world
from billfold.access import roles, users
from billfold.access.roles import RoleType
from billfold.app import OPERATIONS
from billfold.door.gates import CONTROL
from billfold.door.openapi import document
from billfold.door.operations import JSON_MEDIA, Operation
from billfold.door.problems import PROBLEMS_MAX, BdcError
from billfold.door.wire import encode
from billfold.kit.idempotency import HEADER
from billfold.v2.envelope import V2
from tests.desk import Desk, bill_of
from tests.fuzz.pool import Pool
from tests.fuzz.requests import Request
from tests.fuzz.sessions import Sessions

CODE = "123456"  # Of every MFA message, and what a token looks like where nothing else is known.
KEY = "6f1c1e5e-0f3a-4a55-9b1e-2f6a1c0d9b7e"
# Of this process: others share the machine. A tenth of it is meant, but machines differ, and the first
# request imports much.
SECONDS_MAX = 2.0
# What refuses before a rule is asked: the gate, the shape, the method, the size.
BEFORE_RULES = (400, 401, 403, 405, 413)


def moves_the_world(operation: Operation) -> bool:
    """Reset and jumps: each ends what other requests build on. They have a test of their own."""
    return operation.gate is CONTROL and operation.writes


# v2 is asked by form and answers in an envelope, and its every call stands in tests/test_v2.py; what
# is downloaded is a file.
V3_OPERATIONS = [each for each in OPERATIONS if each.dialect is not V2 and each.media == JSON_MEDIA]
TRIED = [each for each in V3_OPERATIONS if not moves_the_world(each)]


class World:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.pool = Pool(V3_OPERATIONS)
        self.sessions = Sessions(desk)
        self.answers: Counter[tuple[str, int]] = Counter()
        self.slowest = (0.0, "")

    @property
    def database(self) -> str:
        return self.desk.url.partition(":")[0]

    def looks_around(self) -> None:
        """The demo world, all that can be read without an id, and a first payment of a first bill."""
        self.pool.hear(vars(demo_world))
        for operation in TRIED:
            if not operation.writes and "{" not in operation.path:
                self.judge(Request(operation, operation.path, self.sessions.headers(operation.gate)))
        named = {each.name: each for each in OPERATIONS}
        for name, body in good_bodies(self.pool):
            operation = named[name]
            headers = self.sessions.headers(operation.gate) | {HEADER: KEY}
            self.judge(Request(operation, operation.path, headers, body=msgspec.json.encode(body)))
            assert self.pool.bodies[name], f"the good body of {name} was refused"
        self.answers.clear()

    def send(self, request: Request) -> httpx2.Response:
        """Not by desk.asks: chance shall not decide what docs/coverage.md says was seen."""
        operation = request.operation
        sent = self.desk.client.request(
            operation.method, request.url, content=request.body, headers=request.headers
        )
        gc.disable()  # A collection would look through all that the tests hold.
        try:
            began = time.process_time()
            answer = self.desk.runner.run(sent)
            seconds = time.process_time() - began
        finally:
            gc.enable()
        self.slowest = max(self.slowest, (seconds, str(request)[:300]))
        self.answers[operation.name, answer.status_code] += 1
        self.sessions.heard(operation.gate, request.headers, answer.status_code)
        if answer.is_success and answer.content:
            self.pool.learn(operation, msgspec.json.decode(answer.content))
        if answer.is_success and request.body and request.body.strip():
            # The door reads over what is no UTF-8 in a field that it does not know.
            with suppress(UnicodeDecodeError, msgspec.DecodeError):
                self.pool.learn_body(operation, msgspec.json.decode(request.body))
        assert seconds < SECONDS_MAX, f"it took {seconds:.1f} s"
        if answer.is_success and operation.method == "PATCH" and demo_world.USER_ID in request.url:
            self._stays_administrator()
        return answer

    def _stays_administrator(self) -> None:
        """Whoever asks may have made a clerk of themselves, who is let in to little that is tried."""
        role_id = roles.role_id(demo_world.ORGANIZATION_ID, RoleType.ADMINISTRATOR)
        self.desk.writes(lambda work: users.change_user(work, demo_world.USER_ID, role_id=role_id))

    def judge(self, request: Request) -> None:
        """Send it; the status is documented, and the answer says what its struct says, no more."""
        operation = request.operation
        answer = self.send(request)
        status, content = answer.status_code, answer.content
        assert status < 500, (status, content)
        assert status in documented()[operation.method, operation.path], (status, content)
        if status >= 300:
            errors = msgspec.json.decode(content, type=list[BdcError])
            assert encode(errors) == content and 1 <= len(errors) <= PROBLEMS_MAX
            assert all(error.severity == "ERROR" and error.message for error in errors)
        elif operation.answer is None:
            assert content == b""
        else:
            assert encode(msgspec.json.decode(content, type=operation.answer)) == content

    def share(self, statuses: Iterable[int]) -> float:
        """Of all answers, how many had one of these."""
        wanted = set(statuses)
        return (
            sum(n for (_, status), n in self.answers.items() if status in wanted) / self.answers.total()
        )

    @property
    def done(self) -> float:
        return self.share({status for _, status in self.answers if status < 300})

    @property
    def passed(self) -> float:
        """The gate and the shape check."""
        return 1 - self.share(BEFORE_RULES)

    def figures(self, tried: list[Operation]) -> dict[str, object]:
        """How the requests fared: how many of them came how far."""
        by_status: Counter[int] = Counter()
        for (_, status), count in self.answers.items():
            by_status[status] += count
        succeeded = {name for name, status in self.answers if status < 300}
        never = sorted({each.name for each in tried} - succeeded)
        return {
            "requests": self.answers.total(), "sessions": self.sessions.opened,
            "passed gate and shape": f"{self.passed:.0%}", "succeeded": f"{self.done:.0%}",
            "by status": dict(sorted(by_status.items())),
            "slowest": f"{self.slowest[0] * 1000:.0f} ms",
            "never succeeded": " ".join(never) or "none",
        }  # fmt: skip


def good_bodies(pool: Pool) -> Iterator[tuple[str, object]]:
    """Where to begin where chance alone would take long, by the operation's name, in this order.

    Operations that are not named here begin with what chance brings."""
    event = {"type": "bill.updated", "version": "1"}
    yield "create_subscription", {
        "name": "A", "status": {"enabled": True}, "events": [event],
        "notificationUrl": "http://127.0.0.1:9/hook",
    }  # fmt: skip
    yield "create_bill", bill_of(demo_world.VENDOR_ID, "142.00", "INV-1")
    account = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
    bill = pool.said["billId"][-1]
    yield (
        "create_bulk_payment",
        {"fundingAccount": account, "payments": [{"billId": bill, "amount": 2}]},
    )
    one = {"vendorId": demo_world.VENDOR_ID, "billId": bill, "amount": 3, "processDate": "2027-01-11"}
    yield (
        "create_payment",
        one | {"fundingAccount": account, "processingOptions": {"createBill": False}},
    )


@cache
def documented() -> dict[tuple[str, str], set[int]]:
    """The statuses that the OpenAPI document names, those of older spellings too."""
    found = {}
    for each in OPERATIONS:
        # One at a time: an older spelling has the name of the newer one.
        (methods,) = document([replace(each, older=False)])["paths"].values()
        (said,) = methods.values()
        found[each.method, each.path] = set(map(int, said["responses"]))
    return found
