"""A state machine is a complete table of legal moves and one function that makes them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from billfold.kit.errors import NOT_POSSIBLE, Refusal
from billfold.kit.work import Work

LIFECYCLES: list["Lifecycle"] = []


class Lifecycle:
    """`name` is whose states they are, as docs/states.md says it; `event` is told at every move."""

    def __init__(self, name: str, moves: Mapping[Any, set], event: str) -> None:
        kind: Any = type(next(iter(moves)))
        assert set(moves) == set(kind), "every state is a row, final ones with no moves"
        self.name, self.moves, self.event = name, moves, event
        LIFECYCLES.append(self)

    def move(self, work: Work, row: Any, to: StrEnum, **also) -> None:
        """Change the row's `status`, and what changes with it; an illegal move is refused (422)."""
        if to not in self.moves[row.status]:
            raise Refusal(NOT_POSSIBLE, f"{row.id}: not possible while {row.status}")
        work.change(row, status=to, **also)
        work.tell(self.event, row)


def drawn() -> str:
    """Every state machine as a page with Mermaid diagrams."""
    parts = [
        "# States\n\nPrinted by `billfold states`;"
        " every move that is not drawn is refused (422 BDC_1143).\n"
    ]
    for each in LIFECYCLES:
        lines = [
            f"\n## {each.name}\n",
            f"Each move is told as `{each.event}`.\n",
            "```mermaid",
            "stateDiagram-v2",
        ]
        for state, nexts in each.moves.items():
            lines += [f"    {state} --> {to}" for to in sorted(nexts)] or [f"    {state} --> [*]"]
        parts.append("\n".join([*lines, "```", ""]))
    return "".join(parts)
