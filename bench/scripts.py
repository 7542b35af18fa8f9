"""What wrk asks for, as Lua: sessions, vendors and bills by chance, the same for every run."""

import itertools
import json
import time

from bench import rows, world
from billfold import demo_world

_runs = itertools.count(int(time.time()) % 10_000 * 100)  # So that invoice numbers never come twice.

VENDOR = f'string.format("{world.VENDOR_ID}",math.random(0,{world.VENDORS - 1}))'
SESSION = f'string.format("{world.SESSION_ID}",math.random(0,{world.SESSIONS - 1}))'
FROM = {"fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}}
ONE = {"billId": rows.BILL_ID, "amount": 1}
TITLES = {"R": "GET one, requests/s (more is better)", "W": "POST one, requests/s (more is better)"}
# For localstripe, which takes any secret key.
CUSTOMER = "name=Happy Music Supplies&email=ap@happy.example&phone=9195551234&description=Strings"
SECRET = "Bearer sk_test_12345"


def read_vendor() -> str:
    return _signed_in("GET", f'"/connect/v3/vendors/"..{VENDOR}', "nil")


def connect_anew() -> str:
    """A connection for each request."""
    return 'wrk.headers["Connection"]="close"\n' + _signed_in("GET", '"/connect/v3/health"', "nil")


def create_bill() -> str:
    """Each bill has its own number."""
    before, after = json.dumps(world.BILL).split(world.BILL["vendorId"])
    between, after = after.split(world.BILL["invoice"]["invoiceNumber"])
    body = f"[[{before}]]..{VENDOR}..[[{between}{next(_runs)}-]]..n..[[{after}]]"
    return _signed_in("POST", '"/connect/v3/bills"', body)


def pay_bills(bills: range, first: int, at_once: int) -> str:
    """A dollar of each, one bill after the other from some place on; after the last comes the first."""
    place = f"local function place(n) return {bills.start}+({first}+n)%{len(bills)} end\n"
    if at_once == 1:
        body = json.dumps(ONE | FROM | {"processingOptions": {"createBill": False}})
        return place + _signed_in(
            "POST", '"/connect/v3/payments"', f"string.format([[{body}]],place(n-1))"
        )
    before, after = json.dumps(FROM | {"payments": ["?"]}).split('"?"')
    payments = f"""
local function payments(first)
  local found={{}}
  for each=1,{at_once} do found[each]=string.format([[{json.dumps(ONE)}]],place(first+each-1)) end
  return table.concat(found,",")
end
"""
    body = f"[[{before}]]..payments((n-1)*{at_once})..[[{after}]]"
    return place + payments + _signed_in("POST", '"/connect/v3/payments/bulk"', body)


def read_customer(ids: list[str]) -> str:
    known = ",".join(f'"{id}"' for id in ids)
    return "\n".join((
        f"local ids={{{known}}}", f'wrk.headers["Authorization"]="{SECRET}"',
        'function request() return wrk.format("GET","/v1/customers/"..ids[math.random(#ids)]) end',
    ))  # fmt: skip


def create_customer() -> str:
    return "\n".join((
        f'wrk.headers["Authorization"]="{SECRET}"',
        'wrk.headers["Content-Type"]="application/x-www-form-urlencoded"',
        f'function request() return wrk.format("POST","/v1/customers",nil,"{CUSTOMER}") end',
    ))  # fmt: skip


def _signed_in(method: str, path: str, body: str) -> str:
    """`path` and `body` are Lua; `n` counts the requests from 1 on."""
    lines = [f'wrk.headers["devKey"]="{world.KEY}"', "local n=0"]
    if method == "POST":
        lines.append('wrk.headers["Content-Type"]="application/json"')
    call = f'wrk.format("{method}",{path},nil,{body})'
    lines.append(f'function request() n=n+1 wrk.headers["sessionId"]={SESSION} return {call} end')
    return "\n".join(lines)
