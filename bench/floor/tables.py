"""The tables of the floor, and the columns of each in the order of its rows."""

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
# As billfold/kit/sqlite.py has them; of the log SQLite takes care itself, within a COMMIT.
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
