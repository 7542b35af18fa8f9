"""What is asked of a long list: each filter and each sort of common.yaml, one at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench import rows
from billfold.kit.ids import PREFIXES
from billfold.kit.listing import Asked, Field
from billfold.kit.tables import Owned
from billfold.payables import bills_v3, vendors_v3
from billfold.payables.bills import Bill
from billfold.payables.vendors import Vendor

PAGE = 100
# Of the year over which rows are spread, the first third ends here.
A_TIME = "2026-03-01"


@dataclass(frozen=True)
class List:
    """`values` of each filter: the first for an operator that takes one, all for one that takes
    several. Each finds a full page at least, also among 10,000 rows; but an id finds one row."""

    name: str
    record: type[Owned]
    fields: Mapping[str, Field]
    values: dict[str, list[str]]

    @property
    def path(self) -> str:
        return f"/connect/v3/{self.name}"

    @property
    def begin(self) -> bytes:
        """What stands once in an answer for each of its rows."""
        assert self.record.ids
        return b'"id":"' + PREFIXES[self.record.ids].encode()

    def asked(self) -> Iterator[Asked]:
        """Without any, by each sort in both directions, and by each filter with each operator."""
        yield Asked(max=PAGE)
        for name, field in self.fields.items():
            for way in ("asc", "desc") if field.sorts else ():
                yield Asked(sort=f"{name}:{way}", max=PAGE)
            for op in field.ops:
                values = self.values[f"{name}:{op}" if op == "sw" else name]
                value = f'"{",".join(values)}"' if op in ("in", "nin") else values[0]
                yield Asked(filters=f"{name}:{op}:{value}", max=PAGE)


def _classes(column: str) -> list[str]:
    return [rows.class_id(rows.CLASSES[column], number) for number in (1, 2)]


TIMES = {"createdTime": [A_TIME], "updatedTime": [A_TIME], "archived": ["true"]}
PAID = {"paymentStatus": ["SCHEDULED", "PARTIALLY_PAID"]}
LISTS = [
    List("vendors", Vendor, vendors_v3.FIELDS, TIMES | PAID | {
        "id": [rows.VENDOR_ID % (7 * number) for number in range(PAGE)],
        "name": [rows.ALIKE],
        "name:sw": [rows.NAMES[3]],
        "accountType": ["PERSON", "NONE"],
        "address.country": ["CA"],
        "billCurrency": ["CAD", "EUR"],
    }),
    List("bills", Bill, bills_v3.FIELDS, TIMES | PAID | {
        "id": [rows.BILL_ID % (7 * number) for number in range(PAGE)],
        "vendorId": [rows.VENDOR_ID % rows.BIG_VENDOR, rows.VENDOR_ID % 8],
        "dueDate": [A_TIME],
        "payFromChartOfAccountId": _classes("pay_from_chart_of_account_id"),
        "classifications.chartOfAccountId": _classes("chart_of_account_id"),
        "classifications.accountingClassId": _classes("accounting_class_id"),
        "classifications.departmentId": _classes("department_id"),
        "classifications.locationId": _classes("location_id"),
        "classifications.itemId": _classes("item_id"),
    }),
]  # fmt: skip
