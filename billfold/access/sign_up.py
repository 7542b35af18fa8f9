"""Signing up: an organization, its administrator, a developer key and a second factor, made together.

Whoever runs this server does it by one command, and vouches for address and telephone. On a page it
takes two steps: nothing is made before codes have shown that both, or the app, are the applicant's own.
An address that nobody has proved would be a trap: its owner may be invited by others later.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from billfold.access import (
    authenticators,
    keys,
    messages,
    mfa,
    organizations,
    passwords,
    roles,
    users,
    verifications,
)
from billfold.access.messages import Channel
from billfold.access.roles import RoleType
from billfold.access.users import Login
from billfold.kit import rates
from billfold.kit.callers import SYSTEM_USER
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import (
    INVALID_VALUE,
    LINK_INVALID,
    NOT_POSSIBLE,
    TOKEN_EXPIRED,
    TOO_MANY_TOKENS,
    Problem,
    Refusal,
)
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

LIFE = timedelta(minutes=15)
CODES_AN_HOUR, SIGN_UPS_AN_HOUR = 5, 100
NAME_LENGTH_MAX, EMAIL_LENGTH_MAX = 100, 254


class Applicant(msgspec.Struct, frozen=True):
    """Who signs up. `phone` is in E.164; without one an authenticator is enrolled."""

    organization: str
    first_name: str
    last_name: str
    email: str
    phone: str | None = None


class Vetted(msgspec.Struct, frozen=True):
    """An applicant whose password is good: a new one as it is kept, or that of a login there is."""

    applicant: Applicant
    password_hash: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class Made:
    """What is shown once: the key and the authenticator's secret are kept nowhere in the clear."""

    organization_id: str
    user_id: str
    username: str
    developer_key: str
    authenticator_secret: str | None = None

    @property
    def authenticator_uri(self) -> str | None:
        secret = self.authenticator_secret
        return authenticators.uri(secret, self.username) if secret else None


@table("sign_ups", sa.Index("ix_sign_ups_expires", "expires_time", "id"))
class SignUp(Record, frozen=True):
    """One that waits for its code; `id` is the digest of its token. `vetted` and `secret` are sealed.

    The organization has its id already, because the message is sent on its behalf."""

    organization_id: str
    vetted: bytes
    secret: bytes | None
    # Of the code that went by mail, and of the one that went to the telephone.
    mail_mac: bytes
    code_mac: bytes
    expires_time: datetime
    attempts: int = 0


async def sign_up(
    environment: Environment, applicant: Applicant, password: str,
    then: Callable[[Work, Made], object] | None = None,
) -> Made:  # fmt: skip
    """All at once, for whoever runs this server and knows whose money it is: it may be moved. `then`
    adds to it in the same unit.

    Raises BDC_1143 for a password that is too easy, BDC_1101 where the e-mail address is a login's
    whose password is another."""
    vetted = await vet(environment, applicant, password)
    secret = None if applicant.phone else authenticators.new_secret()

    def make_known(work: Work) -> Made:
        made = make(work, vetted, secret)
        verifications.vouch(work)
        if then:
            then(work, made)
        return made

    return await environment.write(make_known)


async def vet(environment: Environment, applicant: Applicant, password: str) -> Vetted:
    """A login with the same e-mail address must prove its password; a new one must be hard to guess."""
    _check(applicant)
    login = await environment.read(lambda work: users.login_of(work, applicant.email))
    if login is not None:
        proved = await passwords.prove(environment, applicant.email, password)
        return Vetted(applicant, proved.password_hash or "", True)
    hash = await passwords.hashed(
        environment, password, applicant.email, applicant.organization, applicant.first_name,
        applicant.last_name,
    )  # fmt: skip
    return Vetted(applicant, hash, False)


def _check(applicant: Applicant) -> None:
    """As far as the form of what was typed goes (BDC_1143)."""
    names = ("organization", "first_name", "last_name")
    texts = [(name, getattr(applicant, name), NAME_LENGTH_MAX) for name in names]
    for name, text, most in (*texts, ("email", applicant.email, EMAIL_LENGTH_MAX)):
        if not text.strip() or len(text) > most or not text.isprintable():
            said = name.replace("_", " ")
            raise Refusal(INVALID_VALUE, f"{said}: must be given, in at most {most} characters")
    before, _, domain = applicant.email.rpartition("@")
    if not before or not domain.strip(".") or " " in applicant.email or "@" in before:
        raise Refusal(INVALID_VALUE, "email: must be an e-mail address")


