"""Made bodies through the door's decode step: read and written again the same, or refused by the field.

Everything comes from the operation table, so that an operation added tomorrow is tried without a
line here. A failure prints its seed and the body.
"""

import re
import time
from decimal import Decimal
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from billfold.app import OPERATIONS
from billfold.door.arrival import Arrival
from billfold.door.door import _asked
from billfold.door.operations import Operation
from billfold.door.wire import FAULTS_MAX, decode, encode, read_query
from billfold.kit.errors import MALFORMED, Refusal
from tests.fuzz import seeds
from tests.fuzz.bodies import Bodies
from tests.fuzz.mistakes import Mistakes
from tests.fuzz.places import is_told_of_a_field
from tests.fuzz.pool import Pool
from tests.fuzz.queries import Queries

BODIES = 25_000
BODIES_OF_PROOF = {"short": 150_000, "long": 1_000_000}
A_MINUTE = 100_000
# Of this thread alone, as others share the machine; the largest bodies hold a hundred bills.
SECONDS_MAX = 0.25
FAULT_LENGTH_MAX = 500
QUERIES = 5_000
MINUS_NOTHING = re.compile(rb"(?<=[:,\[])-?0(?:\.0*)?(?:[Ee][+-]?[0-9]+)?(?=[,}\]])")

WITH_BODY = [each for each in OPERATIONS if each.decoder]
WITH_QUERY = [each for each in OPERATIONS if each.query or each.asks]


class Case(NamedTuple):
    """What is printed when it fails, and is enough to try it alone."""

    seed: int
    number: int
    operation: str
    body: bytes


def unsigned(body: bytes) -> bytes:
    """Without a minus before nothing, which a text may have and a number loses."""
    return MINUS_NOTHING.sub(b"0", body)


def try_body(operation: Operation, body: bytes) -> str:
    """How it was answered: read, or the code of its refusal; what must hold is asserted."""
    seconds, read = timed(operation, body)
    if seconds >= SECONDS_MAX:  # A collection of garbage falls on whoever comes by.
        seconds = min(timed(operation, body)[0] for _ in range(3))
    assert seconds < SECONDS_MAX
    if isinstance(read, Refusal):
        told(read, operation.body)
        return read.problems[0][0].code or "shape"
    if is_finite(read):
        again = decode(operation.decoder, encode(read))
        assert again == read and unsigned(encode(again)) == unsigned(encode(read))
    return "read"


def timed(operation: Operation, body: bytes) -> tuple[float, object]:
    """The seconds of CPU it took, and what was read, or why not."""
    began = time.thread_time()
    try:
        read: object = decode(operation.decoder, body)
    except Refusal as refusal:
        read = refusal
    return time.thread_time() - began, read


def told(refusal: Refusal, kind: object) -> None:
    """At least one fault, not too many, none too long, and those of the shape begin with a field."""
    assert 1 <= len(refusal.problems) <= FAULTS_MAX
    for problem, about in refusal.problems:
        assert problem.status == 400
        fault = problem.say(about)
        assert len(fault) <= FAULT_LENGTH_MAX
        assert problem is not MALFORMED or is_told_of_a_field(fault, kind), fault


def is_finite(value: object) -> bool:
    """False for "NaN" and the like, which Decimal reads from a text: kit/money refuses it."""
    # What is read later stays as it was sent.
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=lambda raw: None)
    left = [plain]
    while left:
        each = left.pop()
        if isinstance(each, Decimal) and not each.is_finite():
            return False
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return True


def fuzz(seed: int, many: int, figures) -> dict[str, int]:
    """Try so many bodies; how they were answered."""
    random = Random(seed)
    bodies, mistakes = Bodies(random, Pool(OPERATIONS)), Mistakes(random)
    answered: dict[str, int] = {}
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(many):
        operation = random.choice(WITH_BODY)
        body = mistakes.sent(bodies.body(operation.body))
        try:
            how = try_body(operation, body)
        except Exception as failure:
            raise AssertionError(Case(seed, number, operation.name, body)) from failure
        answered[how] = answered.get(how, 0) + 1
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    figures(bodies=many, seed=seed, a_minute=f"{many / seconds * 60:,.0f}", **answered)
    assert many / cpu * 60 > A_MINUTE
    return answered


def test_bodies_are_read_and_written_again_or_refused_by_the_field(figures):
    answered = fuzz(seeds.of_test(), BODIES, figures)
    # Neither half may fall away: it would prove nothing about the other.
    assert answered["read"] > BODIES / 3 and answered["shape"] > BODIES / 10
    assert answered["BDC_1122"] > BODIES / 50


@pytest.mark.proof
def test_very_many_bodies(figures):
    fuzz(seeds.of_proof(), BODIES_OF_PROOF[seeds.PROOF], figures)


def test_query_strings_are_read_or_refused(figures):
    seed = seeds.of_test()
    random = Random(seed)
    queries = Queries(random, Bodies(random, Pool(OPERATIONS)))
    answered = {"read": 0, "refused": 0}
    for number in range(QUERIES):
        operation = random.choice(WITH_QUERY)
        query = queries.sent(operation)
        arrival = Arrival("GET", operation.path, query, {}, "127.0.0.1")
        try:
            try:
                read_query(operation.query, arrival.asked()) if operation.query else _asked(arrival)
                answered["read"] += 1
            except Refusal as refusal:
                told(refusal, operation.query)
                answered["refused"] += 1
        except Exception as failure:
            raise AssertionError(Case(seed, number, operation.name, query)) from failure
    figures(query_strings=QUERIES, seed=seed, **answered)
    assert min(answered.values()) > QUERIES / 50
