"""What goes with an organization that moves, said once for every table (docs/decisions/0010).

A table that is not named here fails a test, so that an area that is new says how it is carried.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from billfold.access import messages
from billfold.access.organizations import Organization
from billfold.access.users import User
from billfold.kit.tables import Record
from billfold.kit.work import Work

Condition = sa.ColumnElement[bool]
ASKED: sa.BindParameter = sa.bindparam("organization")
# What a new column holds, by the row as far as it is known.
Begin = Callable[[Work, dict[str, Any]], Any]


def own(record: type[Record]) -> Condition:
    # No plain column, so that no index of the organization's is taken and then sorted: rows come in
    # the order of the key, page after page (see `database.select_among`).
    return sa.func.coalesce(record.c.organization_id, "", type_=sa.Text()) == ASKED


def _itself(record: type[Record]) -> Condition:
    return record.c.id == ASKED


def _its_console(record: type[Record]) -> Condition:
    return record.c.id.in_(sa.select(Organization.c.console_id).where(Organization.c.id == ASKED))


def _its_people(record: type[Record]) -> Condition:
    return record.c.id.in_(sa.select(User.c.login_id).where(User.c.organization_id == ASKED))


def _no_message(record: type[Record]) -> Condition:
    return sa.and_(own(record), record.c.kind != messages.SEND)


@dataclass(frozen=True)
class Carried:
    """Which rows go, and which of their columns stay behind: those begin `anew` where they arrive.

    Rows of several organizations are `shared`: one that is there already, by that column, is used."""

    which: Callable[[type[Record]], Condition] = own
    anew: Mapping[str, Begin] = field(default_factory=dict)
    shared: str | None = None


def _nothing(work: Work, row: dict[str, Any]) -> None:
    return None


def _new_key(work: Work, row: dict[str, Any]) -> bytes:
    return work.secrets.seal(work.ids.token(), row["id"])


WHOLE = Carried()
# Those who are asked for it; nobody knows the new key yet, and the original may still be at work.
UNKNOWN = Carried(anew={"key": _new_key, "enabled": lambda work, row: False})

# In the order in which rows are written, so that what a row refers to is there. A sentence says why a
# table stays behind.
TABLES: dict[str, Carried | str] = {
    # Whose it is
    "partners": "another party's account: it must be there already, under its id",
    "consoles": Carried(_its_console, shared="id"),
    "organizations": Carried(_itself),
    # Who works there
    "logins": Carried(_its_people, {"password_hash": _nothing}, shared="name"),
    "roles": WHOLE,
    "users": WHOLE,
    "mfa_phones": WHOLE,
    "risk_phones": WHOLE,
    "risk_verifications": WHOLE,
    "billing_statements": WHOLE,
    # The books
    "classifications": WHOLE,
    "payment_terms": WHOLE,
    "bank_accounts": WHOLE,
    "vendors": WHOLE,
    "vendor_bank_accounts": WHOLE,
    "bills": WHOLE,
    "bill_lines": WHOLE,
    "payments": WHOLE,
    "bill_payments": WHOLE,
    "audit_entries": WHOLE,
    # What was told, and what is still to be done
    # Of a partner's and of Spend & Expense's nothing: they are another owner's, and tokens stay here.
    "subscriptions": UNKNOWN,
    "events": WHOLE,
    "deliveries": WHOLE,
    "delivery_attempts": WHOLE,
    "agenda": Carried(_no_message, {"leased_until": _nothing}),
    # Secrets, and what is worth nothing without them
    "keys": "digests of secrets, which stay with the installation that made them",
    "sessions": "digests of secrets; whoever works signs in again",
    "authenticators": "secrets of second factors; an invitation enrols a new one",
    "mfa_setups": "codes on their way",
    "mfa_challenges": "codes on their way",
    "mfa_remembered": "digests of secrets; devices are asked again",
    "invitations": "digests of secrets; `billfold invite` makes new ones",
    "password_resets": "digests of secrets",
    "sign_ups": "no organization yet",
    "messages": "a sandbox's inbox, in which codes stand",
    "outgoing_messages": "codes and links on their way",
    # Of the installation, or of a partner
    "partner_users": "people of another party",
    "attempts": "counted under digests that belong to the installation",
    "rates": "counted under digests that belong to the installation",
    "subscribers": "made again where they are needed",
    "idempotency_keys": "their digests say not whose they are, and last a day",
    "clocks": "each environment's own",
    "environments": "the installation's own list",
}
