"""Puts the server together: the only file that knows every part."""

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from billfold import control, demo_world
from billfold.access import (
    health_v3,
    messages,
    mfa_v3,
    organizations_v3,
    partners_v3,
    sessions_v3,
    users_v3,
    verifications,
    verifications_v3,
)
from billfold.books import audit
from billfold.door import reference
from billfold.door.door import Door
from billfold.door.https import OnlyHttps
from billfold.door.messenger import Carriers, Messenger
from billfold.door.openapi import document
from billfold.door.pages import Pages
from billfold.door.sender import Sender
from billfold.door.watch import Watch
from billfold.events import subscriptions_v3
from billfold.events.delivery import make_deliverer
from billfold.events.outbox import DELIVER, write_events
from billfold.events.payloads_v3 import render
from billfold.examples import EXAMPLES
from billfold.funding import bank_accounts_v3
from billfold.kit import agenda, secrets, travel
from billfold.kit.database import open_database
from billfold.kit.environment import Environment, claim
from billfold.kit.errors import Unavailable
from billfold.kit.ids import Ids
from billfold.kit.secrets import Passwords
from billfold.kit.work import Work
from billfold.payables import bills_v3, payments, payments_v3, vendors_v3
from billfold.settings import Settings, load
from billfold.v2 import payables as payables_v2
from billfold.v2 import payments as payments_v2
from billfold.v2 import server as server_v2
from billfold.v2 import sign_in as sign_in_v2

VOICES = (
    sessions_v3, mfa_v3, users_v3, partners_v3, organizations_v3, verifications_v3,
    bank_accounts_v3, vendors_v3, bills_v3, payments_v3, subscriptions_v3, health_v3, control,
    sign_in_v2, server_v2, payables_v2, payments_v2,
)  # fmt: skip
TROUBLE_PAUSE_SECONDS = 1.0
GARBAGE_MAX = 20_000
OPERATIONS = [operation for voice in VOICES for operation in voice.operations]
NOT_SERVED = [path for voice in VOICES for path in voice.operations.not_served]

log = logging.getLogger("billfold")


def post(work: Work) -> None:
    """What a unit of work leaves behind beside its rows."""
    write_events(work, render)
    audit.write_traces(work)
    agenda.write_plans(work)


async def check(billfold: "Billfold") -> None:
    """Whether the data may be served under this policy, before anything listens; or Unusable."""
    await billfold.environment.database.start()
    try:
        await claim(billfold.environment)
    finally:
        await billfold.environment.database.close()


class Billfold:
    """A running environment with its agenda's handlers and its web application."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        policy = settings.environment_policy
        self.environment = Environment(
            database=open_database(settings.database_url, settings.limits),
            secrets=secrets.load(settings.folder, make=policy.makes_key),
            policy=policy,
            ids=Ids(),
            post=post,
            passwords=Passwords(policy.cheap_passwords),
            handlers={
                payments.STEP: agenda.rule(payments.take_step),
                verifications.DECIDE: agenda.rule(verifications.decide),
                verifications.REVIEWED: agenda.rule(verifications.finish_review),
            },
        )
        self.watch = Watch(settings.log == "requests", settings.slow_milliseconds / 1000)
        self.sender = Sender(policy, self.watch)
        self.environment.handlers[DELIVER] = make_deliverer(self.sender.send)
        self.messenger = Messenger(
            Carriers(settings.sms_url, settings.sms_token, settings.smtp, settings.mail_from)
        )
        self.environment.handlers[messages.SEND] = messages.make_carrier(self.messenger.carry)
        self.door = Door(self.environment, OPERATIONS, self.watch, NOT_SERVED)
        pages = [
            Route("/openapi.json", self._openapi),
            Route("/healthz", self._healthz),
            Route("/metrics", self._metrics),
            reference.route(OPERATIONS, EXAMPLES),
            Route("/", lambda request: RedirectResponse("/docs")),
            *Pages(self.environment, self.watch).routes,
        ]
        # By the first part of their paths, which those of the API do not share.
        self.pages = {page.path.split("/")[1] for page in pages}
        self.web = Starlette(routes=pages, lifespan=self.lifespan)
        self._serve = OnlyHttps(self._route) if settings.trusted_proxy else self._route

    async def __call__(self, scope, receive, send) -> None:
        await self._serve(scope, receive, send)

    async def _route(self, scope, receive, send) -> None:
        """The API needs nothing of Starlette's; pages and the lifespan do. In both a slash at the end
        of a path says nothing."""
        if scope["type"] == "http":
            path = scope["path"].strip("/")
            if path.partition("/")[0] not in self.pages:
                await self.door(scope, receive, send)
                return
            scope = scope | {"path": f"/{path}"}
        await self.web(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: object = None) -> AsyncIterator[None]:
        await self.environment.database.start()
        starts = await claim(self.environment)
        await travel.inherit(self.environment)
        if self.settings.seed >= 0:
            # Each start draws other ids than the one before it, and the same ones next time.
            self.environment.ids = Ids(f"{self.settings.seed} {starts}")
        if self.environment.policy.controlled:
            await demo_world.ensure(self.environment)
        workers = []
        if self.settings.worker:
            workers = [
                asyncio.create_task(self._keep(do)) for do in (agenda.work_forever, travel.resume)
            ]
        warm = asyncio.create_task(asyncio.to_thread(_warm_up))
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(warm, *workers, return_exceptions=True)
            await self.sender.close()
            await self.messenger.close()
            await self.door.uses.close()
            await self.environment.database.close()

    async def _keep(self, do: Callable[[Environment], Awaitable[None]]) -> None:
        """Do it again and again for as long as the server lives, whatever comes between."""
        while True:
            try:
                await do(self.environment)
            except Unavailable as trouble:
                log.error("%s waits for the database: %s", do.__name__, trouble)
            except Exception:
                log.exception("%s goes on", do.__name__)
            await asyncio.sleep(TROUBLE_PAUSE_SECONDS)

    async def _openapi(self, request: Request) -> Response:
        return Response(json.dumps(document(OPERATIONS)), media_type="application/json")

    async def _healthz(self, request: Request) -> Response:
        """Whether requests can be served: the database answers."""
        try:
            await self.environment.read(lambda work: work.connection.fetch("SELECT 1", []))
        except Unavailable:
            return Response("the database does not answer\n", status_code=503)
        return Response("ok\n")

    async def _metrics(self, request: Request) -> Response:
        try:
            parked, late_seconds = await self.environment.read(
                lambda work: (agenda.parked(work), agenda.late_seconds(work))
            )
        except Unavailable:
            parked, late_seconds = None, 0.0
        said = self.watch.metrics(parked, late_seconds)
        return Response(said, media_type="text/plain; version=0.0.4")


def _warm_up() -> None:
    """What the first log line needs, imported beside the first requests instead of within one."""
    from billfold.door import logs

    logs.logger()


def settle_memory() -> None:
    """What is here when a server starts stays: the collector need not look through it again and again.

    A request leaves few cycles behind, so it is also called less often than for 700 new objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_MAX, 10, 10)


def from_environment() -> Billfold:
    """For a server process that another one started: its settings are all in BILLFOLD_…."""
    settings, _ = load()
    settle_memory()
    return Billfold(settings)
