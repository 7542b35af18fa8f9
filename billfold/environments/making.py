"""Environments are made, given a last day and removed, and keys are carried from one to another.

Each of these is done or not begun, whenever the process dies: what cannot be one transaction is listed
as half done from before it begins (see `listed`).
"""

import asyncio
from datetime import date
from urllib.parse import urlsplit

from billfold import migrations
from billfold.access import keys
from billfold.access.sessions import Session
from billfold.environments import listed
from billfold.environments.host import Host
from billfold.environments.listed import Listed
from billfold.kit.database import Claim, select_where
from billfold.kit.errors import INVALID_VALUE, NOT_FOUND, NOT_POSSIBLE, Refusal, Unusable
from billfold.kit.policy import NAME_RULE, POLICIES, is_name
from billfold.kit.work import Work
from billfold.settings import check_production


async def create(
    host: Host, name: str, policy: str | None, source: str | None, ephemeral: bool = False
) -> Listed:
    """A new environment with a demo world of its own, where its policy has one, or a copy of another.

    Raises BDC_1143 for what is malformed (400) or cannot be (422), and BDC_1205 for a source that is
    not there."""
    if not is_name(name):
        raise Refusal(INVALID_VALUE, f"name: {NAME_RULE}")
    origin = host.found(source) if source else None
    policy = policy or (origin.policy if origin else host.book.policy.name)
    _check_policy(host, policy, origin)
    world = origin.world if origin else name if POLICIES[policy].controlled else None
    _check_place(host, name)
    async with host.locks[name], host.claimed(name) as claim:
        await host.book.write(lambda work: listed.begin(work, name, policy, world, ephemeral))
        await host.refresh()
        if claim is None or await asyncio.to_thread(host.place.exists, host.place.beside(name)):
            await host.book.write(lambda work: listed.forget(work, name))
            raise Refusal(NOT_POSSIBLE, f"name: there is a database for {name} already, not of ours")
        try:
            await _make(host, name, source, claim)
            await host.book.write(lambda work: listed.complete(work, name))
        except BaseException as error:
            await host.take_away(name, claim)
            if isinstance(error, Unusable):
                raise Refusal(NOT_POSSIBLE, str(error)) from None
            raise
        await host.refresh()
    return host.listed[name]


def _check_place(host: Host, name: str) -> None:
    try:
        host.place.beside(name)
    except Unusable as error:
        raise Refusal(INVALID_VALUE, f"name: {error}") from None


async def _make(host: Host, name: str, source: str | None, claim: Claim) -> None:
    url, place = host.place.beside(name), host.place
    await asyncio.to_thread(claim.create)
    if source is None or not place.copies_schema:
        await asyncio.to_thread(migrations.migrate, url)
    if source is not None:
        async with host.entered(source):
            await asyncio.to_thread(place.copy, host.url_of(source), url)
    site = await host.open_site(name)
    if source is not None:
        await site.environment.write(_part_from_source)


def _part_from_source(work: Work) -> None:
    """A copy begins without sessions, and with no list of environments."""
    for record in (Session, Listed):
        for row in work.connection.rows(record, select_where(record), {}):
            work.connection.delete(record, row.id)


async def migrate_keys(host: Host, name: str, to: str) -> int:
    """Copy the developer keys of an environment into another one: how many it had not yet.

    What is an organization's, a partner's or a user's stays where it is (`common.yaml`,
    sandbox_migration). Raises BDC_1205, and BDC_1143 (422) where one is a sandbox and the other is not:
    those share no keys."""
    if host.found(name).policy != host.found(to).policy:
        raise Refusal(NOT_POSSIBLE, f"to: a sandbox and a production share no keys ({name}, {to})")
    async with host.entered(name) as source, host.entered(to) as target:
        found = await source.environment.read(keys.developer_keys)
        return await target.environment.write(lambda work: keys.adopt(work, found))


async def end(host: Host, name: str, day: date, successor: str) -> Listed:
    """Give an environment its last day, and say where its clients go on: to another environment, or to
    a URL (BDC_1205, BDC_1143)."""
    host.found(name)
    if successor == name:
        raise Refusal(INVALID_VALUE, "successor: must be another environment")
    if "://" not in successor:
        host.found(successor)
    elif not _is_link(successor):
        raise Refusal(INVALID_VALUE, "successor: must be an environment, or an https:// URL")
    await host.book.write(lambda work: listed.end(work, name, day, successor))
    await host.refresh()
    return host.listed[name]


def _is_link(url: str) -> bool:
    """Whether it fits into a header as it is."""
    parts = urlsplit(url)
    plain = url.isascii() and url.isprintable() and not set(url) & set(' <>"')
    return plain and parts.scheme in ("http", "https") and bool(parts.netloc)


async def remove(host: Host, name: str) -> None:
    """Throw an environment away with everything in it (BDC_1205; BDC_1143 for one that must stay)."""
    host.found(name)
    if name == host.settings.first:
        raise Refusal(NOT_POSSIBLE, "name: the first environment goes with its data")
    if heirs := [each.id for each in host.listed.values() if each.successor == name]:
        raise Refusal(NOT_POSSIBLE, f"name: clients of {', '.join(heirs)} are told to go on here")
    async with host.locks[name], host.claimed(name) as claim:
        if claim is None:
            raise Refusal(NOT_FOUND, name)  # Another process is just removing it.
        await host.take_away(name, claim)


def _check_policy(host: Host, policy: str, origin: Listed | None) -> None:
    if policy not in POLICIES:
        raise Refusal(INVALID_VALUE, f"policy: must be one of {', '.join(POLICIES)}")
    if origin and origin.policy != policy:
        raise Refusal(NOT_POSSIBLE, f"policy: a copy of {origin.id} is a {origin.policy} as well")
    try:
        check_production(host.settings, policy)
    except Unusable as error:
        raise Refusal(NOT_POSSIBLE, str(error)) from None
