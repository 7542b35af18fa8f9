"""The floor: the least program that answers R and W, with nothing a product needs besides.

R = GET a vendor in a session; W = POST a bill of 3 lines and its event, durable.

    python -m bench.floor sqlite:FILE PORT        python -m bench.floor postgresql://… PORT

An operation is a synchronous function of a small transaction. On SQLite reads run on the loop and
writes share a commit, on PostgreSQL each runs in a thread. There are no rules, limits, logs, audit
or lists here, and no rollback when a COMMIT fails. A slower floor would flatter Billfold: what is
added here must be measured against what was here before.
"""

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from secrets import randbelow, randbits
from typing import Annotated

import apsw
import msgspec
import uvicorn
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

THREADS = 8  # As many as Billfold has for PostgreSQL.

# Tables, and the columns of each in the order of its rows.

_names = str.split
SESSION = _names("id dev_key org_id user_id expires_at trusted")
VENDOR = _names(
    "id org_id archived name short_name account_number account_type email phone addr_line1 addr_line2"
    " addr_city addr_state addr_zip addr_country addr_country_name payee_name pay_by_type"
    " pay_by_sub_type bank_name bank_last4 tax_id_type tax_id track1099 company_name network_status"
    " rpps_id bill_currency auto_pay_enabled balance_cents created_time updated_time"
)
BILL = _names(
    "id org_id vendor_id vendor_name amount_cents currency approval_status payment_status paid_cents"
    " due_cents credit_cents funding_cents exchange_rate description due_date invoice_number"
    " invoice_date purchase_order_number pay_from_coa_id pay_from_bank_id payment_term_id created_by"
    " created_time updated_time archived"
)
LINE = _names(
    "id bill_id position amount_cents quantity price_cents description coa_id department_id"
    " location_id item_id"
)
EVENT = _names("id org_id event_type subscription_id payload created_at status")
TABLES = {"sessions": SESSION, "vendors": VENDOR, "bills": BILL, "bill_lines": LINE, "events": EVENT}

DDL = """
CREATE TABLE sessions(id TEXT PRIMARY KEY, dev_key TEXT NOT NULL, org_id TEXT NOT NULL,
  user_id TEXT NOT NULL, expires_at INTEGER NOT NULL, trusted INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE vendors(id TEXT PRIMARY KEY, org_id TEXT NOT NULL, archived INTEGER NOT NULL,
  name TEXT NOT NULL, short_name TEXT, account_number TEXT, account_type TEXT, email TEXT, phone TEXT,
  addr_line1 TEXT, addr_line2 TEXT, addr_city TEXT, addr_state TEXT, addr_zip TEXT, addr_country TEXT,
  addr_country_name TEXT, payee_name TEXT, pay_by_type TEXT, pay_by_sub_type TEXT, bank_name TEXT,
  bank_last4 TEXT, tax_id_type TEXT, tax_id TEXT, track1099 INTEGER, company_name TEXT,
  network_status TEXT, rpps_id TEXT, bill_currency TEXT, auto_pay_enabled INTEGER,
  balance_cents INTEGER, created_time TEXT NOT NULL, updated_time TEXT NOT NULL);
CREATE INDEX vendors_org ON vendors(org_id, id);
CREATE TABLE bills(id TEXT PRIMARY KEY, org_id TEXT NOT NULL,
  vendor_id TEXT NOT NULL REFERENCES vendors(id), vendor_name TEXT NOT NULL,
  amount_cents INTEGER NOT NULL, currency TEXT, approval_status TEXT, payment_status TEXT,
  paid_cents INTEGER, due_cents INTEGER, credit_cents INTEGER, funding_cents INTEGER,
  exchange_rate TEXT, description TEXT, due_date TEXT, invoice_number TEXT, invoice_date TEXT,
  purchase_order_number TEXT, pay_from_coa_id TEXT, pay_from_bank_id TEXT, payment_term_id TEXT,
  created_by TEXT, created_time TEXT, updated_time TEXT, archived INTEGER NOT NULL);
CREATE INDEX bills_org ON bills(org_id, id);
CREATE INDEX bills_vendor ON bills(vendor_id, invoice_number);
CREATE TABLE bill_lines(id TEXT PRIMARY KEY, bill_id TEXT NOT NULL REFERENCES bills(id),
  position INTEGER NOT NULL, amount_cents INTEGER NOT NULL, quantity TEXT, price_cents INTEGER,
  description TEXT, coa_id TEXT, department_id TEXT, location_id TEXT, item_id TEXT);
CREATE INDEX bill_lines_bill ON bill_lines(bill_id, position);
CREATE TABLE events(id TEXT PRIMARY KEY, org_id TEXT NOT NULL, event_type TEXT NOT NULL,
  subscription_id TEXT, payload BLOB NOT NULL, created_at TEXT NOT NULL, status TEXT NOT NULL);
CREATE INDEX events_due ON events(status, created_at);
"""
POSTGRES = {
    " WITHOUT ROWID": "",
    "at INTEGER": "at BIGINT",
    "cents INTEGER": "cents BIGINT",
    "BLOB": "BYTEA",
}
# As billfold/kit/sqlite.py has them.
PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-8192",
    "wal_autocheckpoint=4000",
    "temp_store=MEMORY",
)  # fmt: skip


