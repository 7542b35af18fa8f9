"""A subscriber's server that notes every notification, however often it comes."""

import json
import uuid
from collections import defaultdict

from aiohttp import web

TYPES = ("payment.updated",)


class Receiver:
    """By event id: the bodies that came, byte for byte."""

    def __init__(self) -> None:
        self.got: dict[str, list[bytes]] = defaultdict(list)

    async def open(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/hook"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.got[json.loads(body)["metadata"]["eventId"]].append(body)
        return web.Response()

    def subscribe(self, server) -> None:
        """At a server, whose client signs in for it."""
        server.signs_in()
        request = {
            "name": "all", "status": {"enabled": True}, "notificationUrl": self.url,
            "events": [{"type": type, "version": "1"} for type in TYPES],
        }  # fmt: skip
        key = {"X_Idempotent_Key": str(uuid.uuid4())}
        server.call("POST", "/connect-events/v3/subscriptions", request, **key)
