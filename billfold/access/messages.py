"""Messages to people: codes by text or voice, links and notices by mail.

A sandbox keeps them in an inbox for its user to read. A real one is written, sealed, with what it is
about, and sent between two units of work when that is committed; then it goes away.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
import sqlalchemy as sa

from billfold.kit import agenda
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.clock import real_nanoseconds
from billfold.kit.environment import Environment
from billfold.kit.errors import NO_MESSENGER, Refusal
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

SEND = "message.send"
# After a failure; the last pause is repeated for as long as the message is worth anything.
RETRY_SECONDS = (1, 4, 15, 60, 300, 1800)
A_DAY = timedelta(days=1)

log = logging.getLogger("billfold.messages")


class Channel(StrEnum):
    TEXT = "TEXT"
    VOICE = "VOICE"
    EMAIL = "EMAIL"


@table("messages", sa.Index("ix_messages_made", "made", "id"), ids="message")
class Message(Owned, frozen=True):
    """What was sent, in a sandbox only: a real message leaves no copy of its code."""

    user_id: str
    recipient: str
    channel: Channel
    text: str
    # Nanoseconds by the machine's clock: which of two is newer, also while the clock stands.
    made: int
    subject: str | None = None
    code: str | None = None


@table("outgoing_messages")
class Outgoing(Owned, frozen=True):
    """A real message on its way. `letter` is sealed; after `good_until` nobody wants it any more."""

    letter: bytes
    good_until: datetime
    attempts: int = 0


class Letter(msgspec.Struct, frozen=True):
    """What is to be carried: `to` is a number in E.164 or an e-mail address."""

    id: str
    to: str
    channel: Channel
    text: str
    subject: str | None = None


# Gives a letter to whoever carries it; says why that failed, without anything that stands in it.
Carry = Callable[[Letter], Awaitable[str | None]]


def reaches(work: Work, channel: Channel) -> bool:
    """Whether messages of this kind can be sent here at all."""
    return work.policy.mails if channel is Channel.EMAIL else work.policy.texts


def send(
    work: Work, user_id: str, recipient: str, channel: Channel, text: str, *,
    subject: str | None = None, code: str | None = None, lasts: timedelta = A_DAY,
) -> None:  # fmt: skip
    """`lasts` is how long it is worth to be sent. Raises a refusal where nothing carries it: a code
    that nobody gets helps nobody."""
    if not reaches(work, channel):
        raise Refusal(NO_MESSENGER)
    if work.policy.keeps_messages:
        work.add(
            Message, user_id=user_id, recipient=recipient, channel=channel, text=text,
            made=real_nanoseconds(), subject=subject, code=code,
        )  # fmt: skip
        return
    id = work.ids.new("message", work.now)
    letter = msgspec.json.encode(Letter(id, recipient, channel, text, subject)).decode()
    work.add(Outgoing, id=id, letter=work.secrets.seal(letter, id), good_until=work.now + lasts)
    work.plan(work.now, SEND, id)


def make_carrier(carry: Carry) -> agenda.Handler:
    """The agenda's handler of messages; `carry` is what reaches the network."""

    async def send_one(environment: Environment, item: AgendaItem) -> None:
        letter = await environment.read(lambda work: _opened(work, item.subject_id), item.caller)
        failure = await carry(letter) if letter else None

        def record(work: Work) -> None:
            if agenda.finish(work, item) and letter:
                _record(work, letter, failure)

        await environment.write(record, item.caller)

    return send_one


def _opened(work: Work, id: str) -> Letter | None:
    """None when it was sent already, by a worker that was believed dead."""
    for found in work.rows(Outgoing, id=id):
        return msgspec.json.decode(work.secrets.open(found.letter, id), type=Letter)
    return None


def _record(work: Work, letter: Letter, failure: str | None) -> None:
    sent = work.hold(Outgoing, letter.id)
    if failure is None:
        work.remove(sent)
        return
    pause = timedelta(seconds=RETRY_SECONDS[min(sent.attempts, len(RETRY_SECONDS) - 1)])
    log.warning("%s message %s was not taken: %s", letter.channel, letter.id, failure)
    if work.now + pause < sent.good_until:
        work.change(sent, attempts=sent.attempts + 1)
        work.plan(work.now + pause, SEND, letter.id)
    else:
        log.error("%s message %s is given up: it came to nobody", letter.channel, letter.id)
        work.remove(sent)
