"""Entities: what v2 says of each kind of object, in a row, and the calls that every kind has.

Crud/{Create,Read,Update,Delete,Undelete}, the first and the last three of them in bulk, and List. The
rules are v3's; a row only names them, with the shapes of requests and answers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from billfold.access.roles import Permission
from billfold.door import problems
from billfold.door.arrival import Arrival
from billfold.door.gates import SIGNED_IN, Gate
from billfold.door.wire import Short, decoder
from billfold.kit import listing
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    FILTER_FIELD,
    FILTER_OPERATOR,
    INVALID_FIELD,
    INVALID_PARAMETER,
    INVALID_VALUE,
    NO_SUCH_REFERENCE,
    NOT_FOUND,
    NOT_POSSIBLE,
    OTHER_ENTITY,
    REQUIRED,
    WRONG_TYPE,
    Problem,
    Refusal,
    Unavailable,
)
from billfold.kit.ids import looks_like
from billfold.kit.listing import CHOSEN, RANGED, Field, moment
from billfold.kit.tables import Owned
from billfold.kit.work import Work
from billfold.v2.envelope import Calls, Data, Envelope, done, failed, read_data
from billfold.v2.values import IS_ACTIVE

BULK_MAX, LIST_MAX, START_MAX = 100, 999, 2**31 - 1
ANYTHING = decoder(object)
ABOUT_ID = (NOT_FOUND, INVALID_PARAMETER)
ABOUT_OBJECT = (REQUIRED, OTHER_ENTITY, INVALID_FIELD, WRONG_TYPE, INVALID_VALUE, NOT_POSSIBLE)
OPERATORS = {
    "=": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "in": "in", "nin": "nin",
    "sw": "sw",
}  # fmt: skip


ANY_OPERATOR = (*CHOSEN, *RANGED)
TIMES = {
    "createdTime": Field("created_time", ANY_OPERATOR, moment, sorts=True),
    "updatedTime": Field("updated_time", ANY_OPERATOR, moment, sorts=True),
}
OWN = {
    "id": Field("id", CHOSEN),
    "isActive": Field("archived", CHOSEN, IS_ACTIVE.shown, sorts=True, choices=IS_ACTIVE.all),
    **TIMES,
}


class Asked(Data):
    """What Read, Delete and Undelete ask."""

    id: Short


class Filter(Data):
    field: Short
    op: Annotated[str, Meta(max_length=10)]
    value: Raw


class Sort(Data):
    field: Short
    asc: bool = True


class ListAsked(Data):
    """`nested` asks for what belongs to each row: lines of bills, parts of payments."""

    start: Annotated[int, Meta(ge=0, le=START_MAX)]
    max: Annotated[int, Meta(ge=1, le=LIST_MAX)]
    filters: list[Filter] = []
    sort: list[Sort] = []
    nested: bool = False


class Bulk(Data):
    """Each item is what the call asks for one; it is read on its own, so that one that cannot be read
    refuses no other."""

    bulk: Annotated[list[Raw], Meta(max_length=BULK_MAX)]


class BulkDone(Data):
    bulk: list[Envelope]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """`views` turns rows into answers, with what belongs to them if the last argument says so.
    `create` and `update` take a request whose `obj` is the object, which their annotations say; and
    `archive` an id and whether to archive. What is None there is no call."""

    name: str
    record: type[Owned]
    view: Any
    views: Callable[[Work, list, bool], list]
    fields: Mapping[str, Field]
    sees: Permission
    keeps: Permission
    gate: Gate = SIGNED_IN
    create: Callable[[Work, Any], Owned] | None = None
    update: Callable[[Work, Any], Owned] | None = None
    archive: Callable[[Work, str, bool], Owned] | None = None
    restores: bool = True
    refuses: tuple[Problem, ...] = ()

    def checked_id(self, id: str, problem: Problem = INVALID_PARAMETER, at: str = "id") -> str:
        """What cannot be an id of this kind is told from one that is not found."""
        assert self.record.ids is not None
        if not looks_like(self.record.ids, id):
            raise Refusal(problem, f"{at}, {id}.")
        return id

    def answer(self, work: Work, row: Owned) -> Any:
        return self.views(work, [row], True)[0]


def serve(calls: Calls, entity: Entity) -> None:
    """Add an entity's calls to the operation table."""

    def read(work: Work, asked: Asked) -> Any:
        return entity.answer(work, work.find(entity.record, entity.checked_id(asked.id)))

    def archive(archived: bool) -> Callable:
        def do(work: Work, asked: Asked) -> Any:
            assert entity.archive
            return entity.answer(work, entity.archive(work, entity.checked_id(asked.id), archived))

        return do

    _add(calls, entity, "Read", read, Asked, "One {}, active or not.")
    if entity.create:
        create = _from_object(entity, entity.create)
        _add(calls, entity, "Create", create, _asked_by(entity.create), "Make one {}.")
    if entity.update:
        update = _from_object(entity, entity.update)
        words = "Change what is sent of one {}; lists in it are replaced."
        _add(calls, entity, "Update", update, _asked_by(entity.update), words)
    if entity.archive:
        words = 'Make one {} inactive (isActive "2"); again changes nothing.'
        _add(calls, entity, "Delete", archive(True), Asked, words)
        if entity.restores:
            _add(calls, entity, "Undelete", archive(False), Asked, "Make one {} active again.")
    _add_list(calls, entity)


