"""The beginning and the end of a server, as ASGI tells them."""

import sys

from starlette.routing import Router

from billfold.kit.errors import Unavailable


class Lifespan(Router):
    """Starlette's, but for a traceback where a sentence says all: a database that cannot be used."""

    async def lifespan(self, scope, receive, send) -> None:
        async def say(message) -> None:
            if message["type"] == "lifespan.startup.failed":
                trouble = sys.exception()
                if isinstance(trouble, Unavailable):
                    message = message | {"message": f"the database cannot be used: {trouble}"}
            await send(message)

        await super().lifespan(scope, receive, say)
