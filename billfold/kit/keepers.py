"""What goes on beside the requests for as long as a process serves."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable

from billfold.kit.errors import Unavailable

TROUBLE_PAUSE_SECONDS = PARENT_SECONDS = 1.0

log = logging.getLogger("billfold")


async def keep(do: Callable[[], Awaitable[None]], name: str) -> None:
    """Do it again and again for as long as the server lives, whatever comes between."""
    while True:
        try:
            await do()
        except Unavailable as trouble:
            log.error("%s waits for the database: %s", name, trouble)
        except Exception:
            log.exception("%s goes on", name)
        await asyncio.sleep(TROUBLE_PAUSE_SECONDS)


async def outlive_no_parent() -> None:
    """One of several processes ends in good order when the one that has started it is gone: nobody else
    would end it, and it would keep the port."""
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
