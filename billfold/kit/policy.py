"""What an environment allows: one object, chosen once; no rule asks which policy it is."""

import re
from dataclasses import dataclass, field

# An environment's name stands in paths and, after the first one's, in names of databases.
NAME_RULE = "must be a small letter, then up to 29 small letters, digits or hyphens"
_NAME = re.compile("[a-z][a-z0-9-]{0,29}")


def is_name(text: str) -> bool:
    """Whether an environment may be called so (NAME_RULE)."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    # A sandbox lets its user move time, read messages and reset; nobody else may.
    controlled: bool
    # Passwords of a demo world are published, so hashing them dearly protects nobody.
    cheap_passwords: bool
    makes_key: bool
    # Codes and letters stay here, to be read by the sandbox's user, instead of being sent.
    keeps_messages: bool
    # Receivers on a developer's machine have no certificate and a loopback address.
    webhooks_to_http: bool
    webhooks_to_private_addresses: bool
    # BILL's documented rates: logins an hour, texts a minute.
    limits_rates: bool
    # Verifications of organizations are decided by themselves, on the clock; elsewhere by a person.
    decides_risk: bool
    # Wrong passwords in a row that lock a login, and for how long; 0: nobody is locked out.
    sign_in_failures_max: int = 5
    sign_in_pause_minutes: int = 15
    # The code of every MFA message, for scripts that cannot read the inbox; None: by chance.
    fixed_code: str | None = None
    # How people are reached: by a text or a call, by mail. What is kept in an inbox always arrives.
    texts: bool = False
    mails: bool = False
    # Seconds that a delivery waits after each failure; after the last the subscription is disabled
    # (`webhooks.yaml`, retry_schedule).
    webhook_waits: tuple[int, ...] = (2, 4, 8, 16)
    # Notifications have the headers of Standard Webhooks as well.
    standard_webhooks: bool = False
    # People may prove who they are by an app that reckons codes (TOTP).
    authenticators: bool = False
    # A page on which strangers found organizations.
    sign_up: bool = False
    # Where this server is for the world: links in messages begin with it. https://host, no slash.
    base_url: str | None = None
    # The same where it was said, and None where clients are sent to what they have addressed.
    public_url: str | None = None
    # Names beside these that it goes by.
    hosts: frozenset[str] = frozenset()
    # With it the control API is open to other machines as well.
    control_token: str = field(default="", repr=False)


SANDBOX = Policy(
    "sandbox", True, True, True, True, True, True, limits_rates=False, decides_risk=True, texts=True,
    mails=True, sign_up=True,
)  # fmt: skip
PRODUCTION = Policy(
    "production", False, False, False, False, False, False, limits_rates=True, decides_risk=False
)
POLICIES = {policy.name: policy for policy in (SANDBOX, PRODUCTION)}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a process may ask of PostgreSQL at once, how long it waits for an answer, and what a
    commit is to stand."""

    # Units of work at once, a thread and a connection each. More than a few only wait for one another,
    # and hold up the worker's; those of all processes must stay below the server's max_connections.
    connections: int = 6
    connect_seconds: int = 5
    # A statement that takes longer is a mistake of ours.
    statement_seconds: int = 10
    # A lock that is held longer is somebody's crash.
    lock_seconds: int = 5
    # Of any database: what is committed outlives the machine; otherwise the process, and no more.
    durable: bool = True


LIMITS = Limits()
