"""Bulk requests are all or none: one bad item refuses the rest, and each is told which it was."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from billfold.kit.errors import ROLLED_BACK, Problem, Refusal

Item = TypeVar("Item")
Done = TypeVar("Done")


def all_or_none(
    items: Iterable[Item], do: Callable[[Item], Done], name: Callable[[Item], str] | None = None
) -> list[Done]:
    """Do every item, so that every fault is found; then refuse them all if one was refused.

    With `name` each problem begins with the name of its item and " : "; one about a field has a path,
    which begins with the name."""
    done: list[Done] = []
    guilty: list[tuple[Problem, str]] = []
    innocent: list[Item] = []
    for item in items:
        try:
            done.append(do(item))
            innocent.append(item)
        except Refusal as refusal:
            guilty += [_named(*problem, item, name) for problem in refusal.problems]
    if guilty:
        # The guilty go first: the status of an answer is that of its first problem.
        raise Refusal.of([*guilty, *(_named(ROLLED_BACK, "", item, name) for item in innocent)])
    return done


def place_of(numbered: tuple[int, object]) -> str:
    """The name of an item that has none yet: where it stands, as faults of its shape say it."""
    return f"[{numbered[0]}]"


def _named(
    problem: Problem, about: str, item: Item, name: Callable[[Item], str] | None
) -> tuple[Problem, str]:
    if name is None:
        return problem, about
    if problem.category == "REQUEST":
        return problem, f"{name(item)}.{about}"  # About a field, of which this is the path.
    return problem.prefixed(name(item), about)
