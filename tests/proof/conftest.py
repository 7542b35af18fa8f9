"""The figures of the proof, which stand below the results of its tests."""

import pytest

FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture
def figures(request):
    """Adds a line to what was counted and measured."""
    return lambda **counted: request.config.stash[FIGURES].append(
        f"{request.node.name}: " + ", ".join(f"{name} {said}" for name, said in counted.items())
    )


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
