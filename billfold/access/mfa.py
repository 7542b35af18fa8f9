"""Two-step sign-in: phones, challenges, and remembered ids that make a later session trusted.

Lifetimes and limits are `mfa.yaml`'s: 30 days for a remembered id are documented; five minutes and
three attempts for a code are the contract's assumption.
"""

import hmac
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from billfold.access import messages, organizations, sessions
from billfold.access.messages import Channel
from billfold.kit.errors import (
    NO_PHONE,
    TOKEN_EXPIRED,
    TOO_MANY_TOKENS,
    Problem,
    Refusal,
    Unusable,
)
from billfold.kit.secrets import KEY_FILE, digest
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

CODE_LIFE = timedelta(minutes=5)
ATTEMPTS_MAX = 3
REMEMBERED = timedelta(days=30)


class PhoneType(StrEnum):
    MOBILE = "MOBILE"
    WORK = "WORK"
    HOME = "HOME"
    UNDEFINED = "UNDEFINED"


@table("mfa_phones", ids="mfa_phone", by=["user_id"])
class MfaPhone(Owned, frozen=True):
    """A confirmed phone of a user; `number` is sealed, in E.164."""

    user_id: str
    number: bytes
    last4: str
    type: PhoneType
    channel: Channel
    primary: bool


A_NUMBER = sa.select(MfaPhone.c.number).limit(1)


@table("mfa_challenges", by=["session_id used"])
class Challenge(Owned, frozen=True):
    """A code on its way. Any session of the user may answer it; `session_id` is the one that asked."""

    user_id: str
    session_id: str
    code_mac: bytes
    expires_time: datetime
    attempts: int = 0
    used: bool = False


@table("mfa_remembered", sa.Index("ix_mfa_remembered_token", "user_id", "token"))
class Remembered(Owned, frozen=True):
    """A device that need not be asked again. `token` is a digest."""

    user_id: str
    token: str
    device: str
    machine_name: str | None
    expires_time: datetime


class Status(StrEnum):
    """Session details' mfaStatus."""

    UNDEFINED = "UNDEFINED"
    DISABLED = "DISABLED"
    SETUP = "SETUP"
    CHALLENGE = "CHALLENGE"
    COMPLETE = "COMPLETE"


def status(work: Work) -> Status:
    assert work.caller is not None
    if not organizations.own(work).mfa_enabled:
        return Status.DISABLED
    if work.caller.trusted:
        return Status.COMPLETE
    return Status.CHALLENGE if phones(work) else Status.SETUP


def phones(work: Work) -> list[MfaPhone]:
    return work.rows(MfaPhone, user_id=work.user_id)


def check_key(work: Work) -> None:
    """Raises Unusable where phones were sealed with another key: another folder's, or a lost one.

    Without it a second server would seal with a key of its own what the first cannot open."""
    for (number,) in work.connection.values(A_NUMBER):
        if not work.secrets.has_sealed(number):
            raise Unusable(
                "this data was sealed with another key than this server's: give it the one of the data"
                f" folder it comes from, as {KEY_FILE} or BILLFOLD_KEY"
            )


def add_phone(
    work: Work, user_id: str, number: str, channel: Channel, primary: bool = True
) -> MfaPhone:
    id = work.ids.new("mfa_phone", work.now)
    return work.add(
        MfaPhone, id=id, user_id=user_id, number=work.secrets.seal(number, id), last4=number[-4:],
        type=PhoneType.MOBILE, channel=channel, primary=primary,
    )  # fmt: skip


def challenge(work: Work, use_backup: bool) -> Challenge:
    """Send a code to the user's phone; what this session was sent before is worth nothing any more.

    Codes that the user's other sessions wait for stay good: programs that share a user, a suite of
    tests in parallel say, would otherwise lock each other out."""
    assert work.caller is not None
    phone = next((phone for phone in phones(work) if phone.primary is not use_backup), None)
    if phone is None:
        raise Refusal(NO_PHONE)
    for older in work.rows(Challenge, session_id=work.caller.session_id, used=False):
        work.change(work.hold(Challenge, older.id), used=True)
    id, code = work.ids.uuid(work.now), work.policy.fixed_code or work.ids.code()
    made = work.add(
        Challenge, id=id, user_id=work.user_id, session_id=work.caller.session_id,
        code_mac=_mac(work, id, code), expires_time=work.now + CODE_LIFE,
    )  # fmt: skip
    number = work.secrets.open(phone.number, phone.id)
    text = f"{code} is your Billfold code. It is valid for five minutes."
    messages.send(work, work.user_id, number, phone.channel, text, code)
    return made


def answer(work: Work, challenge_id: str, code: str) -> Problem | None:
    """Try a code; says what is wrong with it, having counted the attempt in the same transaction.

    Counting and comparing cannot be parted: a hundred guesses at once are still a hundred."""
    try:
        found = work.hold(Challenge, challenge_id)
    except Refusal:
        return TOKEN_EXPIRED
    if found.user_id != work.user_id or found.used or work.now >= found.expires_time:
        return TOKEN_EXPIRED
    if found.attempts >= ATTEMPTS_MAX:
        return TOO_MANY_TOKENS
    right = hmac.compare_digest(found.code_mac, _mac(work, found.id, code))
    work.change(found, attempts=found.attempts + 1, used=right)
    if not right:
        return TOKEN_EXPIRED
    sessions.trust(work)
    return None


def remember(work: Work, device: str, machine_name: str | None) -> str:
    """An id that makes a later session of this user on this device trusted, for 30 days."""
    token = work.ids.token()
    work.add(
        Remembered, id=work.ids.uuid(work.now), user_id=work.user_id, token=digest(token),
        device=device, machine_name=machine_name, expires_time=work.now + REMEMBERED,
    )  # fmt: skip
    return token


def recalls(work: Work, user_id: str, token: str | None, device: str | None) -> bool:
    """Whether this device of this user was remembered; anything else is simply not."""
    if not token or not device:
        return False
    found = work.connection.first(Remembered, user_id=user_id, token=digest(token))
    return found is not None and found.device == device and work.now < found.expires_time


def _mac(work: Work, challenge_id: str, code: str) -> bytes:
    return work.secrets.mac("mfa code", f"{challenge_id} {code}".encode())
