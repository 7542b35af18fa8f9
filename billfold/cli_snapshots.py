"""`billfold snapshot`: environments of a running sandbox are kept as they are, and put back.

With --data or --database those of an installation, by whoever has its data and its key."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from billfold.cli_data import AsJson, Data, Database, PolicyName, plainly
from billfold.cli_sandbox import HERE, Url, there

app = typer.Typer(
    help="Snapshots of environments: of a running sandbox, or of the data that is named.",
    no_args_is_help=True,
)
ALL = "/_control/snapshots"

Name = Annotated[str, typer.Argument(help="The snapshot.")]


@app.command()
@plainly
def save(
    name: Name,
    env: Annotated[str | None, typer.Option("--env", help="Of another one than the first.")] = None,
    url: Url = HERE,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
) -> None:
    """Keep an environment as it is at this moment."""
    asked = {"name": name} | ({"environment": env} if env else {})
    made = there(url, data, database, policy)("POST", ALL, asked)
    print(f"{made['name']} is {made['environment']} as it was at {made['createdTime']}")


@app.command()
@plainly
def restore(
    name: Name, url: Url = HERE, data: Data = None, database: Database = None,
    policy: PolicyName = None,
) -> None:  # fmt: skip
    """Put the environment of a snapshot back to what it was; whoever was signed in is not any more."""
    path = f"{ALL}/{quote(name, safe='')}/restore"
    done = there(url, data, database, policy)("POST", path)
    print(f"{done['environment']} is what it was at {done['createdTime']}")


@app.command("list")
@plainly
def list_all(
    url: Url = HERE, data: Data = None, database: Database = None, policy: PolicyName = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Every snapshot, of which environment it is, and since when."""
    found = there(url, data, database, policy)("GET", ALL)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for each in found["results"]:
        print(f"{each['name']:16} {each['environment']:16} {each['policy']:10} {each['createdTime']}")


@app.command()
@plainly
def remove(
    name: Name, url: Url = HERE, data: Data = None, database: Database = None,
    policy: PolicyName = None,
) -> None:  # fmt: skip
    """Throw a snapshot away; environments that were made of it stay."""
    there(url, data, database, policy)("DELETE", f"{ALL}/{quote(name, safe='')}")
    print(f"{name} is removed")


@plainly
def diff(
    one: Annotated[str, typer.Argument(help="An environment or a snapshot.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
    url: Url = HERE, data: Data = None, database: Database = None, policy: PolicyName = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """The objects that differ in two environments or snapshots, the first thousand.

    `-` is one that only the first has, `+` only the second, `~` one that is other. Sessions, messages,
    events and the audit are left out, and what is sealed is not told."""
    asked = urlencode({"one": one, "other": other})
    found = there(url, data, database, policy)("GET", f"/_control/differences?{asked}")
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for each in found["results"]:
        mine, theirs = each.get("one"), each.get("other")
        mark = "~" if mine is not None and theirs is not None else "-" if theirs is None else "+"
        print(f"{mark} {each['table']} {each['id']}")
        if mark == "~":
            for name in mine:
                print(f"    {name}: {json.dumps(mine[name])} -> {json.dumps(theirs[name])}")
