"""The command line: `billfold serve` and its siblings. A mistake is one sentence, and exit code 2."""

from __future__ import annotations

import asyncio
import fcntl
import json
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from billfold.kit.errors import Unavailable, Unusable
from billfold.settings import Settings, load, to_environment

if TYPE_CHECKING:
    from billfold.app import Billfold

app = typer.Typer(
    help="Billfold: accounts payable and receivable that speaks BILL's APIs.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip

Data = Annotated[str | None, typer.Option(help="Folder of key, files and SQLite databases.")]
Database = Annotated[str | None, typer.Option(help="postgresql://… instead of SQLite.")]
PolicyName = Annotated[str | None, typer.Option(help="sandbox or production.")]


def plainly(command: Callable) -> Callable:
    """A mistake is said without a traceback."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except Unusable as mistake:
            print(f"billfold: {mistake}", file=sys.stderr)
            raise typer.Exit(2) from None

    return run


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
    log: Annotated[str | None, typer.Option(help="problems or requests.")] = None,
) -> None:
    """Serve the API; a sandbox makes its demo world when it starts for the first time."""
    settings, _ = load(
        host=host, port=port, data=data, database=database, policy=policy, worker=worker,
        workers=workers, log=log,
    )  # fmt: skip
    listener = _listen(settings)
    billfold = _prepared(settings)
    print(_welcome(settings, listener.getsockname()[1]), flush=True)
    _run(billfold, listener)


@app.command()
@plainly
def work(data: Data = None, database: Database = None, policy: PolicyName = None) -> None:
    """Work on the agenda (settlement, deliveries) and serve nothing; for PostgreSQL."""
    settings, _ = load(data=data, database=database, policy=policy, worker=True)
    if not settings.database:
        raise Unusable("SQLite has one writing process, which is `billfold serve`; use --database")
    billfold = _prepared(settings)

    async def run() -> None:
        stop = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        async with billfold.lifespan():
            print(f"billfold: working on the agenda of {_place(settings)}", flush=True)
            await stop.wait()

    asyncio.run(run())


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
    for name, value in found.items():
        print(f"{name:16} {value}")


@app.command()
@plainly
def demo(
    url: Annotated[str, typer.Option(help="Where a sandbox serves.")] = "http://127.0.0.1:8080",
) -> None:
    """Play the main job against a running sandbox: sign in, bills, payments, webhooks, days passing."""
    from billfold.demo import NoSandbox, Unexpected, play

    try:
        play(url)
    except NoSandbox as error:
        raise Unusable(str(error)) from None
    except Unexpected as error:
        print(f"billfold: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
@plainly
def migrate(data: Data = None, database: Database = None) -> None:
    """Bring a database to this version's schema; back it up first."""
    from billfold import migrations

    settings, _ = load(data=data, database=database)
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = _asked(lambda: migrations.known_revision(settings.database_url))
    if before == migrations.HEAD:
        print(f"{_place(settings)} has schema {before} already")
        return
    _asked(lambda: migrations.migrate(settings.database_url))
    print(f"{_place(settings)}: schema {before or 'none'} -> {migrations.HEAD}")


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


@app.command("settings")
@plainly
def show_settings(data: Data = None) -> None:
    """Print every setting, its value and where that came from."""
    settings, origins = load(data=data)
    for name, origin in origins.items():
        value = getattr(settings, name)
        shown = "(hidden)" if name == "database" and value else value
        print(f"{name:18} {shown!s:28} {origin}")


def main() -> None:
    app()


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


def _prepared(settings: Settings) -> Billfold:
    """The data folder, the key and the schema, as they must be before anything is served."""
    from billfold import migrations
    from billfold.kit import secrets
    from billfold.kit.policy import POLICIES

    try:
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secrets.load(settings.folder, POLICIES[settings.policy].makes_key)
    except OSError as error:
        raise Unusable(f"the data folder {settings.folder} cannot be used: {error}") from None
    if not settings.database:
        _claim_folder(settings)
    if said := _asked(lambda: migrations.prepare(settings.database_url)):
        print(f"billfold: {said}", flush=True)
    from billfold.app import Billfold, check

    if settings.database:
        from billfold.kit.postgres import check_room

        _asked(lambda: check_room(settings.database, settings.workers * settings.connections))
    billfold = Billfold(settings)
    _asked(lambda: asyncio.run(check(billfold)))
    return billfold


def _claim_folder(settings: Settings) -> None:
    """SQLite has one writing process: a second one on the same folder is refused at its start."""
    file = open(settings.folder / "billfold.lock", "w")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Unusable(
            f"another server is using {settings.folder}: stop it, or choose another --data folder"
        ) from None
    _kept.append(file)


# What must stay open for as long as the process lives.
_kept: list[IO] = []


def _asked(do: Callable[[], Any]) -> Any:
    """What the database says, or why it does not answer."""
    try:
        return do()
    except Exception as error:
        # Both drivers, and SQLAlchemy around them, have errors of their own; ours says the same.
        drivers = ("psycopg", "apsw", "sqlite3", "sqlalchemy")
        if isinstance(error, Unavailable) or type(error).__module__.split(".")[0] in drivers:
            said = str(getattr(error, "orig", None) or error)
            raise Unusable(f"the database cannot be used: {said.splitlines()[0]}") from None
        raise


def _run(billfold: Billfold, listener: socket.socket) -> None:
    import uvicorn

    from billfold.app import settle_memory

    settings = billfold.settings
    options: dict[str, Any] = {
        "loop": "uvloop", "http": "billfold.door.packets:OnePacket", "ws": "none",
        "log_level": "warning", "access_log": False, "server_header": False,
        "timeout_graceful_shutdown": 1.5, "lifespan": "on",
    }  # fmt: skip
    if settings.workers > 1:
        import os

        from uvicorn.supervisors import Multiprocess

        os.environ.update(to_environment(settings))
        config = uvicorn.Config(
            "billfold.app:from_environment", factory=True, workers=settings.workers, **options
        )
        Multiprocess(config, sockets=[listener]).run()
        return
    settle_memory()
    server = uvicorn.Server(uvicorn.Config(billfold, **options))
    # When uvicorn has ended well of a signal it sends it to itself again; that shall be no failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _welcome(settings: Settings, port: int) -> str:
    """The first lines: where it is, who you are there, and a first call to paste."""
    base = f"http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{port}"
    lines = [f"Billfold serves a {settings.policy} on {base}", f"  data    {_place(settings)}"]
    if settings.policy != "sandbox":
        return "\n".join(lines)
    from billfold.control import known_credentials

    found = known_credentials()
    lines += [f"  {name:14} {value}" for name, value in found.items() if isinstance(value, str)]
    asked = {name: found[name] for name in ("username", "password", "organizationId", "devKey")}
    lines += [
        "", "A first call:", "",
        f"  curl -s {base}/connect/v3/login -H 'Content-Type: application/json' \\",
        f"    -d '{json.dumps(asked)}'", "",
        f"Then send the sessionId and devKey as headers. The reference: {base}/docs",
    ]  # fmt: skip
    return "\n".join(lines)


def _place(settings: Settings) -> str:
    if settings.database:
        return "PostgreSQL (key and files in " + settings.data + ")"
    return f"{settings.folder / 'billfold.db'} (SQLite; delete the folder to begin anew)"


if __name__ == "__main__":
    main()
