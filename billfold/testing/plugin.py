"""The pytest plugin: `billfold` is a sandbox's server, `billfold_world` a world of it for one test.

Loaded by every run of pytest where Billfold is installed, so it imports nothing until it is asked for.
Under pytest-xdist all processes of the run share one server.
"""

import shutil
import tempfile
from pathlib import Path

import pytest

# Where the server of a run lies that is shared; the process that began the run removes it.
SHARED = pytest.StashKey[Path]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Of pytest-xdist: a process is about to be started."""
    stash = node.config.stash
    if SHARED not in stash:
        stash[SHARED] = Path(tempfile.mkdtemp(prefix="billfold-"))
    node.workerinput["billfold"] = str(stash[SHARED])


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(SHARED, None):
        from billfold.testing.server import end

        end(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def billfold(request, tmp_path_factory):
    """A sandbox on a free port of this machine, which ends with the run: `Server`."""
    from billfold.testing.server import Server, end

    shared = Path(getattr(request.config, "workerinput", {}).get("billfold", ""))
    if shared.is_absolute() and shared.is_dir():
        with Server(shared) as server:
            yield server
        return
    folder = tmp_path_factory.mktemp("billfold")
    try:
        with Server(folder) as server:
            yield server
    finally:
        end(folder)


@pytest.fixture
def billfold_world(billfold):
    """The demo world as nobody has touched it, with a clock, books and people of its own: `World`."""
    with billfold.world() as world:
        yield world
