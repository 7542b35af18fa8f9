"""Made calls of v2 through the whole server: each is done or refused in the envelope, none crashes."""

import json
from collections import Counter
from random import Random
from urllib.parse import urlencode

import msgspec
import pytest

from billfold import demo_world
from billfold.v2.words import catalogue
from tests.desk import V2
from tests.fuzz import seeds
from tests.fuzz.bodies import Bodies
from tests.fuzz.forms import CALLS, Forms
from tests.fuzz.mistakes import Mistakes
from tests.fuzz.world import CODE, World

CALLS_MADE = {"sqlite": 2_500, "postgresql": 400}
DONE_MIN = 1 / 6


@pytest.fixture
def world(open_desk, database_url) -> World:
    world = World(open_desk(database_url, mfa_code=CODE, sign_in_failures=0))
    world.looks_around()
    world.desk.signs_in()
    return world


def test_made_calls_are_done_or_refused(world, figures):
    seed = seeds.of_test()
    random = Random(seed)
    pool, mistakes = world.pool, Mistakes(random)
    forms = Forms(Bodies(random, pool), list(pool.ids))
    answered: Counter[str] = Counter()
    done: set[str] = set()
    for number in range(CALLS_MADE[world.database]):
        operation = random.choice(CALLS)
        body = forms.body(operation)
        right = random.random() < 0.7
        data = msgspec.json.encode(body) if right else mistakes.sent(body)
        form = {"devKey": demo_world.DEVELOPER_KEY, "sessionId": world.desk.session, "data": data}
        answer = world.desk.runner.run(
            world.desk.client.post(operation.path, content=urlencode(form).encode())
        )
        case = f"seed {seed}, call {number}: {operation.path} {data!r} -> {answer.text[:500]}"
        assert answer.status_code == 200, case
        said = json.loads(answer.content)
        for each in [said, *bulk_of(said["response_data"])]:
            data_said = each["response_data"]
            code = data_said["error_code"] if each["response_status"] else "done"
            assert code == "done" or code in catalogue(), case
            answered[code] += 1
        if not said["response_status"]:
            done.add(operation.path)
            pool.hear(said["response_data"])
            forms.ids = list(pool.ids)
    left = sorted({each.path.removeprefix(f"{V2}/") for each in CALLS if each.path not in done})
    shares = {str(code): count for code, count in answered.most_common()}
    figures(seed=seed, **shares, never_done=" ".join(left) or "none")
    assert answered["done"] > answered.total() * DONE_MIN


def bulk_of(data: object) -> list[dict]:
    return data.get("bulk", []) if isinstance(data, dict) else []
