"""The control API's part over snapshots: an environment is kept as it is, and put back to that."""

from typing import Any

from billfold.control_environments import check_controlled, host_of
from billfold.door.arrival import Arrival
from billfold.door.gates import CONTROL
from billfold.door.operations import Operations
from billfold.door.wire import Query, Stamp, Wire, stamp
from billfold.environments import differences, snapshots
from billfold.environments.listed import Listed, State
from billfold.kit.environment import Environment
from billfold.kit.errors import INVALID_VALUE, NO_ENVIRONMENT, NO_SNAPSHOT, NOT_POSSIBLE

operations = Operations("control")

ALL = "/_control/snapshots"
ONE = f"{ALL}/{{name}}"


class SnapshotRequest(Wire, forbid_unknown_fields=True):
    """`environment` is the one that is kept; without it the first. A name is that of one environment or
    of one snapshot."""

    name: str
    environment: str | None = None


class SnapshotView(Wire):
    """`createdTime` is the machine's; `environment` the one of which it is."""

    name: str
    environment: str
    policy: str
    created_time: Stamp


class SnapshotList(Wire):
    results: list[SnapshotView]


class DifferencesQuery(Query):
    one: str
    other: str


class DifferenceView(Wire):
    """The fields that differ, as they are kept; without `one`, or `other`, there is no such object."""

    table: str
    id: str
    one: dict[str, Any] | None = None
    other: dict[str, Any] | None = None


class DifferenceList(Wire):
    results: list[DifferenceView]


@operations.post(ALL, CONTROL, refuses=[INVALID_VALUE, NOT_POSSIBLE, NO_ENVIRONMENT])
async def save_snapshot(
    environment: Environment, request: SnapshotRequest, arrival: Arrival
) -> SnapshotView:
    """Keep an environment as it is at this moment, with everything in it. `from` makes others of it
    (`POST /_control/environments`)."""
    host = host_of(environment)
    source = request.environment or host.settings.first
    check_controlled(await host.found(source), arrival)
    return _view(await snapshots.save(host, request.name, source))


@operations.get(ALL, CONTROL)
async def list_snapshots(environment: Environment, arrival: Arrival) -> SnapshotList:
    """All of them, of whichever environment, in the order of their names."""
    host = host_of(environment)
    await host.refresh()
    return SnapshotList([_view(each) for each in snapshots.everyone(host)])


@operations.post(
    f"{ONE}/restore", CONTROL, status=200, refuses=[NO_SNAPSHOT, NO_ENVIRONMENT, NOT_POSSIBLE]
)
async def restore_snapshot(environment: Environment, name: str, arrival: Arrival) -> SnapshotView:
    """Put the environment of a snapshot back to what it was: people, keys, books, events, its time, and
    what was planned. Sessions of before end. It happens as a whole or not at all."""
    host = host_of(environment)
    check_controlled(await snapshots.found(host, name), arrival)
    return _view(await snapshots.restore(host, name))


@operations.delete(ONE, CONTROL, status=204, refuses=[NO_SNAPSHOT])
async def remove_snapshot(environment: Environment, name: str, arrival: Arrival) -> None:
    """Throw a snapshot away. Environments that were made of it stay."""
    host = host_of(environment)
    check_controlled(await snapshots.found(host, name), arrival)
    await snapshots.remove(host, name)


@operations.get("/_control/differences", CONTROL, refuses=[NO_ENVIRONMENT, NOT_POSSIBLE])
async def list_differences(
    environment: Environment, query: DifferencesQuery, arrival: Arrival
) -> DifferenceList:
    """What two environments or snapshots differ in: an organization's objects that only one has or that
    are other, the first thousand. Sessions, messages, events and the audit are left out; of what is
    sealed only that it differs is told."""
    host = host_of(environment)
    for name in (query.one, query.other):
        check_controlled(await host.found(name, State.SNAPSHOT), arrival)
    found = await differences.between(host, query.one, query.other)
    return DifferenceList([DifferenceView(each.table, each.id, each.one, each.other) for each in found])


def _view(each: Listed) -> SnapshotView:
    return SnapshotView(each.id, each.origin or "", each.policy, stamp(each.created_time))
