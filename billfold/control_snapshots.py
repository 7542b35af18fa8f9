"""The control API's part over snapshots: an environment is kept as it is, and put back to that."""

from billfold.control_environments import check_controlled, host_of
from billfold.door.arrival import Arrival
from billfold.door.gates import CONTROL
from billfold.door.operations import Operations
from billfold.door.wire import Wire
from billfold.environments import snapshots
from billfold.environments.listed import Listed
from billfold.kit.clock import stamp
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
    created_time: str


class SnapshotList(Wire):
    results: list[SnapshotView]


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


def _view(each: Listed) -> SnapshotView:
    return SnapshotView(each.id, each.origin or "", each.policy, stamp(each.created_time))
