"""`billfold certs` and `proxy`: the certificates of a sandbox that serves with --tls, and what leads
clients with BILL's host names to it."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from billfold.cli_data import Data, plainly
from billfold.kit.errors import Unusable
from billfold.settings import load

HERE = "https://127.0.0.1:8080"

app = typer.Typer(
    help="The certificates of a sandbox that serves with --tls; its data folder is named.",
    no_args_is_help=True,
)


@app.command()
@plainly
def show(data: Data = None) -> None:
    """Which certificate is served, and which roots clients trust."""
    from cryptography.hazmat.primitives import hashes

    from billfold.door.authority import Authority, name_of
    from billfold.door.issuing import names_of

    authority = Authority(load(data=data)[0].folder)
    served, leaf = authority.served(), authority.leaf()
    print(f"certificate {served.number} of {name_of(served.root)}, for {', '.join(names_of(leaf))}")
    print(f"  serial     {leaf.serial_number:x}")
    print(f"  good until {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    print(f"roots, in {authority.bundle}")
    for each, root in enumerate(authority.roots(), start=1):
        print(f"  {name_of(each)}  {root.fingerprint(hashes.SHA256()).hex()}")


@app.command()
@plainly
def roots(data: Data = None) -> None:
    """Print the five roots in PEM, for a client's own list of what it trusts."""
    from billfold.door.authority import Authority

    print(Authority(load(data=data)[0].folder).bundle_text(), end="")


@app.command()
@plainly
def rotate(data: Data = None) -> None:
    """Renew the certificate now, by the next root: served from the next handshake on."""
    from billfold.door.authority import Authority, name_of

    served = Authority(load(data=data)[0].folder).rotate()
    print(f"certificate {served.number} of {name_of(served.root)}")


@app.command()
@plainly
def drill(
    command: Annotated[list[str], typer.Argument(help="The client's command, after --.")],
    data: Data = None,
    url: Annotated[str, typer.Option(help="Where the sandbox serves.")] = HERE,
    seconds: Annotated[float, typer.Option(help="How long the command may run in all.")] = 300,
) -> None:
    """Run a client's command while the server goes through certificates of all five roots, and tell
    whether the client pins; then the exit code is 1."""
    from billfold.drill import Drill, table, verdict

    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    turns = Drill(load(data=data)[0].folder, url, command, seconds).run()
    well, said = verdict(turns)
    print(f"{table(turns)}\n{said}")
    if not well:
        raise typer.Exit(1)


@plainly
def proxy(
    port: Annotated[int, typer.Option(help="Port to listen on, of this machine alone.")] = 8081,
    url: Annotated[str, typer.Option(help="Where the sandbox serves.")] = HERE,
    data: Data = None,
) -> None:
    """Lead clients that have BILL's host names in their code to a sandbox, by HTTPS_PROXY."""
    from billfold.kit.policy import POLICIES
    from billfold.proxy import run

    settings, _ = load(data=data)
    if not POLICIES[settings.policy].controlled:
        raise Unusable("proxy is for sandboxes only")
    asyncio.run(run(settings.folder, url, port))
