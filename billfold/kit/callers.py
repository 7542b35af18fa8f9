"""Who asks: the user and the organization that a unit of work acts for."""

import msgspec

SYSTEM_USER = "syu01SYSTEMUSER00000"


class Caller(msgspec.Struct, frozen=True, gc=False):
    organization_id: str
    user_id: str
    trusted: bool
    session_id: str = ""
