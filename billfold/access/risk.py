"""Risk: what must be known of an organization and its people before money is moved for them."""

import re

from billfold.access.mfa import PhoneType
from billfold.access.users import User
from billfold.kit.errors import MALFORMED, Refusal
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

# (`risk_verifications.yaml`) Nothing is asked of what stands before them.
TEN_DIGITS_LAST = re.compile(r"[0-9]{10}\Z")


@table("risk_phones")
class RiskPhone(Owned, frozen=True):
    """Where a user is asked; `id` is the user's. No phone of two-step sign-in. `number` is sealed, as
    it was given."""

    number: bytes
    last4: str
    type: PhoneType


def set_phone(work: Work, user_id: str, number: str, type: PhoneType) -> RiskPhone:
    """The phone of one of the organization's users, in the place of the one before.

    Raises 400 without a code for a number that does not end in ten digits, BDC_1205 (404) for an
    unknown user."""
    if not TEN_DIGITS_LAST.search(number):
        raise Refusal(MALFORMED, "phoneNumber: must end in ten digits")
    user = work.hold(User, user_id)  # Two first phones at once shall not both be new.
    sealed = {"number": work.secrets.seal(number, user.id), "last4": number[-4:], "type": type}
    if phone := phone_of(work, user.id):
        phone = work.hold(RiskPhone, phone.id)
        work.change(phone, **sealed)
        return phone
    return work.add(RiskPhone, id=user.id, **sealed)


def phone_of(work: Work, user_id: str) -> RiskPhone | None:
    found = work.rows(RiskPhone, id=user_id)
    return found[0] if found else None
