"""Authenticators: apps that reckon a code every half minute from a secret they share with us (TOTP).

For those who run this without an SMS gateway. Such an app knows no time but the real one, so codes
are the one thing here that goes by the machine's clock and not by the environment's.
"""

import hmac

from billfold.kit.clock import EPOCH, real
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

STEP_SECONDS = 30
# A telephone's clock may be off, and typing takes a while: one step before and one after.
WINDOW = (-1, 0, 1)
ISSUER = "Billfold"


@table("authenticators", by=["user_id"])
class Authenticator(Owned, frozen=True):
    """`secret` is sealed. A code is good once: none of `last_step` or before is taken again."""

    user_id: str
    secret: bytes
    confirmed: bool
    last_step: int = 0


def new_secret() -> str:
    """160 bits in base32, as apps want it."""
    import pyotp

    return pyotp.random_base32()


def uri(secret: str, username: str) -> str:
    """What an app reads, from a picture or a link; whoever has it has the factor."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def enrol(work: Work, user_id: str, secret: str, confirmed: bool = True) -> Authenticator:
    """The user's authenticator, in the place of the one before. `confirmed` says that a code of it was
    seen, or that whoever runs this server vouches for it; before that it opens nothing."""
    for older in work.rows(Authenticator, user_id=user_id):
        work.remove(work.hold(Authenticator, older.id))
    id = work.ids.uuid(work.now)
    sealed = work.secrets.seal(secret, id)
    return work.add(Authenticator, id=id, user_id=user_id, secret=sealed, confirmed=confirmed)


def of(work: Work, user_id: str) -> Authenticator | None:
    """The user's confirmed authenticator."""
    found = work.rows(Authenticator, user_id=user_id)
    return next((each for each in found if each.confirmed), None)


def takes(work: Work, user_id: str, code: str) -> bool:
    """Whether this is a code of the user's authenticator that nobody has shown yet; it is used up."""
    found = of(work, user_id)
    if found is None:
        return False
    held = work.hold(Authenticator, found.id)
    step = step_of(work.secrets.open(held.secret, held.id), code, after=held.last_step)
    if step is None:
        return False
    work.change(held, last_step=step)
    return True


def step_of(secret: str, code: str, after: int = 0) -> int | None:
    """The step of time whose code this is; None for a wrong one, and for one of `after` or before."""
    import pyotp

    totp, now = pyotp.TOTP(secret), int((real() - EPOCH).total_seconds()) // STEP_SECONDS
    # All are compared, and in constant time: how long it takes says nothing.
    right = [
        now + each for each in WINDOW
        if hmac.compare_digest(totp.generate_otp(now + each).encode(), code.encode())
    ]  # fmt: skip
    return next((step for step in right if step > after), None)