def insert(table: str) -> str:
    columns = TABLES[table]
    return f"INSERT INTO {table}({','.join(columns)}) VALUES({','.join('?' * len(columns))})"


FIND_SESSION = "SELECT org_id, user_id, dev_key, expires_at, trusted FROM sessions WHERE id=?"
FIND_VENDOR = f"SELECT {','.join(VENDOR)} FROM vendors WHERE id=? AND org_id=?"
FIND_VENDOR_NAME = "SELECT name FROM vendors WHERE id=? AND org_id=?"
ADD_BILL, ADD_LINE, ADD_EVENT = insert("bills"), insert("bill_lines"), insert("events")


# Bodies.

Id = Annotated[str, Meta(min_length=20, max_length=20)]
Date = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Text = Annotated[str, Meta(max_length=4000)]


class ClassificationsRequest(Struct):
    chartOfAccountId: str | None = None
    departmentId: str | None = None
    locationId: str | None = None
    itemId: str | None = None


class LineRequest(Struct):
    amount: Annotated[float, Meta(ge=0)]
    description: Text | None = None
    quantity: float | None = None
    price: float | None = None
    classifications: ClassificationsRequest | None = None


class InvoiceRequest(Struct):
    invoiceNumber: Annotated[str, Meta(min_length=1, max_length=21)]
    invoiceDate: Date


class BillRequest(Struct):
    vendorId: Id
    dueDate: Date
    billLineItems: Annotated[list[LineRequest], Meta(min_length=1, max_length=1000)]
    invoice: InvoiceRequest
    description: str | None = None
    purchaseOrderNumber: str | None = None
    paymentTermId: Id | None = None
    payFromChartOfAccountId: Id | None = None


# Answers.


class Address(Struct):
    line1: str | None
    line2: str | None
    city: str | None
    stateOrProvince: str | None
    zipOrPostalCode: str | None
    country: str | None
    countryName: str | None


class BankAccount(Struct):
    bankName: str | None
    lastFour: str | None


class PaymentInformation(Struct):
    payeeName: str | None
    payByType: str | None
    payBySubType: str | None
    bankAccount: BankAccount


class AdditionalInfo(Struct):
    taxIdType: str | None
    taxId: str | None
    track1099: bool
    companyName: str | None


class AutoPay(Struct):
    enabled: bool


class Balance(Struct):
    amount: float
    lastUpdatedDate: str


class Vendor(Struct):
    id: str
    archived: bool
    name: str
    shortName: str | None
    accountNumber: str | None
    accountType: str | None
    email: str | None
    phone: str | None
    address: Address
    paymentInformation: PaymentInformation
    additionalInfo: AdditionalInfo
    networkStatus: str | None
    rppsId: str | None
    billCurrency: str | None
    autoPay: AutoPay
    balance: Balance
    createdTime: str
    updatedTime: str


