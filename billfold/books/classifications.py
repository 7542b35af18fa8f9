"""Classifications: the accounts, departments and the like under which amounts are booked.

Here they are what other areas refer to: an id of a kind and a name.
"""

import msgspec

from billfold.kit.tables import Owned, table

KINDS = (
    "chart_of_account", "accounting_class", "department", "employee", "job", "location", "item",
)  # fmt: skip


@table("classifications", ids=KINDS, lasting=True)
class Classification(Owned, frozen=True):
    kind: str
    name: str
    archived: bool = False


@table("payment_terms", ids="payment_term", lasting=True)
class PaymentTerm(Owned, frozen=True):
    name: str
    days_due: int


class LineClassifications(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What a line is booked under: ids, kept with the line as they were sent."""

    chart_of_account_id: str | None = None
    accounting_class_id: str | None = None
    department_id: str | None = None
    employee_id: str | None = None
    job_id: str | None = None
    location_id: str | None = None
    item_id: str | None = None
    customer_id: str | None = None

    def ids(self) -> list[str]:
        return [id for id in msgspec.structs.astuple(self) if id]
