"""Puts the server together: the only file that knows every part."""

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import cached_property, partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router

from billfold import control, control_environments, control_snapshots, demo_world
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
from billfold.console.console import Console
from billfold.door import first_line, reference
from billfold.door.arrival import Arrival
from billfold.door.door import Door, Paths
from billfold.door.https import OnlyHttps
from billfold.door.lifespan import Lifespan
from billfold.door.messenger import Carriers, Messenger
from billfold.door.openapi import document
from billfold.door.pages import Pages
from billfold.door.sender import Sender
from billfold.door.watch import Watch
from billfold.environments.host import PATH, PREFIX, Host
from billfold.environments.listed import Listed
from billfold.environments.sunset import Sunset, is_link
from billfold.events import history_v3, subscriptions_v3
from billfold.events.delivery import make_deliverer
from billfold.events.outbox import DELIVER, write_events
from billfold.events.payloads_v3 import render
from billfold.examples import EXAMPLES
from billfold.funding import bank_accounts_v3
from billfold.installation import secrets_of
from billfold.kit import agenda, agenda_items, travel, worker
from billfold.kit.addresses import name_in
from billfold.kit.database import open_database
from billfold.kit.environment import Environment, claim, stored_now
from billfold.kit.errors import NO_LONGER_SERVED, Refusal, Unavailable, Unusable
from billfold.kit.ids import Ids
from billfold.kit.keepers import keep, outlive_no_parent
from billfold.kit.policy import Limits, Policy
from billfold.kit.secrets import Passwords, Secrets
from billfold.kit.work import Work
from billfold.payables import bills_v3, payments, payments_v3, vendors_v3
from billfold.settings import Settings, load
from billfold.v2 import payables as payables_v2
from billfold.v2 import payments as payments_v2
from billfold.v2 import server as server_v2
from billfold.v2 import sign_in as sign_in_v2

VOICES = (
    sessions_v3, mfa_v3, users_v3, partners_v3, organizations_v3, verifications_v3,
    bank_accounts_v3, vendors_v3, bills_v3, payments_v3, subscriptions_v3, history_v3, health_v3,
    control, control_environments, control_snapshots, sign_in_v2, server_v2, payables_v2, payments_v2,
)  # fmt: skip
GARBAGE_MAX = 20_000
OPERATIONS = [operation for voice in VOICES for operation in voice.operations]
PATHS = Paths(OPERATIONS, [path for voice in VOICES for path in voice.operations.not_served])
# What is answered after an environment's last day, by the first part of its path.
STILL_SERVED = {"_control", "healthz", "metrics"}
# How the paths of pages begin, which those of the API do not.
PAGES = {
    "", "console", "docs", "healthz", "invitation", "metrics", "openapi.json", "pages.css", "password",
    "signup",
}  # fmt: skip

log = logging.getLogger("billfold")


def post(work: Work) -> bool:
    """What a unit of work leaves behind beside its rows; whether some of it is due already."""
    write_events(work, render)
    audit.write_traces(work)
    return agenda.write_plans(work)


async def check(billfold: "Billfold") -> None:
    """Whether the data may be served under this policy, before anything listens; or Unusable."""
    await billfold.environment.database.start()
    try:
        await claim(billfold.environment)
    finally:
        await billfold.environment.database.close()