class Classifications(Struct):
    chartOfAccountId: str | None
    departmentId: str | None
    locationId: str | None
    itemId: str | None


class Line(Struct):
    id: str
    amount: float
    quantity: float | None
    price: float | None
    description: str | None
    classifications: Classifications


class Invoice(Struct):
    invoiceNumber: str
    invoiceDate: str


class Bill(Struct):
    id: str
    archived: bool
    vendorId: str
    vendorName: str
    amount: float
    billCurrency: str
    approvalStatus: str
    paymentStatus: str
    paidAmount: float
    dueAmount: float
    creditAmount: float
    fundingAmount: float
    exchangeRate: float
    description: str | None
    dueDate: str
    invoice: Invoice
    purchaseOrderNumber: str | None
    payFromChartOfAccountId: str | None
    payFromBankAccountId: str | None
    paymentTermId: str | None
    createdBy: str
    createdTime: str
    updatedTime: str
    billLineItems: list[Line]
    approvers: list[str]
    creditApplications: list[str]


encode = msgspec.json.Encoder().encode
decode_bill = msgspec.json.Decoder(BillRequest).decode


def vendor_view(row: tuple) -> Vendor:
    return Vendor(
        row[0], bool(row[2]), row[3], row[4], row[5], row[6], row[7], row[8],
        Address(row[9], row[10], row[11], row[12], row[13], row[14], row[15]),
        PaymentInformation(row[16], row[17], row[18], BankAccount(row[19], row[20])),
        AdditionalInfo(row[21], row[22], bool(row[23]), row[24]), row[25], row[26], row[27],
        AutoPay(bool(row[28])), Balance(row[29] / 100, row[31]), row[30], row[31],
    )  # fmt: skip


def line_view(row: tuple) -> Line:
    return Line(
        row[0], row[3] / 100, None if row[4] is None else float(row[4]),
        None if row[5] is None else row[5] / 100, row[6],
        Classifications(row[7], row[8], row[9], row[10]),
    )  # fmt: skip


def bill_view(row: tuple, lines: list[tuple]) -> Bill:
    return Bill(
        row[0], False, row[2], row[3], row[4] / 100, row[5], row[6], row[7], row[8] / 100,
        row[9] / 100, row[10] / 100, row[11] / 100, 1, row[13], row[14], Invoice(row[15], row[16]),
        row[17], row[18], row[19], row[20], row[21], row[22], row[23],
        [line_view(line) for line in lines], [], [],
    )  # fmt: skip


# Operations.


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


# Databases: a transaction is `one`, `run`, `many` and `together`.


class SqliteTx:
    def __init__(self, path: str) -> None:
        driver = apsw.Connection(path, statementcachesize=128)
        driver.set_busy_timeout(5000)
        for pragma in PRAGMAS:
            driver.execute(f"PRAGMA {pragma}")
        self.run, self.many = driver.execute, driver.executemany
        self.together = nullcontext
        self.close = driver.close

    def one(self, text: str, values: tuple) -> tuple | None:
        return self.run(text, values).fetchone()


class Sqlite:
    """Reads on the loop. Writes that are ready together have a savepoint each and one COMMIT, which
    runs in a thread; they are answered after it."""

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("sqlite:")

    async def start(self) -> None:
        self.reader, self.writer = SqliteTx(self.path), SqliteTx(self.path)
        self.loop, self.committer = asyncio.get_running_loop(), ThreadPoolExecutor(1)
        self.group: list[tuple] = []
        self.running = False

    async def read(self, do, *more):
        return do(self.reader, *more)

    async def write(self, do, *more):
        answer = self.loop.create_future()
        self.group.append((answer, do, more))
        if not self.running:
            self.running = True
            self.loop.call_soon(self._run_group)
        return await answer

    def _run_group(self) -> None:
        group, self.group = self.group, []
        run, done = self.writer.run, []
        run("BEGIN IMMEDIATE")
        for answer, do, more in group:
            run("SAVEPOINT request")
            try:
                done.append((answer, answer.set_result, do(self.writer, *more)))
            except Exception as error:
                run("ROLLBACK TO request")
                done.append((answer, answer.set_exception, error))
            run("RELEASE request")
        commit = self.loop.run_in_executor(self.committer, run, "COMMIT")
        commit.add_done_callback(lambda commit: self._answer(done, commit.exception()))

    def _answer(self, done: list, failure: BaseException | None) -> None:
        for answer, give, outcome in done:
            if answer.done():
                continue
            if failure:
                answer.set_exception(failure)
            else:
                give(outcome)
        if self.group:
            self.loop.call_soon(self._run_group)
        else:
            self.running = False


