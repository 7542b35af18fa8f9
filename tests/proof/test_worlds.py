"""Many tests side by side, each in a world of its own: none sees anything of another."""

import time

import pytest

from tests.proof import LONG
from tests.test_plugin import runs

pytestmark = pytest.mark.proof
TESTS = 1_000 if LONG else 100
PROCESSES = 2

WORLDS = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_one(billfold_world, number):
    world = billfold_world
    assert len(world.call("GET", "/v3/vendors")["results"]) == 1
    address = {{"line1": "1 Oak St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"}}
    world.call("POST", "/v3/vendors", {{"name": f"V{{number}}", "address": address}})
    assert world.webhooks.expect("vendor.created")["vendor"]["name"] == f"V{{number}}"
    assert len(world.webhooks.heard) == 1
"""
ALONE = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_one(billfold_world, number):
    assert billfold_world.credentials["devKey"]
"""
NOTHING = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_one(billfold, number):
    assert billfold.base
"""


def test_no_test_sees_anything_of_another(tmp_path, figures):
    taken = {}
    for name, text in (("nothing", NOTHING), ("alone", ALONE), ("worlds", WORLDS)):
        folder = tmp_path / name
        folder.mkdir()
        began = time.monotonic()
        counts, said = runs(folder, text, "-n", str(PROCESSES), seconds=900)
        taken[name] = time.monotonic() - began
        assert counts == {"passed": TESTS}, said

    def each(name: str) -> str:
        return f"{(taken[name] - taken['nothing']) * PROCESSES / TESTS * 1000:.0f}"

    figures(
        tests=TESTS, milliseconds_of_a_world=each("alone"),
        milliseconds_with_what_it_asks=each("worlds"),
    )  # fmt: skip
