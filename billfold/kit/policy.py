"""What an environment allows: one object, chosen once; no rule asks which policy it is."""

from dataclasses import dataclass


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
    # The code of every MFA message, for scripts that cannot read the inbox; None: by chance.
    fixed_code: str | None = None


SANDBOX = Policy("sandbox", True, True, True, True, True, True)
PRODUCTION = Policy("production", False, False, False, False, False, False)
POLICIES = {policy.name: policy for policy in (SANDBOX, PRODUCTION)}
