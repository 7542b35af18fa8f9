"""The plugin in a run of its own: one process, several processes, and what makes it fail."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.contract import plugin
from tests.contract.reading import HERE

ROOT = HERE.parents[1]
GOOD = '{"id": "00n01", "amount": 1.0}'
STRANGE = '{"id": "00n01", "colour": "red"}'
# Two tests, so that two workers each have one and only one of them records the fault.
TESTS = """
from tests.contract.recorder import record

def test_one():
    record("GET", "/connect/v3/bills/00n01", 200, b'{"id": "00n01"}')

def test_other():
    record("GET", "/connect/v3/bills/00n02", 200, b'%s')
"""


def run(folder, answer: str, *options: str) -> subprocess.CompletedProcess:
    (folder / "test_answers.py").write_text(TESTS % answer)
    (folder / "pytest.ini").write_text("[pytest]\n")
    plugins = ["-p", "xdist", "-p", "tests.contract.plugin"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *options, "."]
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PYTEST_")}
    # Without the other plugins a run takes a tenth of the time.
    environment |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_strange_answer_fails_the_run(tmp_path, options):
    kept = plugin.SEEN.read_bytes() if plugin.SEEN.exists() else None
    assert run(tmp_path, GOOD, *options).returncode == 0
    failed = run(tmp_path, STRANGE, *options)
    assert failed.returncode == 1, failed.stdout
    assert "2 passed" in failed.stdout
    assert "answers that are not in the contract" in failed.stdout
    assert "GET /v3/bills/{billId} 200: undocumented field colour (string)" in failed.stdout
    assert "[test_answers.py::test_other]" in failed.stdout
    # Tests of another place are not all of ours.
    assert (plugin.SEEN.read_bytes() if plugin.SEEN.exists() else None) == kept


class Chosen:
    """What is_complete reads of pytest's configuration."""

    def __init__(self, *paths: str, **options) -> None:
        source = pytest.Config.ArgsSource
        self.args_source = source.ARGS if paths else source.TESTPATHS
        self.args, self.options = paths, options
        self.invocation_params = SimpleNamespace(dir=ROOT)

    def getoption(self, name: str, default: object) -> object:
        return self.options.get(name, default)


@pytest.mark.parametrize("chosen, complete", [
    (Chosen(), True), (Chosen("tests"), True), (Chosen("."), True), (Chosen("tests/x.py", "."), True),
    (Chosen(keyword="x"), False), (Chosen(markexpr="x"), False),
    (Chosen(markexpr="not proof"), True), (Chosen(lf=True), False),
    (Chosen(".", deselect=["x"]), False), (Chosen("tests/contract"), False),
    (Chosen("tests/test_wire.py::test_x"), False),
])  # fmt: skip
def test_which_runs_are_complete(chosen, complete):
    assert plugin.is_complete(chosen) is complete


@pytest.mark.parametrize("name", plugin.CHOOSING)
def test_pytest_knows_the_choosing_options(name, request):
    if not request.config.pluginmanager.hasplugin("cacheprovider"):
        pytest.skip("--lf and --stepwise belong to a plugin that is switched off")
    assert hasattr(request.config.option, name)
