"""Passwords: which are good enough, and how one is forgotten, set anew and changed.

Rules are those of NIST SP 800-63B: long, not common, nothing about which characters. A new password
ends every session of the person and forgets every device, in all of their organizations.
"""

import asyncio
import re
from datetime import datetime, timedelta

import sqlalchemy as sa

from billfold.access import attempts, mfa, notices, sessions, users
from billfold.access.users import Login, User
from billfold.kit import rates
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    INVALID_VALUE,
    LINK_INVALID,
    NO_MESSENGER,
    Refusal,
)
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

LENGTH_MIN, LENGTH_MAX = 12, 256
# Tries that somebody needs who knows what people choose; zxcvbn calls less "somewhat guessable".
GUESSES_MIN = 10**8
# What must be left of it without the names of person, organization and product.
OWN_LENGTH_MIN = 6
OURS = ("billfold", "password")
LINK_LIFE = timedelta(hours=1)
MAILS_AN_HOUR = 5


@table("password_resets", sa.Index("ix_password_resets_login", "login_id", "id"))
class PasswordReset(Record, frozen=True):
    """A link on its way to whoever forgot a password. `id` is the digest of its token."""

    login_id: str
    expires_time: datetime


def check(password: str, *words: str) -> None:
    """Refuse what is too short, too long or easy to guess for one who knows these words about the
    person (BDC_1143). Takes some milliseconds."""
    if len(password) < LENGTH_MIN:
        raise Refusal(INVALID_VALUE, f"password: must have at least {LENGTH_MIN} characters")
    if len(password) > LENGTH_MAX:
        raise Refusal(INVALID_VALUE, f"password: must have at most {LENGTH_MAX} characters")
    from zxcvbn import zxcvbn

    about = {
        part for word in (*OURS, *words) for part in re.split(r"\W+", word.lower()) if len(part) > 2
    }
    rest = password.lower()
    for word in sorted(about, key=len, reverse=True):
        rest = rest.replace(word, "")
    known = len(re.sub(r"\W+", "", rest)) < OWN_LENGTH_MIN
    if known or zxcvbn(password, user_inputs=[*words, *about])["guesses"] < GUESSES_MIN:
        raise Refusal(INVALID_VALUE, "password: is too common or too easy to guess")


async def hashed(environment: Environment, password: str, *words: str) -> str:
    """A password that is good enough, as it is kept; both are reckoned beside the server's loop."""
    await asyncio.to_thread(check, password, *words)
    return await environment.passwords.hash(password)


def forget(work: Work, username: str) -> None:
    """Mail a link to whoever has forgotten a password; for a name that nobody has it does nothing, and
    looks the same. Whether there is such a user or not, it raises BDC_1144 when it was asked too often
    and BDC_1354 where no mail can be sent."""
    stored_clock(work)
    if not notices.reach(work):
        raise Refusal(NO_MESSENGER)  # Whoever it is.
    name = username.strip().lower()
    rates.take(work, "password mail", name, MAILS_AN_HOUR, rates.HOUR)
    login = users.login_of(work, name)
    user = login and _reachable(work, login)
    if not login or not user or login.password_hash is None:
        return
    for older in work.connection.where(PasswordReset, login_id=login.id):
        if work.now >= older.expires_time:
            work.connection.delete(PasswordReset, older.id)
    token = work.ids.token()
    work.insert(PasswordReset(digest(token), login.id, work.now + LINK_LIFE))
    notices.mail(
        work, user, "Set a new Billfold password",
        f"Somebody, probably you, has asked for a new password for {name}.\n\n"
        f"{notices.link(work, 'password/reset', token)}\n\n"
        "The link is good for one hour, once. If it was not you, nothing needs to be done.",
        lasts=LINK_LIFE, to=_address_of(login),
    )  # fmt: skip


def reset_of(work: Work, token: str) -> Login:
    """Whose password a link sets; raises a refusal (404) for one that is used, old or invented."""
    stored_clock(work)
    found = work.connection.first(PasswordReset, id=digest(token))
    login = found and work.connection.first(Login, id=found.login_id)
    if not found or not login or work.now >= found.expires_time:
        raise Refusal(LINK_INVALID)
    return login


async def reset(environment: Environment, token: str, password: str) -> None:
    login = await environment.read(lambda work: reset_of(work, token))
    hash = await hashed(environment, password, login.name)

    def put(work: Work) -> None:
        if work.hold_shared(PasswordReset, digest(token)) is None:
            raise Refusal(LINK_INVALID)
        set_password(work, reset_of(work, token).id, hash)  # Which ends the link.

    await environment.write(put)


async def change(environment: Environment, username: str, old: str, new: str) -> None:
    """Raises BDC_1101 for a wrong name or old password, and BDC_1110 after too many."""
    login = await prove(environment, username, old)
    hash = await hashed(environment, new, login.name)

    def put(work: Work) -> None:
        check_still(work, login)  # Of two changes at once the second is refused.
        set_password(work, login.id, hash)

    await environment.write(put)


async def prove(environment: Environment, username: str, password: str) -> Login:
    """The login of whoever knows its password; guesses count as those at a sign-in do (BDC_1101,
    BDC_1110)."""

    def look_up(work: Work) -> Login | None:
        stored_clock(work)
        attempts.check(work, attempts.LOGIN, username)
        return users.login_of(work, username)

    login = await environment.read(look_up)
    right = await environment.passwords.match(login.password_hash if login else None, password)
    if not right or login is None:
        await environment.write(lambda work: attempts.fail(work, attempts.LOGIN, username))
        raise Refusal(BAD_CREDENTIALS)

    def succeed(work: Work) -> None:
        # Looked at again: of many guesses at once only those before the fifth wrong one count.
        attempts.check(work, attempts.LOGIN, username)
        attempts.succeed(work, attempts.LOGIN, username)

    await environment.write(succeed)
    return login


def check_still(work: Work, login: Login) -> None:
    """Whether what was proved still is, now that it counts: raises BDC_1101 where the password was
    changed while it was compared."""
    held = work.hold_shared(Login, login.id)
    if held is None or held.password_hash != login.password_hash:
        raise Refusal(BAD_CREDENTIALS)


def set_password(work: Work, login_id: str, hash: str) -> None:
    """Put a new password in its place; whoever is signed in with the old one is signed out, links that
    were mailed before lead nowhere, and the person is told."""
    login = work.hold_shared(Login, login_id)
    assert login is not None, "a login is gone"
    work.change(login, password_hash=hash)
    for reset in work.connection.where(PasswordReset, login_id=login_id):
        work.connection.delete(PasswordReset, reset.id)
    sessions.end_all(work, login_id)  # Those of somebody who signs in as a partner.
    for user in users.users_of(work, login):
        sessions.end_all(work, user.id)
        mfa.forget(work, user.id)
    if told := _reachable(work, login):
        notices.tell(
            work, told, "Your Billfold password was changed",
            f"The password of {login.name} was changed. All sessions have ended, and no device is"
            " remembered any more.",
            to=_address_of(login),
        )  # fmt: skip


def _address_of(login: Login) -> str | None:
    """Where what opens a login is mailed: to the address that is its name. That of a user is for an
    organization, or its partner, to change, and the login may reach others' organizations."""
    return login.name if "@" in login.name else None


def _reachable(work: Work, login: Login) -> User | None:
    """The user of the login who gets its mail; from here on the unit is of that organization."""
    mine = users.users_of(work, login)
    found = next((user for user in mine if not user.archived and not user.invited), None)
    if found:
        work.for_organization(
            found.organization_id, found.id, because="a person's password is of no organization"
        )
    return found
