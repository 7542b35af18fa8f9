"""Environments are made, given a last day and removed, and keys are carried from one to another.

Each of these is done or not begun, whenever the process dies: what cannot be one transaction is listed
as half done from before it begins (see `listed`).
"""

from datetime import date
from functools import partial

from billfold.access import keys, messages
from billfold.access.invitations import Invitation
from billfold.access.messages import Message, Outgoing
from billfold.access.mfa import Remembered
from billfold.access.passwords import PasswordReset
from billfold.access.sessions import Session
from billfold.access.sign_up import SignUp
from billfold.environments import databases, listed
from billfold.environments.host import Host
from billfold.environments.listed import Listed, State
from billfold.environments.sunset import is_link
from billfold.events.outbox import DELIVER, Delivery, DeliveryState
from billfold.events.subscriptions import Subscription
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.database import select_where
from billfold.kit.database_place import Claim
from billfold.kit.errors import INVALID_VALUE, NO_ENVIRONMENT, NOT_POSSIBLE, Refusal, Unusable
from billfold.kit.policy import NAME_RULE, POLICIES, is_name
from billfold.kit.travel import ENDS
from billfold.kit.work import Work
from billfold.settings import check_production


async def create(
    host: Host, name: str, policy: str | None, source: str | None, ephemeral: bool = False
) -> Listed:
    """A new environment with a demo world of its own, where its policy has one, or a copy of another.

    Raises BDC_1143 for what is malformed (400) or cannot be (422), and NO_ENVIRONMENT for a source
    that is not there."""
    if not is_name(name):
        raise Refusal(INVALID_VALUE, f"name: {NAME_RULE}")
    origin = await host.found(source, State.SNAPSHOT) if source else None
    policy = policy or (origin.policy if origin else host.book.policy.name)
    _check_policy(host, policy, origin)
    if ephemeral and not POLICIES[policy].controlled:
        raise Refusal(INVALID_VALUE, "ephemeral: somebody's books do not disappear by themselves")
    world = origin.world if origin else name if POLICIES[policy].controlled else None

    async def fill(claim: Claim) -> None:
        await databases.create(host, name, claim, source)
        await host.open_site(name, _part_from_source if source is not None else None)

    begin = partial(listed.begin, name=name, policy=policy, world=world, ephemeral=ephemeral)
    return await databases.make(host, name, begin, fill)


# What a copy begins without: it opens nothing that its source has opened.
OPENERS = (Session, Remembered, Invitation, PasswordReset, SignUp, Message, Outgoing)
CARRIED_OUT_THERE = (DELIVER, messages.SEND)


def _part_from_source(work: Work) -> None:
    """Nobody is told twice: what is on its way is on its way there, and who wants to hear the copy too
    enables its subscription."""
    for record in (*OPENERS, Listed):
        rows = work.connection.rows(record, select_where(record), {})
        work.connection.delete_all(record, [row.id for row in rows])
    items = work.connection.rows(AgendaItem, select_where(AgendaItem), {})
    there = [item.id for item in items if item.kind in CARRIED_OUT_THERE]
    work.connection.delete_all(AgendaItem, there)
    waiting = [each.id for each in work.connection.where(Delivery, state=DeliveryState.PENDING)]
    work.connection.set_all(Delivery, waiting, {"state": DeliveryState.STOPPED})
    wanting = [each.id for each in work.connection.where(Subscription, enabled=True)]
    work.connection.set_all(Subscription, wanting, {"enabled": False})


async def migrate_keys(host: Host, name: str, to: str) -> int:
    """Copy the developer keys of an environment into another one: how many it had not yet.

    What is an organization's, a partner's or a user's stays where it is (`common.yaml`,
    sandbox_migration). Raises NO_ENVIRONMENT, and BDC_1143 (422) where one is a sandbox and the other
    is not: those share no keys."""
    if name == to:
        raise Refusal(INVALID_VALUE, "to: must be another environment")
    if (await host.found(name)).policy != (await host.found(to)).policy:
        raise Refusal(NOT_POSSIBLE, f"to: a sandbox and a production share no keys ({name}, {to})")
    async with host.entered(name) as source:
        found = await source.environment.read(keys.developer_keys)
    async with host.entered(to) as target:
        return await target.environment.write(lambda work: keys.adopt(work, found))


async def end(host: Host, name: str, day: date, successor: str) -> Listed:
    """Give an environment its last day, and say where its clients go on: to another environment, or to
    a URL (NO_ENVIRONMENT, BDC_1143)."""
    await host.found(name)
    if successor == name:
        raise Refusal(INVALID_VALUE, "successor: must be another environment")
    if day >= ENDS.date():
        raise Refusal(INVALID_VALUE, f"date: must be before {ENDS:%Y-%m-%d}")
    if "://" not in successor:
        if (await host.found(successor)).ephemeral:
            raise Refusal(NOT_POSSIBLE, f"successor: {successor} is ephemeral")
    elif not is_link(successor):
        raise Refusal(INVALID_VALUE, "successor: must be an environment, or an https:// URL")
    await host.book.write(lambda work: listed.end(work, name, day, successor))
    await host.refresh()
    return host.listed[name]


async def remove(host: Host, name: str) -> None:
    """Throw an environment away with everything in it.

    Raises NO_ENVIRONMENT, and BDC_1143 (422) for one that must stay."""
    made = (await host.found(name)).created_time
    if name == host.settings.first:
        raise Refusal(NOT_POSSIBLE, "the first environment goes with its data")
    if heirs := host.heirs(name):
        raise Refusal(NOT_POSSIBLE, f"clients of {', '.join(heirs)} are told to go on here")

    def may_go(each: Listed) -> bool:
        return each.state is State.ACTIVE and each.created_time == made

    async with host.lock(name), host.claimed(name) as claim:
        if claim is None or not await host.take_away(name, claim, may_go):
            raise Refusal(NO_ENVIRONMENT, name)  # Somebody else has just removed it.


def _check_policy(host: Host, policy: str, origin: Listed | None) -> None:
    if policy not in POLICIES:
        raise Refusal(INVALID_VALUE, f"policy: must be one of {', '.join(POLICIES)}")
    if origin and origin.policy != policy:
        raise Refusal(NOT_POSSIBLE, f"policy: a copy of {origin.id} is a {origin.policy} as well")
    try:
        check_production(host.settings, policy)
    except Unusable as error:
        raise Refusal(NOT_POSSIBLE, str(error)) from None
