"""Reading data that another process serves, on SQLite: nothing is written, claimed or migrated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from billfold import migrations
from billfold.environments.host import Host
from billfold.kit.environment import Environment, check_data
from billfold.kit.errors import Unusable


@asynccontextmanager
async def beside_a_server(host: Host, name: str | None) -> AsyncIterator[Environment]:
    """The first environment, or another one, to be read as it is stored. Raises Unusable for data that
    is not this version's, this key's and this policy's, and NO_ENVIRONMENT (404)."""
    async with _opened(host.book, host.url_of(host.settings.first)) as first:
        await host.refresh()
        if name in (None, host.settings.first):
            yield first
            return
        listed, url = await host.found(name), host.url_of(name)
        async with _opened(host.make(listed, url).environment, url) as other:
            yield other


@asynccontextmanager
async def _opened(environment: Environment, url: str) -> AsyncIterator[Environment]:
    if await asyncio.to_thread(migrations.known_revision, url) != migrations.HEAD:
        raise Unusable(
            "this data is just being made or upgraded, or an older Billfold serves it: try again, or"
            " stop the server"
        )
    await environment.database.start()
    try:
        await environment.read(check_data)
        yield environment
    finally:
        await environment.database.close()
