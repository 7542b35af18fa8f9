"""The control API's part over environments: what is made, ended and removed beside the first."""

from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from billfold import demo_world
from billfold.access import sign_up
from billfold.access.sign_up import Applicant, Made
from billfold.control import Credentials, credentials_of
from billfold.door.arrival import Arrival
from billfold.door.door import Paths
from billfold.door.gates import CONTROL
from billfold.door.operations import Operations
from billfold.door.wire import Wire, decode, read_query
from billfold.environments import making, sunset
from billfold.environments.host import Host
from billfold.environments.listed import Listed, State
from billfold.kit.environment import Environment, stored_now
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    INVALID_VALUE,
    NO_ENVIRONMENT,
    NO_SUCH_API,
    NOT_POSSIBLE,
    Refusal,
)
from billfold.kit.ids import derived
from billfold.kit.phones import us_number
from billfold.kit.policy import POLICIES
from billfold.kit.work import Work

operations = Operations("control")

# Whence what comes by no network comes; no gate takes it for this machine's address.
BY_HAND = ""
ALL = "/_control/environments"
ONE = f"{ALL}/{{name}}"


class EnvironmentState(StrEnum):
    """SUNSET: its last day is known. RETIRED: that day is over, and nothing is answered any more."""

    ACTIVE = "ACTIVE"
    SUNSET = "SUNSET"
    RETIRED = "RETIRED"
    MAKING = "MAKING"
    REMOVING = "REMOVING"


class EnvironmentRequest(Wire, forbid_unknown_fields=True):
    """`from` names an environment that is copied, as it is at one moment, or a snapshot: with its keys
    and people but without its sessions. Without it a sandbox gets a demo world of its own. An ephemeral
    one is removed when nobody has used it for an hour."""

    name: str
    policy: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    ephemeral: bool = False


class EnvironmentView(Wire):
    """The URLs are what a client is set up with: paths of v3 begin with /v3 after the first two."""

    name: str
    policy: str
    state: EnvironmentState
    base_url: str
    events_url: str
    v2_url: str
    control_url: str
    credentials: Credentials | None = None
    ephemeral: bool = False
    sunset_date: date | None = None
    successor: str | None = None


class EnvironmentList(Wire):
    results: list[EnvironmentView]


class MigrationRequest(Wire, forbid_unknown_fields=True):
    to: str


class MigrationResponse(Wire):
    """How many developer keys the other environment did not have yet."""

    copied: int


class SunsetRequest(Wire, forbid_unknown_fields=True):
    """`date` is the last day on which it is served, in Pacific time; `successor` an environment of this
    server, or the URL of another."""

    date: date
    successor: str


class SignUpRequest(Wire, forbid_unknown_fields=True):
    organization: str
    first_name: str
    last_name: str
    email: str
    password: str
    phone: str


class SignUpResponse(Wire):
    """The developer key is shown this once. Payments may be made from the bank account."""

    organization_id: str
    user_id: str
    username: str
    dev_key: str
    phone: str
    bank_account_id: str


@operations.post(ALL, CONTROL, refuses=[INVALID_VALUE, NOT_POSSIBLE, NO_ENVIRONMENT])
async def create_environment(
    environment: Environment, request: EnvironmentRequest, arrival: Arrival
) -> EnvironmentView:
    """Make an environment beside the first: a database, a clock, keys and people of its own."""
    host = host_of(environment)
    if request.from_:
        check_controlled(await host.found(request.from_, State.SNAPSHOT), arrival)
    made = await making.create(
        host, request.name, request.policy, request.from_ or None, request.ephemeral
    )
    view = await _view(host, made, arrival)
    if made.world is not None:
        async with host.entered(made.id) as site:
            view.credentials = await credentials_of(site.environment)
    return view


@operations.get(ALL, CONTROL)
async def list_environments(environment: Environment, arrival: Arrival) -> EnvironmentList:
    """All of them, the first included, in the order of their names. Credentials are each one's own to
    tell: `/env/{name}/_control/credentials`."""
    host = host_of(environment)
    await host.refresh()
    environments = [each for each in host.listed.values() if each.state is not State.SNAPSHOT]
    return EnvironmentList([await _view(host, each, arrival) for each in environments])


@operations.post(
    f"{ONE}/migrate-keys", CONTROL, status=200, refuses=[NO_ENVIRONMENT, INVALID_VALUE, NOT_POSSIBLE]
)
async def migrate_keys(
    environment: Environment, name: str, request: MigrationRequest
) -> MigrationResponse:
    """Copy the developer keys of an environment into another one. Organizations, users and what is
    theirs stay; a key that is there already is not copied twice."""
    return MigrationResponse(await making.migrate_keys(host_of(environment), name, request.to))


