"""The pytest plugin: gathers what all processes recorded, checks it and may fail the run."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.contract.checker import check
from tests.contract.findings import Findings, merge
from tests.contract.reading import HERE, contract
from tests.contract.recorder import RECORDER

SEEN = HERE / ".seen.json"
DIRECTORY = "contract_findings"
# Options that leave tests out, so that the run says nothing about coverage.
CHOOSING = ("keyword", "lf", "stepwise", "deselect", "ignore", "collectonly")

# What `make test` leaves out speaks of crashes and races, not of answers.
EVERYDAY = ("", "not proof")

directory_key = pytest.StashKey[Path]()
faults_key = pytest.StashKey[list]()


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """Workers write where the controlling process will look."""
    if is_worker(config):
        config.stash[directory_key] = Path(config.workerinput[DIRECTORY])
    else:
        config.stash[directory_key] = Path(tempfile.mkdtemp(prefix="billfold-contract-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    node.workerinput[DIRECTORY] = str(node.config.stash[directory_key])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    directory = session.config.stash[directory_key]
    if is_worker(session.config):
        file = directory / f"{session.config.workerinput['workerid']}.json"
        file.write_text(json.dumps(RECORDER.findings()))
        return
    parts = [json.loads(file.read_text()) for file in sorted(directory.glob("*.json"))]
    findings = merge([RECORDER.findings(), *parts])
    faults = session.config.stash[faults_key] = check(findings, contract())
    if faults:
        # Passed or not collected becomes failed; an interruption or crash stays what it is.
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED
    elif exitstatus == pytest.ExitCode.OK and is_complete(session.config):
        keep(findings)


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    faults = config.stash.get(faults_key, [])
    if faults:
        terminalreporter.section("answers that are not in the contract", red=True)
        for fault in faults:
            terminalreporter.write_line(fault)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not is_worker(config) and directory_key in config.stash:
        shutil.rmtree(config.stash[directory_key], ignore_errors=True)


def is_complete(config: pytest.Config) -> bool:
    """Nothing was left out: no choosing option, and no path narrower than all the tests."""
    if any(config.getoption(name, None) for name in CHOOSING):
        return False
    if config.getoption("markexpr", "") not in EVERYDAY:
        return False
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return True
    tests = HERE.parent
    given = [(config.invocation_params.dir / arg).resolve() for arg in config.args]
    return any(path in (tests, tests.parent) for path in given)


def keep(findings: Findings) -> None:
    SEEN.write_text(json.dumps(findings, indent=1, sort_keys=True) + "\n")
