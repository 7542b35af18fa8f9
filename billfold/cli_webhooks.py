"""`billfold webhooks`: what subscriptions were sent, how that went, and what they missed sent again."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billfold.cli_data import AsJson, Data, Database, Env, PolicyName, on_data, plainly
from billfold.kit.errors import Unusable
from billfold.settings import load

if TYPE_CHECKING:
    from billfold.kit.work import Work

app = typer.Typer(
    help="Webhooks. To resend on SQLite the server must be stopped: it has one writing process.",
    no_args_is_help=True,
)
Subscribed = Annotated[str, typer.Argument(help="The id of a subscription.")]
From = Annotated[
    str,
    typer.Option(
        "--from", help="A moment such as 2026-12-30T00:00:00Z; a day begins at midnight Pacific."
    ),
]
To = Annotated[str | None, typer.Option("--to", help="A moment; without it: now.")]


@app.command()
@plainly
def log(
    subscription: Subscribed,
    last: Annotated[int, typer.Option(help="How many deliveries, the newest first.")] = 20,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Every attempt of the last deliveries: when, how long that took, what was answered, where to. Also
    of a subscription that was deleted."""
    from billfold.events import history

    settings, _ = load(data=data, database=database, policy=policy)
    read = lambda work: [
        _view(work, delivery, attempt)
        for delivery, attempt in history.attempts(work, subscription, last)
    ]
    found = on_data(settings, lambda there: there.read(read), env, reads=True)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print(f"no attempt is on record for {subscription}", file=sys.stderr)
    for each in found:
        said = each["statusCode"] or each["failure"]
        when = f"{each['time']} {each['eventId']} {each['state']:9} {each['milliseconds']:6} ms"
        print(f"{when}  {said}  {each['url']}")


@app.command()
@plainly
def resend(
    subscription: Subscribed,
    since: From,
    until: To = None,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
) -> None:
    """Send again everything between two times that the receiver did not take. The server delivers it
    when it runs: it leaves in the order in which it happened, but a few at once, so that neighbours may
    arrive the other way round."""
    from billfold.events import history
    from billfold.kit.listing import moment

    try:
        begin, end = moment(since), moment(until) if until else None
    except (ValueError, OverflowError):
        raise Unusable("--from and --to must be moments such as 2026-12-30T00:00:00Z") from None
    settings, _ = load(data=data, database=database, policy=policy)

    async def all_of_it(there: Any) -> int:
        find = lambda work: history.anybodys(work, subscription)
        return await history.resend_all_missed(there, find, begin, end)

    sent = on_data(settings, all_of_it, env)
    print(f"{sent} to be sent again to {subscription}")


def _view(work: Work, delivery: Any, attempt: Any) -> dict[str, Any]:
    from billfold.events import attempts
    from billfold.kit.clock import stamp

    return {
        "time": stamp(attempt.created_time), "eventId": delivery.event_id,
        "deliveryId": delivery.id, "state": delivery.state.value, "url": attempt.url,
        "headers": attempt.headers, "statusCode": attempt.status_code, "failure": attempt.failure,
        "milliseconds": attempt.milliseconds, "answer": attempts.answer_of(work, attempt),
    }  # fmt: skip
