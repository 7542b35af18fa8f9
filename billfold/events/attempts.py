"""The log of deliveries: what each attempt sent where, what came back, how long it took, and why."""

import sqlalchemy as sa

from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

ATTEMPTS_MAX = 1_000


@table(
    "delivery_attempts",
    sa.Index("ix_delivery_attempts_delivery", "delivery_id", "id"),
    ids="delivery_attempt",
)
class DeliveryAttempt(Owned, frozen=True):
    """What was sent is the event's body with these headers. `answer`, what the receiver said, is sealed
    and the beginning only; without a `status_code` the `failure` says why there is none."""

    delivery_id: str
    url: str
    headers: dict[str, str]
    milliseconds: int
    status_code: int | None = None
    answer: bytes | None = None
    failure: str | None = None


def note(
    work: Work, delivery_id: str, url: str, headers: dict[str, str], *, status_code: int | None,
    answer: str, failure: str | None, milliseconds: int,
) -> None:  # fmt: skip
    id = work.ids.new("delivery_attempt", work.now)
    work.add(
        DeliveryAttempt, id=id, delivery_id=delivery_id, url=url, headers=headers,
        milliseconds=milliseconds, status_code=status_code, failure=failure,
        answer=work.secrets.seal(answer, id) if answer else None,
    )  # fmt: skip


def of_delivery(work: Work, delivery_id: str) -> list[DeliveryAttempt]:
    """In the order in which they were made."""
    return work.rows(DeliveryAttempt, delivery_id=delivery_id)[-ATTEMPTS_MAX:]


LAST = (
    sa.select(DeliveryAttempt.table)
    .where(DeliveryAttempt.c.delivery_id == sa.bindparam("delivery_id"))
    .order_by(DeliveryAttempt.c.id.desc())
    .limit(1)
)


def last_of(work: Work, delivery_id: str) -> DeliveryAttempt | None:
    """The one that was made last."""
    found = work.connection.rows(DeliveryAttempt, LAST, {"delivery_id": delivery_id})
    return found[0] if found else None


def answer_of(work: Work, attempt: DeliveryAttempt) -> str:
    return work.secrets.open(attempt.answer, attempt.id) if attempt.answer else ""
