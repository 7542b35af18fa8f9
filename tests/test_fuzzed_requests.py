"""Made requests through the whole server: gate, shape, rule, answer; nothing it says is undocumented.

Ids, keys and cursors of its answers go into the requests that follow, so that bills are paid,
cancelled, archived and listed. The same seed makes the same sequence on a world of its own.
"""

from random import Random

import pytest

from billfold.app import OPERATIONS
from billfold.door.gates import CONTROL
from billfold.door.operations import Operation
from tests.fuzz import seeds
from tests.fuzz.requests import Requests
from tests.fuzz.world import CODE, TRIED, World

REQUESTS = {"sqlite": 6_000, "postgresql": 800}
REQUESTS_OF_PROOF = {
    "short": {"sqlite": 10_000, "postgresql": 2_000},
    "long": {"sqlite": 60_000, "postgresql": 15_000},
}
CONTROLS = 300


def fuzz(world: World, operations: list[Operation], seed: int, many: int, figures) -> None:
    random = Random(seed)
    requests = Requests(random, world.pool, world.sessions)
    # A list has a grammar of its own, and as many fields as its rows.
    operations = [each for each in operations for _ in range(3 if each.asks else 1)]
    for number in range(many):
        request = requests.made(random.choice(operations))
        try:
            world.judge(request)
        except Exception as failure:
            raise AssertionError(f"seed {seed}, request {number}: {request}") from failure
    figures(seed=seed, **world.figures(operations))


@pytest.fixture
def world(open_desk, database_url) -> World:
    world = World(open_desk(database_url, mfa_code=CODE, sign_in_failures=0))
    world.looks_around()
    return world


def test_made_requests_are_answered_as_documented(world, figures):
    fuzz(world, TRIED, seeds.of_test(), REQUESTS[world.database], figures)
    # A fuzzer whose requests all fail at the door proves little about what lies behind it.
    assert world.done > 1 / 3


@pytest.mark.proof
def test_very_many_made_requests(world, figures):
    fuzz(world, TRIED, seeds.of_proof(), REQUESTS_OF_PROOF[seeds.PROOF][world.database], figures)


def test_made_jumps_and_resets(open_desk, sqlite_url, figures):
    """What moves the world is tried in one in which nothing waits to be done."""
    world = World(open_desk(sqlite_url))
    controls = [each for each in OPERATIONS if each.gate is CONTROL]
    fuzz(world, controls, seeds.of_test(), CONTROLS, figures)
