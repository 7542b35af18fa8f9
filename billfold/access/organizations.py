"""Organizations: whose books these are. Everything a user sees belongs to one."""

from datetime import datetime

from billfold.kit.database import select_to_change
from billfold.kit.tables import Record, table
from billfold.kit.work import Work


@table("organizations", ids="organization")
class Organization(Record, frozen=True):
    name: str
    created_time: datetime
    updated_time: datetime
    # Off only by its administrator's choice: then every session of it is trusted.
    mfa_enabled: bool = True


def hold_own(work: Work) -> None:
    """Until this unit ends nobody else may change what is counted by organization."""
    statement = select_to_change(Organization, "id")
    work.connection.rows(Organization, statement, {"id": work.organization_id})


def own(work: Work) -> Organization:
    """The caller's organization."""
    found = work.connection.first(Organization, id=work.organization_id)
    assert found is not None, "a session's organization is gone"
    return found
