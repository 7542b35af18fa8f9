"""Keys and tokens: which program asks, and on whose behalf. Only digests are kept.

A developer key names the program; one of a partner opens that partner's organizations and no other
key does (`common.yaml`, BDC_1106). An application key names a partner. A sync token signs in by its
name for one organization, a console token for all clients of an accountant's console, an API token
for Spend & Expense.
"""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from msgspec.structs import replace

from billfold.kit import rates
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import (
    BAD_DEVELOPER_KEY,
    DEVELOPER_KEY_INACTIVE,
    INVALID_VALUE,
    NOT_FOUND,
    Refusal,
)
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

# (`common.yaml`) What is revoked does not count.
DEVELOPER_KEYS_MAX = 4


class KeyKind(StrEnum):
    DEVELOPER = "DEVELOPER"
    APPLICATION = "APPLICATION"
    SYNC_TOKEN = "SYNC_TOKEN"
    CONSOLE_TOKEN = "CONSOLE_TOKEN"
    API_TOKEN = "API_TOKEN"


@table(
    "keys",
    sa.Index("ix_keys_organization", "organization_id", "kind", "id"),
    sa.Index("ix_keys_partner", "partner_id", "kind", "id"),
)
class Key(Record, frozen=True):
    """`id` is the digest of the key; `last4` lets its owner tell one from another.

    Who it belongs to depends on its kind: an organization, a partner, a console, a user."""

    kind: KeyKind
    last4: str
    created_time: datetime
    active: bool = True
    # The holder of a developer key has leave to do without two-step sign-in.
    mfa_bypass: bool = False
    name: str | None = None
    organization_id: str | None = None
    partner_id: str | None = None
    console_id: str | None = None
    user_id: str | None = None
    revoked_time: datetime | None = None


def add(
    work: Work, kind: KeyKind, secret: str, *, name: str | None = None,
    organization_id: str | None = None, partner_id: str | None = None, console_id: str | None = None,
    user_id: str | None = None,
) -> Key:  # fmt: skip
    """A key that was just made, and what it belongs to."""
    return work.insert(
        Key(
            digest(secret), kind, secret[-4:], work.now, name=name, organization_id=organization_id,
            partner_id=partner_id, console_id=console_id, user_id=user_id,
        )
    )  # fmt: skip


def add_developer_key(
    work: Work, secret: str, *, organization_id: str | None = None, partner_id: str | None = None
) -> Key:
    """Of an organization or of a partner; up to four of an owner's are active at once (BDC_1143)."""
    kind, whose = KeyKind.DEVELOPER, {"organization_id": organization_id, "partner_id": partner_id}
    owner = {column: id for column, id in whose.items() if id}
    if owner and len(work.connection.where(Key, kind=kind, active=True, **owner)) >= DEVELOPER_KEYS_MAX:
        raise Refusal(INVALID_VALUE, f"there are {DEVELOPER_KEYS_MAX} active developer keys already")
    return add(work, kind, secret, organization_id=organization_id, partner_id=partner_id)


def switch_off(work: Work, id: str) -> Key:
    """Its sessions are ended by `sessions.revoke_key`, which is what to call."""
    found = work.connection.first(Key, id=id)
    if found is None:
        raise Refusal(NOT_FOUND, id)
    if found.active:
        work.connection.update(Key, id, {"active": False, "revoked_time": work.now})
    return found


def find(work: Work, kind: KeyKind, secret: str) -> Key | None:
    """The active key of this kind, if this is one."""
    found = work.connection.first(Key, id=digest(secret))
    return found if found and found.kind is kind and found.active else None


def is_known(work: Work, kind: KeyKind, secret: str) -> bool:
    found = work.connection.first(Key, id=digest(secret))
    return found is not None and found.kind is kind


def recognise(work: Work, kind: KeyKind, secret: str) -> Key:
    """Raises BDC_1102 for an unknown key, or one of another kind, and BDC_1103 for one that was
    switched off."""
    found = work.connection.first(Key, id=digest(secret))
    if found is None or found.kind is not kind:
        raise Refusal(BAD_DEVELOPER_KEY)
    if not found.active:
        raise Refusal(DEVELOPER_KEY_INACTIVE)
    return found


def check_still(work: Work, id: str) -> None:
    """Raises BDC_1103 where a key was switched off since it was recognised; until this unit ends it is
    not."""
    found = work.rely_on(Key, id)
    if found is None or not found.active:
        raise Refusal(DEVELOPER_KEY_INACTIVE)


def developer_keys(work: Work) -> list[Key]:
    """Every active key of a program, whoever it was made for."""
    return work.connection.where(Key, kind=KeyKind.DEVELOPER, active=True)


def adopt(work: Work, found: list[Key]) -> int:
    """Add keys of another environment that are not here yet: how many. Whom they were made for there
    is nobody here; a partner's key opened that partner's organizations, and none of them is here."""
    programs = [key for key in found if key.partner_id is None]
    added = [replace(key, organization_id=None, user_id=None) for key in programs]
    return sum(work.connection.insert_new(key) for key in added)


async def admit_login(environment: Environment, kind: KeyKind, secret: str) -> Key:
    """The key of a program that signs somebody in, of whose logins one of this hour is taken.

    Raises BDC_1102, 1103 and 1144."""

    def look_up(work: Work) -> Key:
        stored_clock(work)
        return recognise(work, kind, secret)

    key = await environment.read(look_up)
    if environment.policy.limits_rates:
        await environment.write(lambda work: rates.take_login(work, key.id))
    return key
