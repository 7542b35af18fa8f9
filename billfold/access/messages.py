"""Messages to people: codes by text or voice. A sandbox keeps them in an inbox for its user to read."""

from enum import StrEnum

import sqlalchemy as sa

from billfold.kit.clock import real_nanoseconds
from billfold.kit.errors import NO_MESSENGER, Refusal
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work


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


def send(
    work: Work, user_id: str, recipient: str, channel: Channel, text: str, *,
    subject: str | None = None, code: str | None = None,
) -> Message:  # fmt: skip
    """Raises a refusal where no gateway is set up: a code that nobody gets helps nobody."""
    if not work.policy.keeps_messages:
        raise Refusal(NO_MESSENGER)
    return work.add(
        Message,
        user_id=user_id,
        recipient=recipient,
        channel=channel,
        text=text,
        made=real_nanoseconds(),
        subject=subject,
        code=code,
    )