def make(work: Work, vetted: Vetted, secret: str | None, id: str | None = None) -> Made:
    """The organization with everything in it; with an authenticator of this secret, or a telephone."""
    applicant = vetted.applicant
    stored_clock(work)
    organization = organizations.found(
        work, applicant.organization, id=id, because="whoever signs up founds an organization"
    )
    user = users.add_user(
        work, first_name=applicant.first_name, last_name=applicant.last_name, email=applicant.email,
        role_id=roles.role_id(organization.id, RoleType.ADMINISTRATOR),
    )  # fmt: skip
    login = work.hold_shared(Login, user.login_id)
    assert login is not None
    if vetted.is_known != (login.password_hash is not None) or (
        vetted.is_known and login.password_hash != vetted.password_hash
    ):
        raise Refusal(NOT_POSSIBLE, "the login was changed meanwhile: begin again")
    if not vetted.is_known:
        work.change(login, password_hash=vetted.password_hash)
    key = work.ids.token()
    keys.add_developer_key(work, key, organization_id=organization.id)
    if secret:
        authenticators.enrol(work, user.id, secret)
    else:
        assert applicant.phone is not None
        mfa.add_phone(work, user.id, applicant.phone, Channel.TEXT)
    return Made(organization.id, user.id, login.name, key, secret)


async def begin(environment: Environment, applicant: Applicant, password: str) -> str:
    """The first step on the page: sends a code to the telephone, or makes a secret for the app; gives
    the token with which it goes on."""
    vetted = await vet(environment, applicant, password)

    def wait(work: Work) -> str:
        stored_clock(work)
        work.sweep(SignUp, "expires_time")  # Those that were never finished.
        rates.take(work, "sign-up", "everybody", SIGN_UPS_AN_HOUR, rates.HOUR)
        for whom in filter(None, (applicant.email.strip().lower(), applicant.phone)):
            rates.take(work, "sign-up", whom, CODES_AN_HOUR, rates.HOUR)
        token, organization_id = work.ids.token(), work.ids.new("organization", work.now)
        id = digest(token)
        work.for_organization(
            organization_id, SYSTEM_USER, because="whoever signs up founds an organization"
        )
        mail_mac = _send_code(work, id, applicant.email, Channel.EMAIL)
        secret, code_mac = None, b""
        if applicant.phone is None:
            secret = work.secrets.seal(authenticators.new_secret(), id)
        else:
            code_mac = _send_code(work, id, applicant.phone, Channel.TEXT)
        sealed = work.secrets.seal(msgspec.json.encode(vetted).decode(), id)
        work.insert(SignUp(id, organization_id, sealed, secret, mail_mac, code_mac, work.now + LIFE))
        return token

    return await environment.write(wait)


def _send_code(work: Work, id: str, to: str, channel: Channel) -> bytes:
    code = mfa.new_code(work)
    text = f"{code} is your Billfold code. It is valid for fifteen minutes."
    messages.send(
        work, SYSTEM_USER, to, channel, text, subject="Your Billfold code", code=code, lasts=LIFE
    )
    return _mac(work, id, channel, code)


def secret_of(work: Work, token: str) -> tuple[str, str] | None:
    """The secret that the app shall learn, and for which user name; None where a code was sent."""
    found = _waiting(work, token)
    if found.secret is None:
        return None
    vetted = msgspec.json.decode(work.secrets.open(found.vetted, found.id), type=Vetted)
    return work.secrets.open(found.secret, found.id), vetted.applicant.email


async def finish(environment: Environment, token: str, mailed: str, code: str) -> Made:
    """The second step: with both codes everything is made, that of the mail and that of the telephone
    or app. Raises BDC_1356 and BDC_1358; wrong ones are counted."""
    said = await environment.write(lambda work: _finish(work, token, mailed.strip(), code.strip()))
    if isinstance(said, Problem):
        raise Refusal(said)
    return said


def _finish(work: Work, token: str, mailed: str, code: str) -> Made | Problem:
    _waiting(work, token)
    held = work.hold_shared(SignUp, digest(token))
    if held is None:
        return LINK_INVALID
    if held.attempts >= mfa.ATTEMPTS_MAX:
        return TOO_MANY_TOKENS
    secret = work.secrets.open(held.secret, held.id) if held.secret else None
    if secret:
        right = authenticators.step_of(secret, code) is not None
    else:
        right = hmac.compare_digest(held.code_mac, _mac(work, held.id, Channel.TEXT, code))
    if not (hmac.compare_digest(held.mail_mac, _mac(work, held.id, Channel.EMAIL, mailed)) and right):
        work.change(held, attempts=held.attempts + 1)
        return TOKEN_EXPIRED
    vetted = msgspec.json.decode(work.secrets.open(held.vetted, held.id), type=Vetted)
    work.remove(held)
    return make(work, vetted, secret, id=held.organization_id)


def _waiting(work: Work, token: str) -> SignUp:
    stored_clock(work)
    found = work.connection.first(SignUp, id=digest(token))
    if found is None or work.now >= found.expires_time:
        raise Refusal(LINK_INVALID)
    return found


def _mac(work: Work, id: str, channel: Channel, code: str) -> bytes:
    return work.secrets.mac("sign-up code", f"{id} {channel} {code}".encode())
