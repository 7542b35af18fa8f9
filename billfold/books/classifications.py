"""Classifications: the accounts, departments and the like under which amounts are booked.

Here they are what other areas refer to: an id of a kind and a name.
"""

from typing import Annotated

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


Reference = Annotated[str, msgspec.Meta(max_length=100)]


class LineClassifications(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, gc=False):
    """What a line is booked under: ids, kept with the line as they were sent."""

    chart_of_account_id: Reference | None = None
    accounting_class_id: Reference | None = None
    department_id: Reference | None = None
    employee_id: Reference | None = None
    job_id: Reference | None = None
    location_id: Reference | None = None
    item_id: Reference | None = None
    customer_id: Reference | None = None
