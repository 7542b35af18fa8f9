"""`billfold export` and `billfold import`: one organization into a file, and out of it elsewhere."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from billfold.cli_data import Data, Database, Env, PolicyName, on_data, plainly
from billfold.kit.errors import Unusable
from billfold.settings import load

if TYPE_CHECKING:
    from billfold.carrying.arriving import Arrived
    from billfold.carrying.leaving import Progress

SENSITIVE = "the file holds account and tax numbers in clear: keep it as you keep the books"
NAMES_SHOWN_MAX = 10


@plainly
def export_(
    organization: Annotated[str, typer.Option(help="The organization's id.")],
    out: Annotated[Path | None, typer.Option(help="A new file, for its owner only.")] = None,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
) -> None:
    """Write everything that is an organization's, but for secrets, as JSON lines.

    The file holds account and tax numbers in clear. The organization stays as it is."""
    from billfold.carrying import leaving

    settings, _ = load(data=data, database=database, policy=policy)
    if out is None and sys.stdout.isatty():
        raise Unusable(f"{SENSITIVE}; write it with --out FILE, or > FILE")
    with _written(out) as file, _progress("export") as seen:
        rows = on_data(
            settings,
            lambda environment: leaving.export(environment, organization, file.write, seen),
            env,
            reads=True,
        )
    print(f"billfold: {organization}: {rows} rows; {SENSITIVE}", file=sys.stderr)


@plainly
def import_(
    from_: Annotated[
        Path | None, typer.Option("--from", help="The file; else it is read from standard input.")
    ] = None,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
) -> None:
    """Take in an organization that `billfold export` wrote, under the ids it had; all of it or nothing.

    Passwords, keys and second factors do not come with it."""
    from billfold.carrying import arriving

    settings, _ = load(data=data, database=database, policy=policy)
    with _read(from_) as file, _progress("import") as seen:
        arrived = on_data(
            settings,
            lambda environment: arriving.take_in(environment, file.readline, seen),
            env,
            begins=True,
        )
    where = "".join(f" {flag} {value}" for flag, value in (("--env", env), ("--data", data)) if value)
    print(_said(arrived, where))


def _said(arrived: Arrived, where: str) -> str:
    """What came, and what is to be done `where` it came before it is as it was."""
    id = arrived.organization_id
    lines = [f"{arrived.name} ({id}): {arrived.rows} rows"]
    if arrived.strangers:
        lines += [
            f"Without a password: {_some(arrived.strangers)}. Let each in:",
            f"  billfold invite --organization {id} --email NAME{where}",
        ]
    if arrived.known:
        lines.append(f"With the password they have here: {_some(arrived.known)}.")
    if arrived.subscriptions:
        lines.append(
            f"Webhook subscriptions, disabled and with new keys: {_some(arrived.subscriptions)}."
            " Rotate the key of each, give it to the receiver and enable it."
        )
    lines.append(f"Programs need a new key: billfold keys create devKey --organization {id}{where}")
    return "\n".join(lines)


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN_MAX
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


@contextmanager
def _written(path: Path | None) -> Iterator[IO[bytes]]:
    """A file that appears whole or not at all, or standard output, into which nothing else is said."""
    if path is None:
        file = sys.stdout.buffer
        with redirect_stdout(sys.stderr), _plain("standard output cannot be written"):
            yield file
            file.flush()
        return
    with _plain(f"{path} cannot be written"):
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(made, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise


@contextmanager
def _read(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        if sys.stdin.isatty():
            raise Unusable("give the file with --from FILE, or < FILE")
        yield sys.stdin.buffer
        return
    with _plain(f"{path} cannot be read"), open(path, "rb") as file:
        yield file


@contextmanager
def _plain(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unusable(f"{what}: {error.strerror}") from None


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A bar on a terminal. An interrupt ends the work between two pages, and nothing of it is left."""
    interrupted = []
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))

    def seen(rows: int, total: int) -> None:
        if interrupted:
            raise Unusable(f"the {what} was interrupted: nothing of it is left")
        show(rows, total)

    try:
        with _bar(what) as show:
            yield seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield lambda rows, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda rows, total: bar.update(task, completed=rows, total=total)
