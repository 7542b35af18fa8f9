"""Idempotency keys: the same request with the same key is done once and answered twice the same.

The key's digest, that of what was asked and the sealed answer are one row in the transaction of what
was done, so a failure leaves nothing behind and the key may be used again (`webhooks.yaml`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from billfold.kit.errors import IN_FLIGHT, MALFORMED, Refusal
from billfold.kit.ids import is_uuid
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

KEPT = timedelta(hours=24)
HEADER = "X-Idempotent-Key"


@table("idempotency_keys", sa.Index("ix_idempotency_keys_expires", "expires", "id"))
class IdempotencyKey(Record, frozen=True):
    """`id` is a digest of scope and key, so that two levels never share one."""

    expires: datetime
    answer: bytes
    # A digest of what was asked.
    asked: str | None = None


def once(work: Work, scope: str, key: str, asked: bytes, do: Callable[[], bytes]) -> bytes:
    """The answer of `do`, or the stored one of the first request with this key.

    Raises 429 while that is being done, and 400 for a key that is none. Where BILL's limits hold, also
    for one with which something else was `asked`; elsewhere that is answered like the first, which is
    the contract's literal reading (docs/decisions/0005)."""
    check_key(key)
    id = digest(f"{scope} {one_spelling(key)}")
    if not work.connection.try_lock(id):
        raise Refusal(IN_FLIGHT)
    sum = digest(asked.decode())
    found = work.connection.first(IdempotencyKey, id=id)
    if found and found.expires <= work.now:
        work.connection.delete(IdempotencyKey, id)
        found = None
    if found:
        if work.policy.limits_rates and found.asked not in (None, sum):
            raise Refusal(MALFORMED, f"{HEADER}: was used for another request")
        return work.secrets.open(found.answer, id).encode()
    work.sweep(IdempotencyKey, "expires")
    answer = do()
    sealed = work.secrets.seal(answer.decode(), id)
    work.insert(IdempotencyKey(id, work.now + KEPT, sealed, sum))
    return answer


def one_spelling(key: str) -> str:
    """A UUID is one key in capitals too."""
    return key.lower()


def check_key(key: str) -> None:
    if not is_uuid(key) or UUID(key).version != 4:
        raise Refusal(MALFORMED, f"{HEADER}: must be a UUID version 4")