@lru_cache(512)
def numbered(text: str) -> str:
    return text.replace("?", "%s")


class PostgresTx:
    def __init__(self, url: str) -> None:
        import psycopg

        self.driver = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        self.cursor = self.driver.cursor()
        self.together, self.transaction = self.driver.pipeline, self.driver.transaction
        self.close = self.driver.close

    def one(self, text: str, values: tuple) -> tuple | None:
        return self.cursor.execute(numbered(text), values, prepare=True).fetchone()

    def run(self, text: str, values: tuple = ()) -> None:
        self.driver.execute(numbered(text), values, prepare=True)

    def many(self, text: str, rows: list[tuple]) -> None:
        for row in rows:
            self.run(text, row)


class Postgres:
    """Each operation in a thread that has a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url, self.mine = url, threading.local()

    async def start(self) -> None:
        self.loop, self.threads = asyncio.get_running_loop(), ThreadPoolExecutor(THREADS)

    async def read(self, do, *more):
        return await self.loop.run_in_executor(self.threads, self._read, do, *more)

    async def write(self, do, *more):
        return await self.loop.run_in_executor(self.threads, self._write, do, *more)

    def _read(self, do, *more):
        return do(self._tx(), *more)

    def _write(self, do, *more):
        tx = self._tx()
        with tx.transaction():
            return do(tx, *more)

    def _tx(self) -> PostgresTx:
        try:
            return self.mine.tx
        except AttributeError:
            self.mine.tx = PostgresTx(self.url)
            return self.mine.tx


# The server.


def application(url: str) -> Starlette:
    database = Sqlite(url) if url.startswith("sqlite:") else Postgres(url)

    def endpoint(do, writes: bool, status: int):
        async def answer(request):
            headers = request.headers
            body = await request.body() if writes else None
            run = database.write if writes else database.read
            asked = headers.get("sessionid"), headers.get("devkey"), request.path_params, body
            try:
                said = await run(do, *asked)
            except Refused as refused:
                return Response(encode(refused.said), refused.status, media_type="application/json")
            except msgspec.ValidationError as error:
                said = encode([{"code": "BDC_1171", "message": str(error)}])
                return Response(said, 400, media_type="application/json")
            return Response(said, status, media_type="application/json")

        return answer

    @asynccontextmanager
    async def lifespan(_):
        await database.start()
        yield

    routes = [
        Route("/connect/v3/vendors/{vendor_id}", endpoint(get_vendor, False, 200)),
        Route("/connect/v3/bills", endpoint(create_bill, True, 201), methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def seed(url: str, sessions: list[tuple], vendors: list[tuple]) -> None:
    """A new database with these rows."""
    ddl, tx = DDL, SqliteTx(url.removeprefix("sqlite:")) if url.startswith("sqlite:") else None
    if tx is None:
        tx = PostgresTx(url)
        for here, there in POSTGRES.items():
            ddl = ddl.replace(here, there)
    with closing(tx):
        tx.run("BEGIN")
        for statement in filter(str.strip, ddl.split(";")):
            tx.run(statement)
        with tx.together():
            tx.many(insert("sessions"), sessions)
            tx.many(insert("vendors"), vendors)
        tx.run("COMMIT")


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop",
        http="httptools", ws="none", log_level="warning", access_log=False, server_header=False,
    )  # fmt: skip
