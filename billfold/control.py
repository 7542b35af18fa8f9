"""The control API: what only a sandbox's own user may do, and only from this machine."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from billfold import demo_world
from billfold.access import roles
from billfold.access.messages import Channel, Message
from billfold.access.roles import RoleType
from billfold.demo_world import FIRST, World, world_of
from billfold.door.gates import CONTROL
from billfold.door.operations import Operations
from billfold.door.wire import Nothing, Stamp, Wire, stamp
from billfold.environments.listed import Listed
from billfold.kit import agenda_items, travel
from billfold.kit.clock import real
from billfold.kit.environment import (
    CLOCK_ID,
    Environment,
    StoredClock,
    held_clock,
    stored_clock,
    stored_now,
)
from billfold.kit.errors import INVALID_VALUE, MALFORMED, NOT_FOUND, Refusal
from billfold.kit.tables import changing
from billfold.kit.travel import Journey
from billfold.kit.work import Work
from billfold.payables.disbursements import earliest_process_date

operations = Operations("control")

MESSAGES_MAX = 1_000
NEWEST = Message.table.select().order_by(Message.c.made.desc()).limit(MESSAGES_MAX)
# About 27 years: a jump that takes longer than anyone waits is a typing mistake.
JUMP_MAX = timedelta(days=10_000)


class PartnerCredentials(Wire):
    username: str
    password: str
    app_key: str
    dev_key: str


class UserCredentials(Wire):
    role: RoleType
    username: str
    user_id: str


class Credentials(Wire):
    """The password is that of all users of the demo company."""

    username: str
    password: str
    organization_id: str
    dev_key: str
    phone: str
    bank_account_id: str
    vendor_id: str
    next_process_date: date
    partner: PartnerCredentials
    users: list[UserCredentials]


class MessageView(Wire):
    id: str
    to: str
    channel: Channel
    text: str
    user_id: str
    organization_id: str
    sent_time: Stamp
    subject: str | None = None
    code: str | None = None


class MessageList(Wire):
    results: list[MessageView]


Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Advance(Wire, forbid_unknown_fields=True):
    """At least one of them: a misspelt unit shall not pass for no time at all."""

    days: Count | None = None
    hours: Count | None = None
    minutes: Count | None = None
    seconds: Count | None = None


class ClockRequest(Wire, forbid_unknown_fields=True):
    """One of the four."""

    advance: Advance | None = None
    set: datetime | None = None
    freeze: bool | None = None
    next: bool | None = None


class ClockView(Wire):
    """`done` counts, for a jump, what was done on the way, by kind; `failed` what broke on our side
    (a receiver that refuses a notification is not that: its retries are done as well).

    Whoever asks during a jump sees where it leads, and how much is planned until then."""

    now: Stamp
    frozen: bool
    done: dict[str, int]
    failed: int
    walking_to: Stamp | None = None
    left: int | None = None


class ResetResponse(Wire):
    now: Stamp


@operations.get("/_control/credentials", CONTROL, refuses=[NOT_FOUND])
async def get_credentials(environment: Environment) -> Credentials:
    """What is needed to sign in to the demo world."""
    return await credentials_of(environment)


async def credentials_of(environment: Environment) -> Credentials:
    """Raises BDC_1205 for an environment without a demo world."""
    if environment.world is None:
        raise Refusal(NOT_FOUND, "there is no demo world here")
    now = await environment.read(stored_now)
    return _credentials(world_of(environment), earliest_process_date(now))


def known_credentials() -> dict[str, Any]:
    """What of the first environment's credentials is the same everywhere and always."""
    found = msgspec.to_builtins(_credentials(FIRST, date.min))
    del found["nextProcessDate"]
    return found


def _credentials(world: World, next_process_date: date) -> Credentials:
    return Credentials(
        username=world.address(demo_world.USERNAME),
        password=demo_world.PASSWORD,
        organization_id=world.id(demo_world.ORGANIZATION_ID),
        dev_key=world.developer_key,
        phone=demo_world.PHONE,
        bank_account_id=world.id(demo_world.BANK_ACCOUNT_ID),
        vendor_id=world.id(demo_world.VENDOR_ID),
        next_process_date=next_process_date,
        partner=PartnerCredentials(
            world.address(demo_world.PARTNER_USERNAME), demo_world.PARTNER_PASSWORD,
            world.application_key, world.partner_developer_key,
        ),
        users=[
            UserCredentials(
                role, world.address(demo_world.username(role)), world.id(demo_world.user_id(role))
            )
            for role in roles.DEFAULTS
        ],
    )  # fmt: skip