def _asked_by(rule: Callable) -> Any:
    return get_type_hints(rule)["request"]


def _from_object(entity: Entity, rule: Callable[[Work, Any], Owned]) -> Callable:
    def do(work: Work, request: Any) -> Any:
        obj = request.obj
        if obj.entity != entity.name:
            raise Refusal(OTHER_ENTITY, f"{entity.name}, {obj.entity}")
        if id := getattr(obj, "id", None):
            entity.checked_id(id, INVALID_FIELD)
        with naming(request):
            return entity.answer(work, rule(work, request))

    return do


def _add(calls: Calls, entity: Entity, verb: str, do: Callable, request: Any, words: str) -> None:
    """One call and, but for Read, the same in bulk. Its docstring is what the reference says."""
    reads = verb == "Read"
    may = entity.sees if reads else entity.keeps
    takes_id = request is Asked
    refuses = [*(ABOUT_ID if takes_id else ABOUT_OBJECT), *entity.refuses]
    _name(do, f"{verb.lower()}_{entity.name.lower()}_v2", words.format(entity.name))
    do.__annotations__ = {"work": Work, _body(do): request, "return": entity.view}
    calls.call(f"Crud/{verb}/{entity.name}", entity.gate, may=may, reads=reads, refuses=refuses)(do)
    if reads:
        return
    in_bulk = _in_bulk(do, request)
    _name(in_bulk, f"bulk_{do.__name__}", f"{do.__doc__} Up to {BULK_MAX}, each for itself.")
    calls.call(f"Bulk/Crud/{verb}/{entity.name}", entity.gate, may=may)(in_bulk)


def _body(do: Callable) -> str:
    return do.__code__.co_varnames[1]


def _name(do: Callable, name: str, words: str) -> None:
    do.__name__ = do.__qualname__ = name
    do.__doc__ = words


def _in_bulk(do: Callable, request: Any) -> Callable:
    reads = decoder(request)

    async def do_all(environment: Environment, request: Bulk, arrival: Arrival) -> BulkDone:
        return BulkDone([await one(environment, bytes(item), arrival) for item in request.bulk])

    async def one(environment: Environment, item: bytes, arrival: Arrival) -> Envelope:
        """In a unit of work of its own: what is refused undoes nothing but itself."""
        try:
            asked = read_data(reads, item)
            return done(await environment.write(lambda work: do(work, asked), arrival.caller))
        except Refusal as refusal:
            if refusal.after is not None:
                await environment.write(refusal.after, arrival.caller)
            return failed(refusal)
        except Unavailable as trouble:
            return failed(problems.unavailable(trouble))

    return do_all


def _add_list(calls: Calls, entity: Entity) -> None:
    def do(work: Work, asked: ListAsked) -> Any:
        conditions = [_condition(each) for each in asked.filters]
        sort = [(each.field, not each.asc) for each in asked.sort]
        rows = listing.find_from(
            work, entity.record, entity.fields, conditions, sort, asked.start, asked.max
        )
        return entity.views(work, rows, asked.nested)

    words = f"So many {entity.name}s from a start, inactive ones too unless they are filtered out."
    _name(do, f"list_{entity.name.lower()}_v2", words)
    do.__annotations__ = {"work": Work, "asked": ListAsked, "return": list[entity.view]}  # type: ignore[name-defined]
    refuses = [INVALID_PARAMETER, FILTER_FIELD, FILTER_OPERATOR]
    calls.call(
        f"List/{entity.name}", entity.gate, may=entity.sees, reads=True, refuses=refuses
    )(do)  # fmt: skip


def _condition(asked: Filter) -> listing.Condition:
    op = OPERATORS.get(asked.op)
    if op is None:
        raise Refusal(FILTER_OPERATOR, asked.op)
    return asked.field, op, _texts(asked, op in ("in", "nin"))


def _texts(asked: Filter, several: bool) -> list[str]:
    """Values as texts, whatever JSON they are sent as; several stand in a list or between commas."""
    value = read_data(ANYTHING, bytes(asked.value))
    if isinstance(value, list) and several:
        values = value
    elif isinstance(value, str) and several:
        values = [part.strip() for part in value.split(",")]
    else:
        values = [value]
    if not all(isinstance(each, (str, int, float)) for each in values):
        raise Refusal(INVALID_PARAMETER, f"filters: {asked.field} is compared with no plain value")
    return [_as_text(each) for each in values]


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def naming(request: Struct, problem: Problem = NO_SUCH_REFERENCE) -> Iterator[None]:
    """Where a rule tells which id leads nowhere, v2 tells the field as well: `vendorId, 009….`"""
    try:
        yield
    except Refusal as refusal:
        first, about = refusal.problems[0]
        if first is NO_SUCH_REFERENCE:
            id = about.rpartition(" ")[2]
            place = next(_places_of(msgspec.to_builtins(request), id), "id")
            refusal.problems = [(problem, f"{place.removeprefix('obj.')}, {id}.")]
        raise


def _places_of(value: Any, wanted: str, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _places_of(each, wanted, f"{at}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _places_of(each, wanted, f"{at}[{place}]")
    elif value == wanted:
        yield at
