"""A subscriber's server that notes every notification, however often it comes."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import uuid
from collections import defaultdict

from aiohttp import web

TYPES = ("payment.updated",)
SLOW_SECONDS_MAX = 0.15
REFUSED = 0.05


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
        _subscribe(server, self.url, TYPES)


class SignedReceiver(Receiver):
    """Of several subscriptions, each with an address of its own: verifies every signature, takes a
    while for some, and refuses some the first time. By subscription and event id what came."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, dict] = {}
        self.taken: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        self.refused: dict[tuple[str, str], bytes] = {}
        self.heard: set[str] = set()
        self.wrong: list[str] = []

    def subscribe_as(self, name: str, server, types: tuple[str, ...], **headers: str) -> None:
        """The headers say who subscribes."""
        self.made[name] = _subscribe(server, f"{self.url}?{name}", types, **headers)

    async def _take(self, request: web.Request) -> web.Response:
        body, made = await request.read(), self.made[request.query_string]
        right = hmac.new(made["securityKey"].encode(), body, hashlib.sha256).digest()
        if request.headers["x-bill-sha-signature"] != base64.b64encode(right).decode():
            self.wrong.append(f"{made['name']}: {request.headers} {body!r}")
        event_id = json.loads(body)["metadata"]["eventId"]
        arrival = (made["id"], event_id)
        if arrival not in self.taken and arrival not in self.refused and random.random() < REFUSED:
            self.refused[arrival] = body
            return web.Response(status=503)
        self.taken[arrival].append(body)
        self.heard.add(event_id)
        if random.random() < 0.5:
            await asyncio.sleep(random.uniform(0, SLOW_SECONDS_MAX))
        return web.Response()


def _subscribe(server, url: str, types: tuple[str, ...], **headers: str) -> dict:
    request = {
        "name": "all", "status": {"enabled": True}, "notificationUrl": url,
        "events": [{"type": type, "version": "1"} for type in types],
    }  # fmt: skip
    headers |= {"X_Idempotent_Key": str(uuid.uuid4())}
    return server.call("POST", "/connect-events/v3/subscriptions", request, **headers)