@operations.post(
    f"{ONE}/sunset", CONTROL, status=200, refuses=[NO_ENVIRONMENT, INVALID_VALUE, NOT_POSSIBLE]
)
async def set_sunset(
    environment: Environment, name: str, request: SunsetRequest, arrival: Arrival
) -> EnvironmentView:
    """Give an environment its last day. From now on every answer tells it (`Sunset`, and the successor
    as `Link`); after it the APIs answer 410 with BDC_1005, v2 in its envelope."""
    host = host_of(environment)
    check_controlled(await host.found(name), arrival)
    return await _view(host, await making.end(host, name, request.date, request.successor), arrival)


@operations.delete(ONE, CONTROL, status=204, refuses=[NO_ENVIRONMENT, INVALID_VALUE, NOT_POSSIBLE])
async def remove_environment(environment: Environment, name: str, arrival: Arrival) -> None:
    """Remove an environment with everything in it. The first one stays."""
    host = host_of(environment)
    check_controlled(await host.found(name), arrival)
    await making.remove(host, name)


@operations.post("/_control/sign-ups", CONTROL, refuses=[INVALID_VALUE, NOT_POSSIBLE, BAD_CREDENTIALS])
async def create_sign_up(environment: Environment, request: SignUpRequest) -> SignUpResponse:
    """Found an organization with its administrator, a developer key and a telephone, as the sign-up
    page does in two steps, and give it a verified bank account. Whoever has a login already proves its
    password."""
    phone = us_number(request.phone)
    if phone is None:
        raise Refusal(INVALID_VALUE, "phone: must be a US phone number of ten digits")
    applicant = Applicant(
        request.organization, request.first_name, request.last_name, request.email, phone
    )

    def add_account(work: Work, made: Made) -> None:
        demo_world.add_account(work, made.user_id, request.organization, _account_of(made))

    made = await sign_up.sign_up(environment, applicant, request.password, add_account)
    return SignUpResponse(
        made.organization_id, made.user_id, made.username, made.developer_key, phone, _account_of(made)
    )


def _account_of(made: Made) -> str:
    return derived("bank_account", made.organization_id, "pays")


def host_of(environment: Environment) -> Host:
    """Raises BDC_1121 (404) anywhere but in the first environment, which keeps the others."""
    if environment.host is None:
        raise Refusal(NO_SUCH_API, "environments are managed in the first one")
    return environment.host


async def by_hand(paths: Paths, environment: Environment, method: str, path: str, body: bytes) -> Any:
    """An operation of the control API, for who has data and key and needs no server."""
    path, _, query = path.partition("?")
    operation, arguments = paths.find(method, path)
    arrival = Arrival(method, path, query.encode(), {}, BY_HAND)
    if operation.body_name:
        arguments[operation.body_name] = decode(operation.decoder, body)
    if operation.query_name and operation.query:
        arguments[operation.query_name] = read_query(operation.query, arrival.asked())
    if operation.arrival_name:
        arguments[operation.arrival_name] = arrival
    return msgspec.to_builtins(await operation.do(environment, **arguments))


def check_controlled(each: Listed, arrival: Arrival) -> None:
    """Whoever sits at this machine may do anything to a sandbox. Somebody's books are ended, removed,
    copied and put back by who has their data and their key: `billfold env … --data`."""
    if not POLICIES[each.policy].controlled and arrival.peer != BY_HAND:
        raise Refusal(NOT_POSSIBLE, f"{each.id} is a production: use the command line with --data")


async def _view(host: Host, each: Listed, arrival: Arrival) -> EnvironmentView:
    addressed = host.settings.base_url if arrival.peer == BY_HAND else arrival.addressed()
    root = (host.settings.public_url.rstrip("/") or addressed) + host.under(each.id)
    view = EnvironmentView(
        each.id, each.policy, EnvironmentState(each.state), root + sunset.V3, root + sunset.EVENTS,
        root + sunset.V2, root + sunset.CONTROL, ephemeral=each.ephemeral,
        sunset_date=each.sunset_date, successor=each.successor,
    )  # fmt: skip
    if each.sunset_date and each.state is State.ACTIVE:
        async with host.entered(each.id) as site:
            now = await site.environment.read(stored_now)
        over = now >= sunset.after(each.sunset_date)
        view.state = EnvironmentState.RETIRED if over else EnvironmentState.SUNSET
    return view
