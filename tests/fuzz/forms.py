"""Bodies of v2's calls: an object names its entity as the path does, and its ids are of its kind.

Nothing here knows a call: the path names the entity, and the contract says how its ids begin and which
fields it has.
"""

from functools import cache
from random import Random

from billfold.app import OPERATIONS
from billfold.door.gates import PUBLIC
from billfold.door.operations import Operation
from billfold.v2.envelope import BASE, V2
from tests.contract.reading import HERE, read_yaml
from tests.fuzz.bodies import Bodies, is_id

# But for those that are about the session itself, which they would end or change.
CALLS = [
    each for each in OPERATIONS
    if each.dialect is V2 and each.gate is not PUBLIC and each.body_name and "MFA" not in each.path
]  # fmt: skip
BY_NAME = {each.path.removeprefix(f"{BASE}/").removesuffix(".json"): each for each in CALLS}
NAMES = {each.path: name for name, each in BY_NAME.items()}
KNOWN = 0.9  # Of the ids, so many are of something that exists.


@cache
def schemas() -> dict:
    return read_yaml(HERE / "v2.yaml")["schemas"]


def begins(entity: str) -> str:
    """How ids of an entity begin, "" for a call that is of none."""
    return schemas().get(entity, {}).get("id", {}).get("prefix", "")


class Forms:
    def __init__(self, bodies: Bodies, ids: list[str]) -> None:
        self.bodies = bodies
        self.random: Random = bodies.random
        self.ids = ids

    def body(self, operation: Operation) -> object:
        name = NAMES[operation.path]
        if name.startswith("Bulk/"):
            one = BY_NAME[name.removeprefix("Bulk/")]
            return {"bulk": [self.body(one) for _ in range(self.random.randint(0, 3))]}
        entity = name.rpartition("/")[2]
        body = self.bodies.body(operation.body)
        assert isinstance(body, dict)
        if isinstance(body.get("obj"), dict):
            body["obj"]["entity"] = entity
        for each in body.get("filters") or []:
            each["field"] = self.random.choice(list(schemas()[entity]))
        return self._aimed(body, entity)

    def _aimed(self, value: object, entity: str, name: str = "") -> object:
        if isinstance(value, dict):
            return {inner: self._aimed(each, entity, inner) for inner, each in value.items()}
        if isinstance(value, list):
            return [self._aimed(each, "", name) for each in value]
        if isinstance(value, str) and is_id(name) and self.random.random() < KNOWN:
            start = begins(entity if name == "id" else name[0].upper() + name[1:-2])
            known = self.bodies.pool.pick(self.random, name) if name != "id" else None
            return known or self.random.choice(
                [id for id in self.ids if id.startswith(start)] or [value]
            )
        return value
