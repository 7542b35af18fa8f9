"""The pytest plugin: `billfold` is a sandbox's server, `billfold_world` a world of it for one test.

Loaded by every run of pytest where Billfold is installed, so it imports nothing until it is asked for.
Under pytest-xdist each process of the run has a server of its own.
"""

import pytest


@pytest.fixture(scope="session")
def billfold(tmp_path_factory):
    """A sandbox on a free port of this machine, which ends with the run: `Server`."""
    from billfold.testing.server import Server

    with Server(tmp_path_factory.mktemp("billfold")) as server:
        yield server


@pytest.fixture
def billfold_world(billfold):
    """The demo world as nobody has touched it, with a clock, books and people of its own: `World`."""
    with billfold.world() as world:
        yield world
