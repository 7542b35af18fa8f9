"""The command line: `billfold serve` and its siblings. A mistake is one sentence, and exit code 2."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from billfold import (
    cli_carry,
    cli_certs,
    cli_environments,
    cli_keys,
    cli_listen,
    cli_sign_up,
    cli_snapshots,
    cli_webhooks,
)
from billfold.cli_data import Data, Database, PolicyName, asked, place, plainly, prepared
from billfold.kit.errors import Unusable
from billfold.settings import SECRET, Settings, check_production, load, to_environment

if TYPE_CHECKING:
    from billfold.app import Billfold

app = typer.Typer(
    help="Billfold: accounts payable and receivable that speaks BILL's APIs.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip

app.command("signup")(cli_sign_up.sign_up)
app.command("invite")(cli_sign_up.invite)
app.command("verify")(cli_sign_up.verify)
app.command("listen")(cli_listen.listen)
app.command("trigger")(cli_listen.trigger)
app.command("export")(cli_carry.export_)
app.command("import")(cli_carry.import_)
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_webhooks.app, name="webhooks")
app.add_typer(cli_environments.app, name="env")
app.add_typer(cli_snapshots.app, name="snapshot")
app.add_typer(cli_certs.app, name="certs")
app.command()(cli_snapshots.diff)
app.command()(cli_certs.proxy)


@app.command()
@plainly
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    worker: Annotated[
        bool | None, typer.Option(help="Work on the agenda (settlement, deliveries) here.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="API processes (PostgreSQL only).")] = None,
    tls: Annotated[
        bool | None, typer.Option(help="https with certificates of a local authority (sandboxes).")
    ] = None,
    hosts: Annotated[
        str | None, typer.Option(help="Other names of this server, with commas; name=environment.")
    ] = None,
    log: Annotated[str | None, typer.Option(help="problems or requests.")] = None,
) -> None:
    """Serve the API; a sandbox makes its demo world when it starts for the first time."""
    gc.disable()  # What is imported stays: looking through it takes a tenth of a start.
    settings, _ = load(
        host=host, port=port, data=data, database=database, policy=policy, worker=worker,
        workers=workers, tls=tls, hosts=hosts, log=log,
    )  # fmt: skip
    _check_production(settings)
    listener = _listen(settings)
    # Port 0 is any free one; links lead to the one that was found.
    settings = replace(settings, port=listener.getsockname()[1])
    billfold = prepared(settings)
    if settings.tls:
        _prepare_authority(settings)
    print(_welcome(settings), flush=True)
    _run(billfold, listener)


@app.command()
@plainly
def work(data: Data = None, database: Database = None, policy: PolicyName = None) -> None:
    """Work on the agenda (settlement, deliveries) and serve nothing; for PostgreSQL."""
    import uvloop

    settings, _ = load(data=data, database=database, policy=policy, worker=True)
    if not settings.database:
        raise Unusable("SQLite has one writing process, which is `billfold serve`; use --database")
    billfold = prepared(settings)

    async def run() -> None:
        stop = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        async with billfold.lifespan():
            print(f"billfold: working on the agenda of {place(settings)}", flush=True)
            await stop.wait()

    uvloop.run(run())


@app.command()
@plainly
def credentials(
    as_json: Annotated[bool, typer.Option("--json", help="As the control API says them.")] = False,
) -> None:
    """How to sign in to the demo world of a sandbox."""
    from billfold.control import known_credentials

    found = known_credentials()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    users = {user["role"].lower(): user["username"] for user in found.pop("users")}
    partner = {f"partner.{name}": value for name, value in found.pop("partner").items()}
    for name, value in (found | partner | users).items():
        print(f"{name:18} {value}")


class Story(StrEnum):
    main = "main"
    migration = "migration"


@app.command()
@plainly
def demo(
    story: Annotated[Story, typer.Argument(help="Which story.")] = Story.main,
    url: Annotated[str, typer.Option(help="Where a sandbox serves.")] = "http://127.0.0.1:8080",
) -> None:
    """Play a story against a running sandbox. main: sign in, bills, payments, webhooks, days passing.
    migration: a new sandbox beside an old one, developer keys carried over, the old one's last day."""
    from billfold import demo, demo_migration
    from billfold.demo import NoSandbox, Unexpected

    try:
        {Story.main: demo.play, Story.migration: demo_migration.play}[story](url)
    except NoSandbox as error:
        raise Unusable(str(error)) from None
    except Unexpected as error:
        print(f"billfold: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
@plainly
def migrate(data: Data = None, database: Database = None) -> None:
    """Bring a database to this version's schema, and those of the environments beside it; back them up
    first."""
    from billfold import migrations
    from billfold.installation import usable
    from billfold.kit.database_place import place_of

    settings, _ = load(data=data, database=database)
    with usable(settings.folder):
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _migrate(place(settings), settings.database_url)
    there = place_of(settings.database_url)
    for name in asked(lambda: migrations.environments(settings.database_url)):
        if name == settings.first:
            continue
        url = there.beside(name)
        try:
            if not asked(partial(there.exists, url)):
                raise Unusable("its database is gone: restore it, or remove it")
            _migrate(f"environment {name}", url)
        except Unusable as trouble:
            raise Unusable(f"environment {name}: {trouble}") from None


def _migrate(what: str, url: str) -> None:
    from billfold import migrations

    before = asked(lambda: migrations.known_revision(url))
    if before == migrations.HEAD:
        print(f"{what} has schema {before} already")
        return
    asked(lambda: migrations.migrate(url))
    print(f"{what}: schema {before or 'none'} -> {migrations.HEAD}")


@app.command()
@plainly
def openapi() -> None:
    """Print the OpenAPI document of everything that is built."""
    from billfold.app import OPERATIONS
    from billfold.door.openapi import document

    print(json.dumps(document(OPERATIONS), indent=2))


@app.command()
@plainly
def states() -> None:
    """Print every state machine, as docs/states.md has it."""
    import billfold.app  # noqa: F401 - its imports bring every state machine
    from billfold.kit.lifecycle import drawn

    print(drawn(), end="")


@app.command()
@plainly
def roles() -> None:
    """Print who may do what, as docs/roles.md has it."""
    from billfold.app import OPERATIONS
    from billfold.door.rights import drawn

    print(drawn(OPERATIONS), end="")


@app.command()
@plainly
def events() -> None:
    """Print which events are told, by whom, as docs/events.md has it."""
    from billfold.events.emitters import drawn

    print(drawn(), end="")


@app.command("settings")
@plainly
def show_settings(data: Data = None) -> None:
    """Print every setting, its value and where that came from."""
    settings, origins = load(data=data)
    for name, origin in origins.items():
        value = getattr(settings, name)
        shown = "(hidden)" if name in SECRET and value else value
        print(f"{name:23} {shown!s:28} {origin}")


def main() -> None:
    """A command line that cannot be read is one sentence as well; without any word it is the help."""
    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as mistake:
        if said := " ".join(mistake.format_message().split()):
            print(f"billfold: {said}", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        print("billfold: aborted", file=sys.stderr)
        sys.exit(1)


def _check_production(settings: Settings) -> None:
    """Before anything is made, bound or asked: key, https and a second factor."""
    from billfold.installation import secrets_of
    from billfold.kit.policy import POLICIES

    if not POLICIES[settings.policy].makes_key:
        secrets_of(settings)
    check_production(settings)
    if settings.certificate:
        from billfold.door import certificates

        certificates.opened(settings.certificate, settings.certificate_key)


def _listen(settings: Settings) -> socket.socket:
    """Bound before anything else, so that a taken port costs nothing and changes nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise Unusable(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}):"
            " choose another with --port or PORT"
        ) from None
    listener.set_inheritable(True)
    return listener


def _prepare_authority(settings: Settings) -> None:
    from billfold.door.authority import Authority

    authority = Authority(settings.folder)
    if authority.prepare(settings.certified):
        print(f"billfold: {authority.bundle} has changed: give it to clients that hold a copy of it")


def _run(billfold: Billfold, listener: socket.socket) -> None:
    import uvicorn

    from billfold.app import settle_memory

    settings = billfold.settings
    options: dict[str, Any] = {
        "loop": "uvloop", "http": "billfold.door.packets:OnePacket", "ws": "none",
        "log_config": None, "log_level": "warning", "access_log": False, "server_header": False,
        "timeout_graceful_shutdown": 1.5, "lifespan": "on",
        "forwarded_allow_ips": settings.trusted_proxy or "127.0.0.1",
    }  # fmt: skip
    if settings.speaks_tls:
        from billfold.door import certificates

        options["ssl_context_factory"] = partial(certificates.context_of, settings)
    if settings.workers > 1:
        import os

        from billfold.door.processes import Processes

        gc.enable()
        os.environ.update(to_environment(settings))
        config = uvicorn.Config(
            "billfold.app:from_environment", factory=True, workers=settings.workers, **options
        )
        processes = Processes(config, sockets=[listener])
        processes.run()
        if processes.failed:  # It has said why.
            raise typer.Exit(2)
        return
    settle_memory()
    server = uvicorn.Server(uvicorn.Config(billfold, **options))
    # When uvicorn has ended well of a signal it sends it to itself again; that shall be no failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        try:
            server.run(sockets=[listener])
        except SystemExit:  # It has said why it could not begin.
            raise typer.Exit(2) from None


def _welcome(settings: Settings) -> str:
    """The first lines: where it is, who you are there, and a first call to paste."""
    base = replace(settings, public_url="").base_url
    lines = [f"Billfold serves a {settings.policy} on {base}", f"  data    {place(settings)}"]
    if settings.policy != "sandbox":
        return "\n".join(lines + _next_steps(settings))
    from billfold.control import known_credentials

    found = known_credentials()
    trust = ""
    if settings.tls:
        from billfold.door.authority import Authority

        bundle = Authority(settings.folder).bundle
        trust = f" --cacert {bundle}"
        lines.append(f"  trust   {bundle} (five roots; no system trusts them)")
    lines += [f"  {name:14} {value}" for name, value in found.items() if isinstance(value, str)]
    asked = {name: found[name] for name in ("username", "password", "organizationId", "devKey")}
    lines += [
        "", "A first call:", "",
        f"  curl -s{trust} {base}/connect/v3/login -H 'Content-Type: application/json' \\",
        f"    -d '{json.dumps(asked)}'", "",
        f"Then send the sessionId and devKey as headers. The reference: {base}/docs",
        f"The console, for people: {base}/console",
    ]  # fmt: skip
    return "\n".join(lines)


def _next_steps(settings: Settings) -> list[str]:
    where = f" --database {settings.database.split('://')[0]}://…" if settings.database else ""
    beside = "" if settings.database else " (stop the server for it: SQLite has one writing process)"
    lines = [f"  public  {settings.base_url} (public_url; links in messages begin with it)"]
    if settings.trusted_proxy:
        lines += [f"  https   only what the proxy {settings.trusted_proxy} brings by https is answered"]
    return [
        *lines, "", f"The first organization, its administrator and a developer key{beside}:", "",
        f"  billfold signup --policy {settings.policy} --data {settings.data}{where}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
