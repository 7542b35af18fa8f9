"""The two operations of the floor."""

import time
from datetime import UTC, datetime
from secrets import randbelow, randbits

from bench.floor.tables import (
    ADD_BILL,
    ADD_EVENT,
    ADD_LINE,
    FIND_SESSION,
    FIND_VENDOR,
    FIND_VENDOR_NAME,
)
from bench.floor.wire import (
    BillRequest,
    ClassificationsRequest,
    bill_view,
    decode_bill,
    encode,
    vendor_view,
)


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.said = [{"code": code, "severity": "ERROR", "category": "REQUEST", "message": message}]


def signed_in(tx, session_id: str | None, key: str | None) -> tuple:
    session = tx.one(FIND_SESSION, (session_id,)) if session_id else None
    if session is None or session[2] != key or session[3] < time.time():
        raise Refused(401, "BDC_1109", "Session is invalid. Please log in.")
    return session


def get_vendor(tx, session_id, key, path, _) -> bytes:
    session = signed_in(tx, session_id, key)
    row = tx.one(FIND_VENDOR, (path["vendor_id"], session[0]))
    if row is None:
        raise Refused(404, "BDC_1102", "Object not found")
    return encode(vendor_view(row))


def create_bill(tx, session_id, key, _, body: bytes) -> bytes:
    session = signed_in(tx, session_id, key)
    request = decode_bill(body)
    vendor = tx.one(FIND_VENDOR_NAME, (request.vendorId, session[0]))
    if vendor is None:
        raise Refused(404, "BDC_1102", "Object not found")
    bill, lines = bill_rows(request, session[0], session[1], vendor[0])
    with tx.together():
        tx.run(ADD_BILL, bill)
        tx.many(ADD_LINE, lines)
        tx.run(ADD_EVENT, event_row(session[0], bill, lines))
    return encode(bill_view(bill, lines))


def bill_rows(request: BillRequest, org: str, user: str, vendor_name: str) -> tuple[tuple, list[tuple]]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    id, total, lines = new_id("00n"), 0, []
    for position, line in enumerate(request.billLineItems):
        cents = round(line.amount * 100)
        total += cents
        booked = line.classifications or ClassificationsRequest()
        lines.append((
            new_id("bli"), id, position, cents, None if line.quantity is None else str(line.quantity),
            None if line.price is None else round(line.price * 100), line.description,
            booked.chartOfAccountId, booked.departmentId, booked.locationId, booked.itemId,
        ))  # fmt: skip
    invoice = request.invoice
    bill = (
        id, org, request.vendorId, vendor_name, total, "USD", "UNASSIGNED", "UNPAID", 0, total, 0,
        total, "1", request.description, request.dueDate, invoice.invoiceNumber, invoice.invoiceDate,
        request.purchaseOrderNumber, request.payFromChartOfAccountId, None, request.paymentTermId, user,
        now, now, 0,
    )  # fmt: skip
    return bill, lines


def event_row(org: str, bill: tuple, lines: list[tuple]) -> tuple:
    now = bill[22]
    metadata = {"eventType": "bill.created", "version": "1", "organizationId": org, "eventTime": now}
    payload = encode({"metadata": metadata, "bill": bill_view(bill, lines)})
    return new_id("evt"), org, "bill.created", "sub01", payload, now, "due"


_sequence = randbits(40)


def new_id(prefix: str) -> str:
    """20 characters, rising within one process."""
    global _sequence
    _sequence += 1
    return f"{prefix}{_sequence:013X}{randbelow(65536):04x}"