@operations.get("/_control/messages", CONTROL)
def list_messages(work: Work) -> MessageList:
    """What would have been texted, spoken or mailed, newest last; the last thousand."""
    found = work.connection.rows(Message, NEWEST, {})
    return MessageList([_view(each) for each in reversed(found)])


def _view(message: Message) -> MessageView:
    return MessageView(
        id=message.id, to=message.recipient, channel=message.channel, subject=message.subject,
        text=message.text, code=message.code, user_id=message.user_id,
        organization_id=message.organization_id, sent_time=stamp(message.created_time),
    )  # fmt: skip


@operations.get("/_control/clock", CONTROL)
def get_clock(work: Work) -> ClockView:
    """The environment's time; during a jump, where it stands."""
    stored = stored_clock(work)
    view = ClockView(stamp(work.now), stored.frozen, {}, 0)
    if stored.walking_to:
        view.walking_to = stamp(stored.walking_to)
        view.left = agenda_items.planned(work, stored.walking_to)
    return view


@operations.post("/_control/clock", CONTROL, status=200, refuses=[INVALID_VALUE])
async def move_clock(environment: Environment, request: ClockRequest) -> ClockView:
    """Move time forward, or let it stand still.

    Answers when everything that fell due on the way has been done, deliveries included; a second
    jump waits for the first."""
    said = [name for name in request.__struct_fields__ if getattr(request, name) is not None]
    if len(said) != 1 or request.next is False:
        raise Refusal(MALFORMED, "body: must be one of advance, set, freeze, next")
    journey = await _journey(environment, request)
    frozen = await environment.read(lambda work: stored_clock(work).frozen)
    return ClockView(stamp(journey.now), frozen, dict(journey.done), journey.failed)


async def _journey(environment: Environment, request: ClockRequest) -> Journey:
    if request.freeze is not None:
        return await travel.freeze(environment, request.freeze)
    if request.next:
        return await travel.to_next(environment)
    now = environment.clock.now()
    if at := request.advance:
        units = {name: count for name, count in asdict(at).items() if count is not None}
        if not units:
            raise Refusal(MALFORMED, "advance: must have days, hours, minutes or seconds")
        try:
            delta = timedelta(**units)
        except OverflowError:
            delta = timedelta.max
        if delta > JUMP_MAX:
            raise Refusal(INVALID_VALUE, f"advance: at most {JUMP_MAX.days} days at once")
        return await travel.by(environment, delta)
    assert request.set is not None
    if request.set.tzinfo is None:
        raise Refusal(MALFORMED, "set: must have a time zone, such as 2027-01-04T09:00:00Z")
    if request.set - now > JUMP_MAX:
        raise Refusal(INVALID_VALUE, f"set: at most {JUMP_MAX.days} days at once")
    return await travel.to(environment, request.set)


@operations.post("/_control/reset", CONTROL, status=200)
async def reset(environment: Environment, request: Nothing = Nothing()) -> ResetResponse:
    """Throw everything away and make the demo world anew, with the machine's time. Environments
    beside this one stay."""
    hashes = await demo_world.password_hashes(environment)
    world = world_of(environment) if environment.world is not None else None

    def begin_anew(work: Work) -> None:
        stored = held_clock(work)
        for each in reversed(changing((Listed,))):
            work.connection.execute(f"DELETE FROM {each.name}", [])
        version, now = stored.version + 1, real()
        anew = StoredClock(CLOCK_ID, version=version, policy=stored.policy, key_check=stored.key_check)
        work.connection.insert_new(anew)
        work.now = now
        if world:
            demo_world.fill(work, world, *hashes)

    async with environment.journeys:
        await environment.write(begin_anew, world.caller if world else None)
        await environment.read(stored_clock)
    return ResetResponse(stamp(environment.clock.now()))
