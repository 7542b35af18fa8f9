"""`billfold env`: environments of a running sandbox, by its control API.

With --data or --database those of an installation, by whoever has its data and its key: the way where
the first one, or the one that is meant, is in production."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import quote

import typer

from billfold.cli_data import AsJson, Data, Database, PolicyName, plainly
from billfold.cli_sandbox import HERE, Url, there

app = typer.Typer(
    help="Environments beside the first: of a running sandbox, or of the data that is named.",
    no_args_is_help=True,
)
ALL = "/_control/environments"

Name = Annotated[str, typer.Argument(help="The environment.")]


@app.command()
@plainly
def create(
    name: Name,
    policy: Annotated[str | None, typer.Option(help="sandbox or production.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="What is copied: another, or a snapshot.")
    ] = None,
    ephemeral: Annotated[bool, typer.Option(help="Removed after an hour without use.")] = False,
    url: Url = HERE,
    data: Data = None,
    database: Database = None,
    first_policy: Annotated[
        str | None, typer.Option(help="With --data: the policy of the first environment.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an environment, with a demo world of its own or as a copy of another or of a snapshot."""
    asked = {"name": name, "policy": policy, "from": source, "ephemeral": ephemeral}
    made = there(url, data, database, first_policy, begins=True)(
        "POST", ALL, {key: value for key, value in asked.items() if value}
    )
    if as_json:
        print(json.dumps(made, indent=2))
        return
    shown = {key: value for key, value in made.items() if isinstance(value, str)}
    shown |= {
        key: value for key, value in made.get("credentials", {}).items() if isinstance(value, str)
    }
    for key, value in shown.items():
        print(f"{key:16} {value}")


@app.command("list")
@plainly
def list_all(
    url: Url = HERE, data: Data = None, database: Database = None, policy: PolicyName = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Every environment, its policy, its state and its base URL."""
    found = there(url, data, database, policy)("GET", ALL)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for each in found["results"]:
        ends = f"  until {each['sunsetDate']}, then {each['successor']}" if "sunsetDate" in each else ""
        print(f"{each['name']:16} {each['policy']:10} {each['state']:8} {each['baseUrl']}{ends}")


@app.command("migrate-keys")
@plainly
def migrate_keys(
    name: Name,
    to: Annotated[str, typer.Option(help="The environment that gets them.")],
    url: Url = HERE,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
) -> None:
    """Copy an environment's developer keys into another one; organizations and users stay."""
    done = there(url, data, database, policy)(
        "POST", f"{ALL}/{quote(name, safe='')}/migrate-keys", {"to": to}
    )
    print(f"developer keys copied from {name} to {to}: {done['copied']}")


@app.command()
@plainly
def sunset(
    name: Name,
    date: Annotated[str, typer.Option(help="The last day, YYYY-MM-DD, in Pacific time.")],
    successor: Annotated[str, typer.Option(help="The environment that goes on, or a URL.")],
    url: Url = HERE,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
) -> None:
    """Give an environment its last day: from now on every answer tells it."""
    asked = {"date": date, "successor": successor}
    done = there(url, data, database, policy)("POST", f"{ALL}/{quote(name, safe='')}/sunset", asked)
    print(f"{name} is served until {done['sunsetDate']}; then its clients go on to {done['successor']}")


@app.command()
@plainly
def remove(
    name: Name, url: Url = HERE, data: Data = None, database: Database = None,
    policy: PolicyName = None,
) -> None:  # fmt: skip
    """Remove an environment with everything in it."""
    there(url, data, database, policy)("DELETE", f"{ALL}/{quote(name, safe='')}")
    print(f"{name} is removed")
