"""`billfold keys`: make, list and end keys and tokens. Each is shown once and kept as a digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billfold.cli_data import AsJson, Data, Database, Env, PolicyName, new_password, on_data, plainly
from billfold.kit.errors import Unusable
from billfold.settings import load

if TYPE_CHECKING:
    from billfold.access.keys import Key
    from billfold.kit.environment import Environment
    from billfold.kit.work import Work

app = typer.Typer(
    help="Keys and tokens. To make or end one on SQLite the server must be stopped: it has one writing"
    " process.",
    no_args_is_help=True,
)


class Kind(StrEnum):
    DEV_KEY = "devKey"
    APP_KEY = "appKey"
    SYNC_TOKEN = "syncToken"
    CONSOLE_TOKEN = "consoleToken"
    API_TOKEN = "apiToken"


NAMES = {
    "DEVELOPER": Kind.DEV_KEY, "APPLICATION": Kind.APP_KEY, "SYNC_TOKEN": Kind.SYNC_TOKEN,
    "CONSOLE_TOKEN": Kind.CONSOLE_TOKEN, "API_TOKEN": Kind.API_TOKEN,
}  # fmt: skip
# What each kind must be told; a devKey either of its two.
ASKED = {
    Kind.DEV_KEY: (), Kind.APP_KEY: (), Kind.SYNC_TOKEN: ("organization", "name", "user"),
    Kind.CONSOLE_TOKEN: ("organization", "user"), Kind.API_TOKEN: ("organization", "user"),
}  # fmt: skip

Organizations = Annotated[
    list[str] | None, typer.Option("--organization", help="An id; several for a consoleToken.")
]


@app.command("list")
@plainly
def list_keys(
    organization: Annotated[str | None, typer.Option(help="Only those of this organization.")] = None,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """What there is, the newest first: never the keys themselves."""
    from billfold.access import credentials

    settings, _ = load(data=data, database=database, policy=policy)
    found = on_data(
        settings,
        lambda there: there.read(lambda work: credentials.listed(work, organization)),
        env,
        reads=True,
    )
    if as_json:
        print(json.dumps([_view(key) for key in found], indent=2))
        return
    for key in found:
        view = _view(key)
        state = "active" if view["active"] else "ended"
        print(f"{view['id'][:12]} …{view['last4']} {view['kind']:13} {state:7} {view['of']}")


@app.command("create")
@plainly
def create_key(
    kind: Annotated[Kind, typer.Argument(help="What to make.")],
    organization: Organizations = None,
    partner: Annotated[
        str | None, typer.Option(help="The id of a partner, or for an appKey the name of a new one.")
    ] = None,
    partner_user: Annotated[
        str | None, typer.Option(help="appKey: also a person who signs in as the partner.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="syncToken: the user name it signs in by; appKey: makes a partner of that id."
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", "--email", help="User name of the person it acts for.")
    ] = None,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Make a key or token and show it, this once. The password of --partner-user is asked for, or
    BILLFOLD_PASSWORD."""
    given: dict[str, Any] = {"organization": organization, "name": name, "user": user}
    missing = [f"--{each}" for each in ASKED[kind] if not given[each]]
    if missing:
        raise Unusable(f"a {kind} needs {', '.join(missing)}")
    if kind is Kind.DEV_KEY and bool(organization) == bool(partner):
        raise Unusable("a devKey needs --organization or --partner")
    if kind is Kind.APP_KEY and not partner:
        raise Unusable("an appKey needs --partner")
    if kind is not Kind.CONSOLE_TOKEN and len(organization or []) > 1:
        raise Unusable(f"a {kind} is of one --organization")
    settings, _ = load(data=data, database=database, policy=policy)
    first = organization[0] if organization else ""
    password = new_password("BILLFOLD_PASSWORD", partner_user) if partner_user else ""
    makers: dict[Kind, Callable[[Work], dict[str, str]]] = {
        Kind.DEV_KEY: lambda work: _developer_key(work, first or None, partner),
        Kind.SYNC_TOKEN: lambda work: _sync_token(work, first, name or "", user or ""),
        Kind.CONSOLE_TOKEN: lambda work: _console_token(work, organization or [], name, user or ""),
        Kind.API_TOKEN: lambda work: _api_token(work, first, user or ""),
    }

    async def make(environment: Environment) -> dict[str, str]:
        if kind is Kind.APP_KEY:
            assert partner is not None
            return await _partner(environment, partner, name, partner_user, password)
        return await environment.write(makers[kind])

    made = on_data(settings, make, env, begins=kind is Kind.APP_KEY)
    if as_json:
        print(json.dumps(made, indent=2))
        return
    for each, value in made.items():
        print(f"{each:14} {value}")


# What is asked for may begin with a dash.
@app.command("revoke", context_settings={"ignore_unknown_options": True})
@plainly
def revoke_key(
    which: Annotated[str, typer.Argument(help="Its last four characters, or how its id begins.")],
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """End a key or token, and with it every session that was made with it."""
    from billfold.access import credentials

    settings, _ = load(data=data, database=database, policy=policy)
    key = on_data(
        settings, lambda there: there.write(lambda work: credentials.revoke(work, which)), env
    )
    if as_json:
        print(json.dumps(_view(key) | {"active": False}, indent=2))
        return
    print(f"{NAMES[key.kind]} …{key.last4} has ended, and its sessions with it")


def _view(key: Key) -> dict[str, Any]:
    owners = (key.organization_id, key.partner_id, key.console_id, key.user_id, key.name)
    return {
        "id": key.id, "kind": NAMES[key.kind], "last4": key.last4, "active": key.active,
        "createdTime": key.created_time.isoformat(), "of": " ".join(each for each in owners if each),
    }  # fmt: skip


def _developer_key(work: Work, organization: str | None, partner: str | None) -> dict[str, str]:
    from billfold.access import credentials

    return {"devKey": credentials.developer_key(work, organization, partner)}


async def _partner(
    environment: Environment, partner: str, name: str | None, username: str | None, password: str
) -> dict[str, str]:
    """An id is that of a partner that there is, or with a name that of one who comes from elsewhere;
    anything else is the name of a new one."""
    from billfold.access import credentials, passwords
    from billfold.kit.ids import looks_like

    hash = await passwords.hashed(environment, password, username) if username else ""

    def make(work: Work) -> dict[str, str]:
        is_id = looks_like("partner", partner)
        if is_id and not name:
            made = {"partnerId": partner, "appKey": credentials.application_key(work, partner)}
        else:
            new = (name, partner) if is_id and name else (partner, None)
            id, application_key, key = credentials.partner(work, *new)
            made = {"partnerId": id, "appKey": application_key, "devKey": key}
        if username:
            credentials.partner_person(work, made["partnerId"], username, hash)
            made["username"] = username
        return made

    return await environment.write(make)


def _console_token(
    work: Work, organizations: list[str], name: str | None, username: str
) -> dict[str, str]:
    from billfold.access import credentials

    id, secret = credentials.console_token(work, username, name or username, organizations)
    return {"consoleId": id, "consoleToken": secret, "username": username}


def _sync_token(work: Work, organization: str, name: str, user: str) -> dict[str, str]:
    from billfold.access import credentials

    return {"username": name, "syncToken": credentials.sync_token(work, organization, name, user)}


def _api_token(work: Work, organization: str, user: str) -> dict[str, str]:
    from billfold.access import credentials

    return {"apiToken": credentials.api_token(work, organization, user)}