class Site:
    """An environment as it is served: its database, its agenda, its door and its pages. The first one
    lies at the root; `under` is what stands before the paths of another."""

    def __init__(
        self, settings: Settings, secrets: Secrets, watch: Watch, url: str, policy: Policy,
        limits: Limits, world: str | None, under: str = "",
    ) -> None:  # fmt: skip
        self.settings = settings
        self.sunset: Sunset | None = None
        self.busy = 0
        self.used_seconds = 0.0
        self.environment = Environment(
            database=open_database(url, limits),
            secrets=secrets,
            policy=policy,
            ids=Ids(),
            post=post,
            passwords=Passwords(policy.cheap_passwords),
            world=world,
            handlers={
                payments.STEP: agenda.rule(payments.take_step),
                verifications.DECIDE: agenda.rule(verifications.decide),
                verifications.REVIEWED: agenda.rule(verifications.finish_review),
            },
        )
        self.watch = watch
        self.under = under
        self.sender = Sender(policy, self.watch, self.environment.clock)
        self.environment.handlers[DELIVER] = make_deliverer(self.environment, self.sender.send)
        self.messenger = Messenger(
            Carriers(settings.sms_url, settings.sms_token, settings.smtp, settings.mail_from)
        )
        self.environment.handlers[messages.SEND] = messages.make_carrier(self.messenger.carry)
        self.door = Door(self.environment, PATHS, self.watch)
        self._workers: list[asyncio.Task] = []

    @cached_property
    def web(self) -> Router:
        """The pages, made when one is asked for: a test's world has clients only."""
        environment, under = self.environment, self.under
        pages = [
            Route("/openapi.json", self._openapi),
            Route("/healthz", self._healthz),
            Route("/metrics", self._metrics),
            reference.route(OPERATIONS, EXAMPLES),
            Route("/", lambda request: RedirectResponse(f"{under}/docs")),
            *Pages(environment, self.watch, under).routes,
            *Console(environment, self.watch, self.door.uses, under).routes,
        ]
        assert {page.path.split("/")[1] for page in pages} == PAGES, "a page that PAGES does not tell"
        return Router(routes=pages)

    async def __call__(self, scope, receive, send) -> None:
        """The API needs nothing of Starlette's; pages do. In both a slash at the end of a path says
        nothing."""
        if self.sunset:
            base = self.sunset.base(self._root(scope), scope["path"])
            send = _adding(self.sunset.headers(base), send)
            try:
                await self._check(self.sunset, base, scope["path"])
            except (Refusal, Unavailable) as trouble:
                await self.door.refuse(scope, send, trouble)
                return
        path = scope["path"].strip("/")
        if path.partition("/")[0] not in PAGES:
            await self.door(scope, receive, send)
        else:
            await self.web(scope | {"path": f"/{path}"}, receive, send)

    def _root(self, scope) -> str:
        """This server as its client calls it."""
        if public_url := self.settings.public_url.rstrip("/"):
            return public_url
        addressed = Arrival.of(scope).addressed().removesuffix(self.under)
        return addressed if is_link(addressed) else ""

    async def _check(self, sunset: Sunset, base: str, path: str) -> None:
        """Raises BDC_1005 when it is over, by the environment's clock. Whoever runs it can still look
        at it, and move its time."""
        if path.strip("/").partition("/")[0] not in STILL_SERVED:
            now = await self.environment.read(stored_now)
            if now >= sunset.ends:
                raise Refusal(NO_LONGER_SERVED, base)

    async def open(self, first: Callable[[Work], object] | None = None) -> None:
        await self.environment.database.start()
        try:
            if first:
                await self.environment.write(first)
            starts = await claim(self.environment)
            await travel.inherit(self.environment)
            if self.settings.seed >= 0:
                # Each start draws other ids than the one before it, and the same ones next time.
                self.environment.ids = Ids(f"{self.settings.seed} {self.under}{starts}")
            if self.environment.world is not None:
                await demo_world.ensure(self.environment)
        except BaseException:
            await self.environment.database.close()
            raise
        if self.settings.worker:
            self._workers = [
                asyncio.create_task(keep(partial(do, self.environment), do.__name__))
                for do in (worker.work_forever, travel.resume)
            ]

    async def close(self) -> None:
        self.environment.database.hurry()
        for task in self._workers:
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self.sender.close()
        await self.messenger.close()
        await self.door.uses.close()
        await self.environment.database.close()

    async def _openapi(self, request: Request) -> Response:
        said = document(OPERATIONS) | {"servers": [{"url": self.under or "/"}]}
        return Response(json.dumps(said), media_type="application/json")

    async def _healthz(self, request: Request) -> Response:
        """Whether requests can be served: the database answers."""
        try:
            await self.environment.read(lambda work: work.connection.fetch("SELECT 1", []))
        except (Unavailable, asyncio.CancelledError):  # Cancelled by a server that stops.
            return Response("the database does not answer\n", status_code=503)
        return Response("ok\n")

    async def _metrics(self, request: Request) -> Response:
        try:
            parked, late_seconds = await self.environment.read(
                lambda work: (agenda_items.parked(work), agenda_items.late_seconds(work))
            )
        except (Unavailable, asyncio.CancelledError):
            parked, late_seconds = None, 0.0
        said = self.watch.metrics(parked, late_seconds)
        return Response(said, media_type="text/plain; version=0.0.4")


