"""Idempotency keys: the same request with the same key is done once and answered twice the same.

The key's digest and the sealed answer are one row in the transaction of what was
done, so a failure leaves nothing behind and the key may be used again (`webhooks.yaml`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from billfold.kit.errors import MALFORMED, Refusal
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

KEPT = timedelta(hours=24)
HEADER = "X-Idempotent-Key"


@table("idempotency_keys")
class IdempotencyKey(Record, frozen=True):
    """`id` is a digest of scope and key, so that two levels never share one."""

    expires: datetime
    answer: bytes


def once(work: Work, scope: str, key: str, do: Callable[[], bytes]) -> bytes:
    """The answer of `do`, or the stored one of the first request with this key.

    A request that is just being done is waited for: its row is locked until it is committed. The
    body is not compared (the contract's literal reading, docs/decisions/0005).
    """
    if not _is_uuid4(key):
        raise Refusal(MALFORMED, f"{HEADER}: must be a UUID version 4")
    id = digest(f"{scope} {key}")
    found = work.connection.first(IdempotencyKey, id=id)
    if found and found.expires <= work.now:
        work.connection.delete(IdempotencyKey, id)
        found = None
    row = IdempotencyKey(id, work.now + KEPT, b"")
    if found is None and work.connection.insert_new(row):
        answer = do()
        sealed = work.secrets.seal(answer.decode(), id)
        work.connection.update(IdempotencyKey, id, {"answer": sealed})
        return answer
    found = found or work.connection.first(IdempotencyKey, id=id)
    assert found is not None, "an idempotency key vanished between two looks"
    return work.secrets.open(found.answer, id).encode()


def _is_uuid4(text: str) -> bool:
    try:
        found = UUID(text)
    except ValueError:
        return False
    return found.version == 4 and str(found) == text.lower()
