"""A subscriber's server in the test's own loop, which goes by the environment's clock."""

import json

from aiohttp import web


class Receiver:
    """The subscriber's server: notes what it gets, and when by the environment's clock."""

    def __init__(self, desk) -> None:
        self.desk, self.status, self.got, self.then, self.says = desk, 200, [], None, ""

    async def open(self) -> str:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        app.router.add_post("/elsewhere", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return f"{self.base}/hook"

    async def _take(self, request):
        body = await request.read()
        self.got.append((self.desk.environment.clock.now(), request.headers, body, request.path))
        if self.then:
            await self.then(json.loads(body))
        headers = {"location": f"{self.base}/elsewhere"} if self.status == 302 else None
        return web.Response(status=self.status, headers=headers, text=self.says or None)

    async def close(self) -> None:
        await self._runner.cleanup()

    @property
    def bodies(self) -> list[dict]:
        return [json.loads(body) for _, _, body, _ in self.got]

    def told(self) -> list[str]:
        return [f"{body['metadata']['eventType']} {_state(body)}" for body in self.bodies]


def _state(body: dict) -> str:
    (subject,) = (value for name, value in body.items() if name != "metadata")
    return subject.get("status") or subject.get("paymentStatus") or subject["name"]
