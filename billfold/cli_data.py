"""What the commands share: their options, the data folder, the database, and a way to work on both."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from functools import partial, wraps
from typing import IO, TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from billfold.kit.errors import Refusal, Unavailable, Unusable
from billfold.settings import Settings

if TYPE_CHECKING:
    from billfold.app import Billfold
    from billfold.kit.environment import Environment

    Opened = Callable[[str | None], AbstractAsyncContextManager[Environment]]

# For each environment a worker has up to 2,048 deliveries on their way, each on a connection, and keeps
# idle ones for a few seconds; macOS gives no more.
FILES = 10_240

T = TypeVar("T")

Data = Annotated[str | None, typer.Option(help="Folder of key, files and SQLite databases.")]
Database = Annotated[str | None, typer.Option(help="postgresql://… instead of SQLite.")]
PolicyName = Annotated[str | None, typer.Option(help="sandbox or production.")]


Env = Annotated[str | None, typer.Option("--env", help="Another environment than the first.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


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


def prepared(settings: Settings) -> Billfold:
    """Files enough, the data folder, the key and the schema, as they must be before anything is
    served."""
    from billfold import migrations
    from billfold.installation import secrets_of

    open_many_files()
    if not settings.database:
        claim_folder(settings)
    asked(lambda: secrets_of(settings))
    if said := asked(lambda: migrations.prepare(settings.database_url)):
        print(f"billfold: {said}", flush=True)
    from billfold.app import Billfold, check

    if settings.database:
        from billfold.kit.postgres_place import check_room

        asked(lambda: check_room(settings.database, settings.workers * settings.connections))
    billfold = Billfold(settings)
    asked(lambda: asyncio.run(check(billfold)))
    return billfold


def open_many_files() -> None:
    """As many as the system lets this process ask for: a connection is one, and where a thousand are
    all that a process has by default, so many slow receivers would take each of them."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if least != resource.RLIM_INFINITY and least < wanted:
        with suppress(OSError, ValueError):  # Where it may not, it has as many as before.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def claim_folder(settings: Settings) -> None:
    """SQLite has one writing process: a second one on the same folder is refused at its start."""
    from billfold.installation import usable

    folder = settings.folder
    with usable(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = open(folder / "billfold.lock", "w")  # noqa: SIM115 - held until the process ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unusable(
                f"another server is using {folder}: stop it, or choose another --data folder"
            ) from None
    _kept.append(file)


def is_served(settings: Settings) -> bool:
    """Whether another process has claimed the folder of a SQLite database."""
    if settings.database:
        return False
    try:
        with open(settings.folder / "billfold.lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # Nobody ever has.
    return False


# What must stay open for as long as the process lives.
_kept: list[IO] = []


def asked(do: Callable[[], Any]) -> Any:
    """What the database says, or why it does not answer."""
    try:
        return do()
    except Exception as error:
        from billfold.kit.database import said_by_driver

        said = str(error) if isinstance(error, Unavailable) else said_by_driver(error)
        if said:
            raise Unusable(f"the database cannot be used: {said.splitlines()[0]}") from None
        raise


def on_data(
    settings: Settings, do: Callable[[Environment], Awaitable[T]], env: str | None = None,
    reads: bool = False, begins: bool = False,
) -> T:  # fmt: skip
    """Do something to the data of an environment, the first where none is named, from this process:
    beside a running server on PostgreSQL, and where it only `reads` on SQLite too; else instead of one
    on SQLite, which has one writing process and says so. Where there is none an installation is made
    only by what `begins` one."""
    settings = replace(settings, worker=False)
    if reads and is_served(settings):
        from billfold.app import Billfold
        from billfold.environments.reading import beside_a_server

        there: Opened = partial(beside_a_server, Billfold(settings).host)
    else:
        if not begins:
            from billfold.installation import check_begun

            asked(lambda: check_begun(settings))
        there = prepared(settings).data

    async def run() -> T:
        async with there(env) as environment:
            return await do(environment)

    try:
        return asked(lambda: asyncio.run(run()))
    except Refusal as refusal:
        said = [problem.say(about) for problem, about in refusal.problems]
        raise Unusable("; ".join(said)) from None


def new_password(variable: str, whose: str) -> str:
    """From the environment, or typed twice; never a flag, which others on the machine could read."""
    if given := os.environ.get(variable):
        return given
    return typer.prompt(f"Password of {whose}", hide_input=True, confirmation_prompt=True)


def place(settings: Settings) -> str:
    if settings.database:
        return "PostgreSQL (key and files in " + settings.data + ")"
    kind = "SQLite; delete the folder to begin anew" if settings.policy == "sandbox" else "SQLite"
    return f"{settings.folder / 'billfold.db'} ({kind})"
