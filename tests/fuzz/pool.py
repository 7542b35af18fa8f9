"""What answers have said, kept to be sent back: ids that exist, cursors, keys, names of fields.

Which id belongs in which field is not written down anywhere here. It follows from the prefix of the
id (`kit/ids.py`) and from the paths of the operation table: what `/vendors` answers, `{vendor_id}` of
`/vendors/{vendor_id}` takes.
"""

import re
from collections import deque
from collections.abc import Iterable
from random import Random

from billfold.door.operations import Operation, in_path
from billfold.kit.ids import PREFIXES, SHAPE

KEPT = 60  # Of each name the newest: what is older was paid, archived or deleted meanwhile.
TEXT_MAX = 300


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)


class Pool:
    def __init__(self, operations: Iterable[Operation]) -> None:
        self.said: dict[str, deque] = {}
        # The fields of a list's rows, with their values, by the list's path.
        self.rows: dict[str, dict[str, deque]] = {}
        # Bodies that were accepted, by the operation's name.
        self.bodies: dict[str, deque] = {}
        self.ids: deque[str] = deque(maxlen=4 * KEPT)
        self._names = {prefix: camel(f"{noun}_id") for noun, prefix in PREFIXES.items()}
        self._members = {
            each.path.rpartition("/{")[0]: camel(in_path(each.path)[-1])
            for each in operations
            if each.path.endswith("}")
        }

    def learn_body(self, operation: Operation, body: object) -> None:
        self.bodies.setdefault(operation.name, deque(maxlen=KEPT)).append(body)

    def learn(self, operation: Operation, answer: object) -> None:
        """Keep what an answer of this operation says."""
        member = self._members.get(operation.path)
        found = answer.get("results", [answer]) if isinstance(answer, dict) else answer
        for each in found if isinstance(found, list) else []:
            if isinstance(each, dict):
                if member and "id" in each:
                    self._keep(member, each["id"])
                if operation.asks:
                    self._keep_row(operation.path, each)
        self.hear(answer)

    def hear(self, value: object, name: str = "") -> None:
        """Keep every text in it under its name, an id under that of its prefix."""
        if isinstance(value, dict):
            for inner, each in value.items():
                self.hear(each, inner)
        elif isinstance(value, (list, tuple)):
            for each in value[:KEPT]:
                self.hear(each, name.removesuffix("s"))
        elif isinstance(value, str) and len(value) <= TEXT_MAX:
            if SHAPE.fullmatch(value):
                self.ids.append(value)
                name = self._names.get(value[:3], name)
            self._keep(name, value)

    def knows(self, name: str) -> bool:
        return bool(self.ids if name == "id" else self.said.get(name))

    def pick(self, random: Random, name: str) -> object | None:
        """Something that was once said under this name; for a bare `id` any id there is."""
        known = self.ids if name == "id" else self.said.get(name)
        return random.choice(known) if known else None

    def _keep_row(self, path: str, row: dict) -> None:
        fields = self.rows.setdefault(path, {})
        for name, value in row.items():
            if not isinstance(value, (dict, list)):
                fields.setdefault(name, deque(maxlen=KEPT)).append(value)

    def _keep(self, name: str, value: object) -> None:
        self.said.setdefault(name, deque(maxlen=KEPT)).append(value)
