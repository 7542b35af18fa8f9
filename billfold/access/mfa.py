"""Two-step sign-in: phones, challenges, and remembered ids that make a later session trusted.

Who has no phone here, or lives where no gateway is set up, answers with an authenticator's code.
Lifetimes and limits are `mfa.yaml`'s: 30 days for a remembered id are documented; five minutes and
three attempts for a code are the contract's assumption.
"""

import hmac
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from billfold.access import attempts, authenticators, messages, notices, organizations, sessions
from billfold.access.messages import Channel
from billfold.access.sessions import SessionKind
from billfold.access.users import User
from billfold.kit import rates
from billfold.kit.callers import Caller
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    INVALID_VALUE,
    NO_PHONE,
    NO_SET_UP,
    PHONE_IS_SET,
    TOKEN_EXPIRED,
    TOO_MANY_TOKENS,
    Problem,
    Refusal,
)
from billfold.kit.secrets import digest
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

CODE_LIFE = timedelta(minutes=5)
ATTEMPTS_MAX = 3
REMEMBERED = timedelta(days=30)
DEVICE_LENGTH_MAX = 36
NO_CODE = b""


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


@table("mfa_setups")
class Setup(Owned, frozen=True):
    """A phone that is about to be registered: a code was sent to it. `number` is sealed, in E.164."""

    user_id: str
    number: bytes
    last4: str
    channel: Channel
    primary: bool
    code_mac: bytes
    expires_time: datetime
    attempts: int = 0
    used: bool = False


@table("mfa_challenges", by=["session_id used"])
class Challenge(Owned, frozen=True):
    """A code on its way. Any session of the user may answer it; `session_id` is the one that asked.

    Where none was sent, `code_mac` is empty, and only an authenticator's code answers."""

    user_id: str
    session_id: str
    code_mac: bytes
    expires_time: datetime
    attempts: int = 0
    used: bool = False


@table("mfa_remembered", sa.Index("ix_mfa_remembered_token", "user_id", "token"), by=["user_id"])
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
    """UNDEFINED is that of a sync token's session, for which there is no two-step sign-in."""
    session = sessions.own(work)
    if session.kind is SessionKind.SYNC_TOKEN:
        return Status.UNDEFINED
    if not organizations.own(work).mfa_enabled:
        return Status.DISABLED
    if session.trusted:
        return Status.COMPLETE
    return Status.CHALLENGE if _is_registered(work) else Status.SETUP


def _is_registered(work: Work) -> bool:
    """Whether the caller has a second factor, be it a phone or an authenticator."""
    return bool(phones(work) or authenticators.of(work, work.user_id))


def phones(work: Work) -> list[MfaPhone]:
    return work.rows(MfaPhone, user_id=work.user_id)


def add_phone(
    work: Work, user_id: str, number: str, channel: Channel, primary: bool = True
) -> MfaPhone:
    """Register a phone (E.164) that its owner has confirmed, or that whoever runs this server vouches
    for."""
    id = work.ids.new("mfa_phone", work.now)
    return work.add(
        MfaPhone, id=id, user_id=user_id, number=work.secrets.seal(number, id), last4=number[-4:],
        type=TYPES[channel], channel=channel, primary=primary,
    )  # fmt: skip


TYPES = {Channel.TEXT: PhoneType.MOBILE, Channel.VOICE: PhoneType.WORK}


def set_up(work: Work, number: str, channel: Channel, primary: bool) -> Setup:
    """Send a code to a phone (E.164) that shall be registered; nothing is registered before it is
    answered.

    Raises BDC_5324 where a second factor is registered already and the session is not trusted."""
    if not _may_set_up(work):
        raise Refusal(PHONE_IS_SET)
    id, code = work.ids.uuid(work.now), new_code(work)
    made = work.add(
        Setup, id=id, user_id=work.user_id, number=work.secrets.seal(number, id), last4=number[-4:],
        channel=channel, primary=primary, code_mac=_mac(work, id, code),
        expires_time=work.now + CODE_LIFE,
    )  # fmt: skip
    _send(work, number, channel, code)
    return made


def _may_set_up(work: Work) -> bool:
    """Who knows no more than the password may register a first factor, and replace none."""
    assert work.caller is not None
    return work.caller.trusted or not _is_registered(work)


def finish_set_up(work: Work, setup_id: str, channel: Channel, code: str) -> Problem | None:
    """Register the phone of a set-up in the place of the one before, or say what is wrong.

    The session is not trusted by this; devices remembered with the old phone are forgotten."""
    found = work.rows(Setup, id=setup_id)
    if not found or found[0].user_id != work.user_id or found[0].channel is not channel:
        return NO_SET_UP
    user = work.hold(User, work.user_id)  # Two first factors at once shall not both be the first.
    setup = work.hold(Setup, setup_id)
    if problem := _try(work, setup, code):
        return problem
    if not _may_set_up(work):
        return PHONE_IS_SET  # Another one was registered since the code was sent.
    before = [phone for phone in phones(work) if phone.primary is setup.primary]
    for older in before:
        work.remove(work.hold(MfaPhone, older.id))
        forget(work, user.id)
        notices.tell(
            work, user, "Your Billfold phone was changed",
            f"Codes now go to a phone that ends in {setup.last4}, and no longer to the one that ends in"
            f" {older.last4}. No device is remembered any more.",
        )  # fmt: skip
    if not before and phones(work):
        said = f"Codes can now also be sent to a phone that ends in {setup.last4}."
        notices.tell(work, user, "Your Billfold account has another phone", said)
    number = work.secrets.open(setup.number, setup.id)
    add_phone(work, work.user_id, number, setup.channel, setup.primary)
    return None