class Billfold:
    """A running server: its first environment, and the host of the others."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        policy = settings.policy_of()
        self.secrets = secrets_of(settings)
        self.watch = Watch(
            settings.log == "requests", settings.slow_milliseconds / 1000, settings.workers
        )
        world = "" if policy.controlled else None
        self.first = Site(
            settings, self.secrets, self.watch, settings.database_url, policy, settings.limits, world
        )
        self.environment = self.first.environment
        self.host = Host(settings, self.first, self._site)
        # What leads to others than the first by the name that it is asked under.
        names = settings.environment_of.items()
        self._named = {host: name for host, name in names if name != settings.first}
        self._lifespan = Lifespan(lifespan=self._serving)
        self._serve = OnlyHttps(self._route) if settings.trusted_proxy else self._route

    async def __call__(self, scope, receive, send) -> None:
        await self._serve(scope, receive, send)

    async def _route(self, scope, receive, send) -> None:
        written = scope.get("raw_path") or b""
        if b"%2F" in written.upper():
            # Of a name, and not between two: it is left as it was written, and no name of ours has it.
            scope = scope | {"path": written.decode("latin-1")}
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
        elif (lies := PATH.fullmatch(scope["path"])) is not None:
            name, path = lies.groups()
            under = self.host.under(name)  # The first goes by no name.
            await self._enter(name, scope | {"path": path or "/", "root_path": under}, receive, send)
        elif self._named and (name := self._named.get(_host_of(scope))):
            await self._enter(name, scope, receive, send)
        else:
            await self.first(scope, receive, send)

    async def _enter(self, name: str, scope, receive, send) -> None:
        try:
            async with self.host.entered(name) as site:
                await site(scope, receive, send)
        except (Refusal, Unavailable) as trouble:
            await self.first.door.refuse(scope, send, trouble)

    def _site(self, each: Listed, url: str) -> Site:
        settings, under = self.settings, PREFIX + each.id
        # What disappears by itself need not outlive the machine; somebody's books do.
        policy = settings.policy_of(each.policy, under)
        durable = (settings.durable and not each.ephemeral) or not policy.controlled
        connections = settings.environment_connections
        limits = replace(settings.limits, connections=connections, durable=durable)
        return Site(settings, self.secrets, self.watch, url, policy, limits, each.world, under)

    @contextlib.asynccontextmanager
    async def data(self, name: str | None = None) -> AsyncIterator[Environment]:
        """The data of the first environment, or of another one, while nothing is served."""
        await self.environment.database.start()
        try:
            await self.host.refresh()
            if name is None:
                yield self.environment
            else:
                await self.host.found(name)
                async with self.host.entered(name) as site:
                    yield site.environment
        finally:
            await self.host.close()
            await self.environment.database.close()

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await self.first.open()
        await self.host.start()
        keeper = asyncio.create_task(keep(self.host.keep, "the host"))
        warm = asyncio.create_task(asyncio.to_thread(first_line.prepare))
        try:
            yield
        finally:
            self.environment.database.hurry()
            keeper.cancel()
            await asyncio.gather(warm, keeper, return_exceptions=True)
            await self.host.close()
            await self.first.close()

    @contextlib.asynccontextmanager
    async def _serving(self, _: object) -> AsyncIterator[None]:
        """The same for a process that also answers."""
        keepers = {}
        if self.settings.workers > 1:
            keepers["the parent"] = outlive_no_parent
        async with self.lifespan():
            if self.settings.speaks_tls:
                from billfold.door import certificates

                certificate = certificates.served(self.settings)
                self.watch.handshakes = certificate.handshakes
                certificate.clock = self.environment.clock
                keepers["the certificate"] = certificate.keep
            tasks = [asyncio.create_task(keep(do, name)) for name, do in keepers.items()]
            try:
                yield
            finally:
                for each in tasks:
                    each.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _host_of(scope) -> str:
    """The name that a request was sent to."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return name_in(host.decode("latin-1"))


def _adding(headers: list[tuple[bytes, bytes]], send: Callable) -> Callable:
    """Send with these headers as well."""

    async def send_more(message: dict) -> None:
        if message["type"] == "http.response.start":
            message = message | {"headers": [*message["headers"], *headers]}
        await send(message)

    return send_more


def settle_memory() -> None:
    """What is here when a server starts stays: the collector need not look through it again and again.

    A request leaves few cycles behind, so it is also called less often than for 700 new objects."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(GARBAGE_MAX, 10, 10)


def from_environment() -> Billfold:
    """For a server process that another one started: its settings are all in BILLFOLD_…."""
    from uvicorn.config import STARTUP_FAILURE

    try:
        billfold = Billfold(load()[0])
    except Unusable as trouble:
        log.error("a process cannot start: %s", trouble)
        raise SystemExit(STARTUP_FAILURE) from None
    settle_memory()
    return billfold
