"""The pytest plugin as its users have it: worlds for tests, and what is said when one fails."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text()
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(SCRIPT,) = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
RUN_SECONDS_MAX = 120


def runs(
    folder, text: str, *options: str, seconds: int = RUN_SECONDS_MAX
) -> tuple[dict[str, int], str]:
    """What a run of these tests counts and says."""
    (folder / "test_mine.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    plugins = ["-p", "billfold.testing.plugin", "-p", "xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-p", "no:cacheprovider", "-q", *options],
        cwd=folder, capture_output=True, text=True, timeout=seconds,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COVERAGE_PROCESS_START": ""},
    )  # fmt: skip
    assert not done.stderr, done.stderr
    counts = re.findall(r"(\d+) (passed|failed|errors?)", done.stdout.splitlines()[-1])
    return {what: int(count) for count, what in counts}, done.stdout


def test_the_example_of_the_documentation_does_what_it_says(tmp_path):
    counts, said = runs(tmp_path, EXAMPLE)
    assert counts == {"passed": 1}, said


def test_one_server_serves_a_run_of_several_processes_and_ends_with_it(tmp_path):
    counts, said = runs(
        tmp_path,
        """
import os
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(8))
def test_one(billfold_world, number):
    Path(f"{os.getpid()}.seen").write_text(billfold_world.server.base)
""",
        "-n", "2",
    )  # fmt: skip
    assert counts == {"passed": 8}, said
    seen = [each.read_text() for each in tmp_path.glob("*.seen")]
    assert len(seen) == 2 and len(set(seen)) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(seen[0].rpartition(":")[2])))


def test_a_server_that_does_not_start_says_why(tmp_path):
    tmp_path.joinpath("conftest.py").write_text(
        "from billfold.testing import server\n"
        "server.os.posix_spawn = lambda program, words, *rest, spawn=server.os.posix_spawn, **more:"
        " spawn(program, [*words, '--policy', 'nonsense'], *rest, **more)\n"
    )
    counts, said = runs(tmp_path, "def test_one(billfold): pass\n")
    assert counts == {"error": 1}
    assert "Billfold does not start:" in said and "policy must be one of" in said


def test_every_world_is_untouched_also_side_by_side(tmp_path):
    """Each finds the demo vendor alone and adds its own, moves its own time and hears of itself."""
    counts, said = runs(
        tmp_path,
        """
import pytest

@pytest.mark.parametrize("number", range(12))
def test_one(billfold_world, number):
    world = billfold_world
    assert len(world.call("GET", "/v3/vendors")["results"]) == 1
    began = world.clock.now
    world.clock.advance(days=number)
    assert (world.clock.now - began).days == number
    address = {"line1": "1 Oak St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"}
    world.call("POST", "/v3/vendors", {"name": f"V{number}", "address": address})
    heard = world.webhooks.expect("vendor.created", where=lambda vendor: vendor["name"][0] == "V")
    assert heard["vendor"]["name"] == f"V{number}"
    assert len(world.webhooks.heard) == 1
""",
        "-n", "2",
    )  # fmt: skip
    assert counts == {"passed": 12}, said


FAILING = """
def test_one(billfold_world):
    address = {"line1": "1 Oak St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"}
    billfold_world.call("POST", "/v3/vendors", {"name": "Acme", "address": address})
    billfold_world.webhooks.expect("vendor.created", name="Acme")
    billfold_world.webhooks.expect("vendor.created", wait_seconds=0.2, name="Acme")
"""


def test_what_is_not_told_fails_with_what_did_happen(tmp_path):
    counts, said = runs(tmp_path, FAILING)
    assert counts == {"failed": 1}
    assert "no vendor.created, name='Acme' was told within 0.2 seconds" in said
    assert "vendor.created, as it was told\nE         name='Acme'\n" in re.sub(
        "E +name", "E         name", said
    )
    assert re.search(r"\d\d:\d\d:\d\d\.\d+  201  POST /connect/v3/vendors\n", said)
    assert re.search(r"  200  vendor\.created  [0-9a-f-]{36}\n", said)
    assert "Traceback" not in said


def test_codes_are_read_and_refusals_are_said(tmp_path):
    counts, said = runs(
        tmp_path,
        """
from datetime import timedelta
import pytest

def test_one(billfold_world):
    world = billfold_world
    with pytest.raises(AssertionError, match="no code was sent"):
        world.messages.code()
    world.call("POST", "/v3/mfa/challenge", {"useBackup": False})
    assert len(world.messages.code(world.credentials["phone"])) == 6
    with pytest.raises(AssertionError, match="BDC_1205"):
        world.call("GET", "/v3/vendors/00901NOTTHEREATALL01")
    world.clock.advance(hours=1)
    world.call("GET", "/v3/vendors")
    frozen = world.clock.freeze()
    assert world.clock.now == frozen
    assert world.clock.set(frozen + timedelta(days=2)) == world.clock.now == frozen + timedelta(days=2)
    assert world.clock.next() >= frozen + timedelta(days=2)
""",
    )
    assert counts == {"passed": 1}, said


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed here")
def test_the_same_from_node(serve, tmp_path):
    script = tmp_path / "world.mjs"
    script.write_text(SCRIPT)
    server = serve()
    done = subprocess.run(
        ["node", str(script)],
        env=os.environ | {"BILLFOLD": server.base},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"Juniper Supply \d{4}-\d\d-\d\d\n", done.stdout)
    listed = [each["name"] for each in server.call("GET", "/_control/environments")["results"]]
    assert listed == ["sandbox"]