def challenge(work: Work, use_backup: bool) -> Challenge:
    """Send a code to the user's phone; what this session was sent before is worth nothing any more.
    Who has an authenticator may show that one's instead, and is sent none where none can be sent.

    Codes that the user's other sessions wait for stay good: programs that share a user, a suite of
    tests in parallel say, would otherwise lock each other out."""
    assert work.caller is not None
    phone = next((phone for phone in phones(work) if phone.primary is not use_backup), None)
    has_app = not use_backup and authenticators.of(work, work.user_id) is not None
    if phone is None and not has_app:
        raise Refusal(NO_PHONE)
    for older in work.rows(Challenge, session_id=work.caller.session_id, used=False):
        work.change(work.hold(Challenge, older.id), used=True)
    id, code_mac = work.ids.uuid(work.now), NO_CODE
    if phone and not (has_app and not messages.reaches(work, phone.channel)):
        code = new_code(work)
        code_mac = _mac(work, id, code)
        _send(work, work.secrets.open(phone.number, phone.id), phone.channel, code)
    return work.add(
        Challenge, id=id, user_id=work.user_id, session_id=work.caller.session_id,
        code_mac=code_mac, expires_time=work.now + CODE_LIFE,
    )  # fmt: skip


def asked(work: Work) -> Challenge | None:
    """The challenge that the caller's session waits for, if its time is not over."""
    assert work.caller is not None
    found = work.rows(Challenge, session_id=work.caller.session_id, used=False)
    return next((each for each in found if work.now < each.expires_time), None)


async def authenticate(
    environment: Environment, caller: Caller | None, challenge_id: str, code: str, device: str,
    machine_name: str | None, remember_me: bool,
) -> str:  # fmt: skip
    """Answer a challenge; makes the session trusted, and with `remember_me` also later ones of the same
    device, by the id that is given. Without it an id is given as well, because clients read one, but
    none is kept: the trust ends with the session.

    Raises BDC_1143 for a device's name that is too long, BDC_1356 and BDC_1358 for the code."""
    check_device(device)

    def try_it(work: Work) -> Problem | str:
        if problem := answer(work, challenge_id, code):
            return problem
        return remember(work, device, machine_name) if remember_me else work.ids.token()

    # A wrong code is refused only when it has been counted, durably.
    said = await environment.write(try_it, caller)
    if isinstance(said, Problem):
        raise Refusal(said)
    return said


def check_device(device: str) -> None:
    if len(device) > DEVICE_LENGTH_MAX:
        raise Refusal(INVALID_VALUE, f"deviceId: longer than {DEVICE_LENGTH_MAX} characters")


def answer(work: Work, challenge_id: str, code: str) -> Problem | None:
    """Try a code; says what is wrong with it, having counted the attempt in the same transaction.

    Counting and comparing cannot be parted: a hundred guesses at once are still a hundred."""
    try:
        found = work.hold(Challenge, challenge_id)
    except Refusal:
        return TOKEN_EXPIRED
    if found.user_id != work.user_id:
        return TOKEN_EXPIRED
    if problem := _try(work, found, code):
        return problem
    sessions.trust(work)
    return None


def new_code(work: Work) -> str:
    return work.policy.fixed_code or work.ids.code()


def _send(work: Work, number: str, channel: Channel, code: str) -> None:
    rates.take_text(work, work.user_id)
    text = f"{code} is your Billfold code. It is valid for five minutes."
    messages.send(work, work.user_id, number, channel, text, code=code, lasts=CODE_LIFE)


def _try(work: Work, sent: Challenge | Setup, code: str) -> Problem | None:
    """Compare a code with what was sent, held; each of them has three attempts, a user some more."""
    if sent.used or work.now >= sent.expires_time:
        return TOKEN_EXPIRED
    if sent.attempts >= ATTEMPTS_MAX:
        return TOO_MANY_TOKENS
    attempts.check(work, attempts.CODES, work.user_id)
    # People type the dash that some phones show in the middle.
    code = code.strip().replace("-", "").replace(" ", "")
    right = hmac.compare_digest(sent.code_mac, _mac(work, sent.id, code))
    if not right and isinstance(sent, Challenge):
        right = authenticators.takes(work, sent.user_id, code)
    work.change(sent, attempts=sent.attempts + 1, used=right)
    if not right:
        attempts.fail(work, attempts.CODES, work.user_id)
        return TOKEN_EXPIRED
    attempts.succeed(work, attempts.CODES, work.user_id)
    return None


def remember(work: Work, device: str, machine_name: str | None) -> str:
    """An id that makes a later session of this user on this device trusted, for 30 days."""
    token = work.ids.token()
    work.add(
        Remembered, id=work.ids.uuid(work.now), user_id=work.user_id, token=digest(token),
        device=device, machine_name=machine_name, expires_time=work.now + REMEMBERED,
    )  # fmt: skip
    return token


def forget(work: Work, user_id: str) -> None:
    """No device of the user is remembered any more; whoever calls knows that the user may say so."""
    for each in work.connection.where(Remembered, user_id=user_id):
        work.connection.delete(Remembered, each.id)


def recalls(work: Work, user_id: str, token: str | None, device: str | None) -> bool:
    """Whether this device of this user was remembered; anything else is simply not."""
    if not token or not device:
        return False
    found = work.connection.first(Remembered, user_id=user_id, token=digest(token))
    return found is not None and found.device == device and work.now < found.expires_time


def _mac(work: Work, challenge_id: str, code: str) -> bytes:
    return work.secrets.mac("mfa code", f"{challenge_id} {code}".encode())
