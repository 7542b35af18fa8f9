"""The demo: plays the main job against a running sandbox, over HTTP alone, as an integrator would.

It imports nothing of the server. What it prints it has seen: every line stands behind a check.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
import uuid
from collections import Counter
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

V3, CONTROL, SUBSCRIPTIONS = "/connect/v3", "/_control", "/connect-events/v3/subscriptions"
AMOUNTS = [Decimal("142.00"), Decimal("1250.50"), Decimal("87.25")]
TOTAL = sum(AMOUNTS, Decimal())
HAPPENINGS = ("created", "updated", "archived", "restored")
TOLD_OF = [*(f"{noun}.{what}" for noun in ("vendor", "bill") for what in HAPPENINGS), "payment.updated"]
STEPS = ("SCHEDULED", "FUNDING_STARTED", "PROCESSED", "SENT", "CLEARED")
SETTLING_DAYS_MAX, CALL_SECONDS_MAX, WIDTH_WHEN_PIPED = 20, 120, 200
# Ids are long and say nothing to a reader of the story.
ID = re.compile(r"/([0-9A-Za-z]{20}|[0-9a-f-]{36})\b")


class NoSandbox(Exception):
    """Nobody is there, or somebody else; says so in one sentence."""


class Unexpected(Exception):
    """Something was not as it should be; says what."""


def expect(what: str, seen: object, right: object) -> None:
    if seen != right:
        raise Unexpected(f"{what}: expected {right}, saw {seen}")


class Story:
    """The timeline: a line for each thing that happened, at the time of the server's clock."""

    def __init__(self) -> None:
        from rich import box, table
        from rich.console import Console

        self.table, self.box = table.Table, box.SIMPLE_HEAD
        self.console = Console(highlight=False, markup=False)
        if not self.console.is_terminal:
            self.console.width = WIDTH_WHEN_PIPED

    def act(self, title: str) -> None:
        self.console.print(f"\n{title}", style="bold")

    def tell(self, when: datetime, what: str, said: str, changed: str, style: str = "") -> None:
        line = self.table.grid(padding=(0, 2))
        for width in (16, 8, min(43, self.console.width // 2 - 16), None):
            line.add_column(width=width, overflow="fold")
        line.add_row(f"{when:%Y-%m-%d %H:%M}", what, said, changed, style=style)
        self.console.print(line)

    def show(self, title: str, columns: list[str], rows: list[tuple]) -> None:
        table = self.table(*columns, title=title, title_justify="left", box=self.box)
        for row in rows:
            table.add_row(*map(str, row))
        self.console.print("", table)


class Client:
    """An integrator's client: when its session has run out it signs in again and asks again."""

    def __init__(self, url: str, story: Story) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        self.connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.host, self.story = parts.netloc, story
        self.known: dict[str, Any] = {}
        self.account: dict[str, str] = {}
        self.session = self.remembered = self.last = ""
        self.device = f"billfold-demo-{uuid.uuid4().hex[:8]}"
        self.calls = self.sessions_ended = 0
        self.clock = (datetime.fromtimestamp(0, UTC), time.monotonic(), False)

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request, as it is. What cannot be sent or read is an OSError."""
        headers = {"Content-Type": "application/json", "X-Idempotent-Key": str(uuid.uuid4())}
        if self.session:
            headers |= {"sessionId": self.session, "devKey": self.known["devKey"]}
        content = None if body is None else json.dumps(body, default=float).encode()
        path = path if path.startswith(("/connect", CONTROL)) else V3 + path
        try:
            with closing(self.connect(self.host, timeout=CALL_SECONDS_MAX)) as connection:
                connection.request(method, path, content, headers)
                answer = connection.getresponse()
                raw = answer.read()
            said = json.loads(raw, parse_float=Decimal) if raw else None
        except (HTTPException, ValueError) as error:
            raise OSError(f"what it says is not understood: {error!r}") from None
        self.calls += 1
        shown = ID.sub("/…", path.partition("?")[0].removeprefix(V3))
        codes = dict.fromkeys(codes_of(said)) if answer.status >= 400 else ()
        self.last = " ".join([method, shown, "→", str(answer.status), *codes])
        return answer.status, said

    def call(self, method: str, path: str, body: Any = None, status: int = 200, says: str = "") -> Any:
        """What is answered with this status; the end of a session does not stop it.

        `says` becomes a line of the story, with what was answered in its braces."""
        found, said = self.send(method, path, body)
        if self.remembered and found == 401 and codes_of(said) == ["BDC_1109"]:
            self.tell("the session has ended: 35 minutes without a call")
            self.sessions_ended += 1
            self.sign_in()
            found, said = self.send(method, path, body)
        if found != status:
            told = json.dumps(said, default=str)[:400]
            raise Unexpected(f"{method} {path}: expected {status}, was answered {found}: {told}")
        if says:
            self.tell(says.format(said))
        return said

    def get(self, path: str, says: str) -> Any:
        return self.call("GET", path, says=says)

    def post(self, path: str, body: Any, status: int, says: str) -> Any:
        return self.call("POST", path, body, status, says)

    def refused(self, path: str, body: Any, status: int, codes: list[str], says: str) -> None:
        expect(f"codes of a refused {path}", codes_of(self.call("POST", path, body, status)), codes)
        self.tell(says)

    def sign_in(self) -> None:
        """A session; trusted at once where this device is remembered, and only there."""
        names = ("username", "password", "organizationId", "devKey")
        asked = {name: self.known[name] for name in names}
        if self.remembered:
            asked |= {"rememberMeId": self.remembered, "device": self.device}
        self.session = ""
        said = self.call("POST", "/login", asked)
        self.session = said["sessionId"]
        expect("trusted after a login", said["trusted"], bool(self.remembered))
        self.tell("trusted at once: the device is remembered" if self.remembered else "trusted: false")

    def read_clock(self, jump: dict | None = None) -> None:
        """What the clock says now, after a jump if one is asked for."""
        said = self.call("POST" if jump else "GET", f"{CONTROL}/clock", jump)
        expect("things that fell due and could not be done", said["failed"], 0)
        self.clock = (datetime.fromisoformat(said["now"]), time.monotonic(), said["frozen"])

    def now(self) -> datetime:
        read, at, frozen = self.clock
        return read if frozen else read + timedelta(seconds=time.monotonic() - at)

    def tell(self, changed: str) -> None:
        """The last call, as a line of the story."""
        self.story.tell(self.now(), "called", self.last, changed)


def codes_of(errors: Any) -> list[str]:
    found = errors if isinstance(errors, list) else []
    return sorted(str(error.get("code", "")) for error in found if isinstance(error, dict))


class Receiver:
    """The subscriber's own server: checks each signature over the bytes as they came."""

    def __init__(self, story: Story) -> None:
        self.story, self.key, self.wrong = story, "", 0
        # By event id: whom it is of, and what was said.
        self.got: dict[str, tuple[str, str]] = {}

    def take(self, body: bytes, signature: str) -> int:
        right = base64.b64encode(hmac.digest(self.key.encode(), body, hashlib.sha256)).decode()
        if not hmac.compare_digest(right.encode(), signature.encode()):
            self.wrong += 1
            return 401
        said = json.loads(body)
        event = said["metadata"]["eventType"]
        subject = said[event.partition(".")[0]]
        state = subject.get("paymentStatus") or subject.get("status") or ""
        # At least once: an event that comes again is thanked for and changes nothing.
        told = (subject["id"], f"{event} {state}".strip())
        if self.got.setdefault(said["metadata"]["eventId"], told) is told:
            name = subject.get("name") or subject.get("invoice", {}).get("invoiceNumber") or "payment"
            when = datetime.fromisoformat(subject["updatedTime"])
            self.story.tell(when, "notified", event, f"signature right: {name} {state}", "cyan")
        return 200

    @contextmanager
    def listening(self):
        """The address at which it listens, on a thread of its own."""
        take = self.take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(take(body, self.headers.get("x-bill-sha-signature", "")))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The story says it."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/billfold"
        finally:
            server.shutdown()
            server.server_close()


def play(url: str) -> None:
    """The whole story; raises NoSandbox before it begins, and Unexpected where it went wrong."""
    story, began = Story(), time.monotonic()
    client, receiver = Client(url, story), Receiver(story)
    find_sandbox(client, url)
    first = client.now()
    try:
        become_trusted(client)
        with receiver.listening() as address, subscribed(client, receiver, address):
            vendor, bills = enter_bills(client)
            payment = pay(client, vendor, bills)
            settle(client, payment)
            rows = read_books(client, vendor, bills, payment)
            told = check_notifications(receiver, {vendor, payment, *bills})
    except OSError as error:
        raise Unexpected(f"the server has stopped answering: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise Unexpected(f"an answer is not what it should be: {error!r}") from None
    story.show("Notifications", ["event", "times", "signature"], [(*each, "right") for each in told])
    story.show("The books", ["", "amount", "due", "status"], rows)
    days, seconds = (client.now() - first).days, time.monotonic() - began
    story.console.print(
        f"\n{client.calls} calls made, {len(receiver.got)} notifications received, all signatures"
        f" right; {seconds:.1f} seconds here, {days} days on the server's clock."
    )


def find_sandbox(client: Client, url: str) -> None:
    """Who has no control API is in production, or no Billfold; it is sent nothing more."""
    try:
        status, client.known = client.send("GET", f"{CONTROL}/credentials")
    except OSError as error:
        raise NoSandbox(f"no sandbox answers on {url} ({error}); `billfold serve` starts one") from None
    if status != 200 or not isinstance(client.known, dict) or "devKey" not in client.known:
        raise NoSandbox(f"{url} is no sandbox of this machine: it has no control API")
    client.account = {"type": "BANK_ACCOUNT", "id": client.known["bankAccountId"]}
    client.read_clock()


def become_trusted(client: Client) -> None:
    """Sign in, be refused as untrusted, pass the second step, be remembered."""
    client.story.act("Signing in")
    client.sign_in()
    session = client.get("/login/session", "mfaStatus: {[mfaStatus]}")
    expect("mfaStatus before the second step", session["mfaStatus"], "CHALLENGE")
    asked = {
        "vendorId": client.known["vendorId"], "amount": 1, "processingOptions": {"createBill": True},
        "fundingAccount": client.account,
    }  # fmt: skip
    client.refused("/payments", asked, 403, ["BDC_1361"], "money moves in a trusted session only")
    challenge = client.post("/mfa/challenge", None, 200, f"a code goes to {client.known['phone']}")
    inbox = client.get(f"{CONTROL}/messages", "a sandbox keeps its messages, this code too")
    passed = {
        "challengeId": challenge["challengeId"], "token": inbox["results"][-1]["code"],
        "rememberMe": True, "device": client.device,
    }  # fmt: skip
    said = client.post("/mfa/challenge/validate", passed, 200, "trusted, and this device is remembered")
    client.remembered = said["rememberMeId"]
    session = client.get("/login/session", "mfaStatus: {[mfaStatus]}")
    expect("mfaStatus after the second step", session["mfaStatus"], "COMPLETE")


@contextmanager
def subscribed(client: Client, receiver: Receiver, address: str):
    """An organization has ten subscriptions at most, so this one ends with the demo, come what may."""
    events = [{"type": type, "version": "1"} for type in TOLD_OF]
    asked = {"name": "billfold demo", "status": {"enabled": True}, "events": events}
    asked["notificationUrl"] = address
    made = client.post(SUBSCRIPTIONS, asked, 200, "vendor.*, bill.* and payment.updated come here")
    receiver.key = made["securityKey"]
    try:
        yield
    finally:
        client.call("DELETE", f"{SUBSCRIPTIONS}/{made['id']}", says="the subscription is gone")


def enter_bills(client: Client) -> tuple[str, dict[str, Decimal]]:
    """A vendor and three bills; gives the vendor's id, and the bills' ids with their amounts."""
    client.story.act("Entering bills")
    today, tag = client.now().date(), uuid.uuid4().hex[:6].upper()
    asked = {
        "name": f"Kestrel Strings {tag}", "email": "ar@kestrel.example", "accountType": "BUSINESS",
        "address": {"line1": "7 Elm St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"},
        "paymentInformation": {"payeeName": "Kestrel Strings", "bankAccount": {
            "nameOnAccount": "Kestrel Strings", "accountNumber": "555000111", "type": "CHECKING",
            "routingNumber": "322271627", "ownerType": "BUSINESS",
        }},
        "additionalInfo": {"combinePayments": True},
    }  # fmt: skip
    paid_by = "vendor {0[name]}, paid by {0[paymentInformation][payByType]}"
    vendor = client.post("/vendors", asked, 201, paid_by)
    expect("how the vendor is paid", vendor["paymentInformation"]["payByType"], "ACH")
    drafts = [
        {
            "vendorId": vendor["id"], "dueDate": f"{today + timedelta(days=30)}",
            "invoice": {"invoiceNumber": f"{tag}-{number}", "invoiceDate": f"{today}"},
            "billLineItems": [{"amount": amount, "description": "Guitar strings"}],
        }
        for number, amount in enumerate(AMOUNTS, 1)
    ]  # fmt: skip
    made = [client.post("/bills", drafts[0], 201, "a bill of {0[amount]}, {0[paymentStatus]}")]
    made += client.post("/bills/bulk", drafts[1:], 201, "bills of {0[0][amount]} and {0[1][amount]}")
    expect("the amounts of the bills", [bill["amount"] for bill in made], AMOUNTS)
    see_balance(client, vendor["id"], TOTAL)
    return vendor["id"], {bill["id"]: bill["amount"] for bill in made}


def see_balance(client: Client, vendor: str, right: Decimal) -> None:
    seen = client.get(f"/vendors/{vendor}", "vendor balance {[balance][amount]}")
    expect("the vendor's balance", seen["balance"]["amount"], right)


def see_bills(client: Client, bills: dict[str, Decimal], status: str) -> list[tuple]:
    """Each bill is in this state, all of it due or nothing; gives a row to show for each."""
    rows = []
    for id, amount in bills.items():
        bill = client.get(f"/bills/{id}", "bill {0[invoice][invoiceNumber]} {0[paymentStatus]}")
        due = Decimal(0) if status == "PAID" else amount
        state = (bill["paymentStatus"], bill["dueAmount"], bill["scheduledAmount"])
        expect("state, due and scheduled amount of a bill", state, (status, due, 0))
        name = f"bill {bill['invoice']['invoiceNumber']}"
        rows.append((name, bill["amount"], bill["dueAmount"], bill["paymentStatus"]))
    return rows


def pay(client: Client, vendor: str, bills: dict[str, Decimal]) -> str:
    """A cent too much pays nobody; the right amounts become one payment."""
    client.story.act("Paying")
    lines: list[dict] = [{"billId": id, "amount": amount} for id, amount in bills.items()]
    asked = {"fundingAccount": client.account, "payments": lines}
    lines[-1]["amount"] += Decimal("0.01")
    codes = ["BDC_1159", "BDC_1246", "BDC_1246"]
    client.refused("/payments/bulk", asked, 422, codes, "a cent too much: all three are refused")
    filters = quote(f'vendorId:eq:"{vendor}"')
    written = client.get(f"/payments?filters={filters}", "payments of this vendor: {[results]}")[
        "results"
    ]
    expect("payments that a refused request left behind", written, [])
    see_bills(client, bills, "UNPAID")
    lines[-1]["amount"] -= Decimal("0.01")
    (payment,) = client.call("POST", "/payments/bulk", asked, 201)["payments"]
    seen = (payment["amount"], payment["singleStatus"])
    expect("amount and state of the payment", seen, (TOTAL, "SCHEDULED"))
    parts = payment["billPayments"]
    paid = {part["billId"]: part["amount"] for part in parts if part["id"].startswith("blp")}
    expect("what is paid of each bill", paid, bills)
    client.tell(f"one payment of {payment['amount']}: {', '.join(part['id'] for part in parts)}")
    return payment["id"]


def settle(client: Client, payment: str) -> None:
    """Let days pass until the payment has cleared; no session lives that long."""
    client.story.act("Letting days pass")
    for _ in range(SETTLING_DAYS_MAX):
        client.read_clock({"advance": {"days": 1}})
        client.tell("a day has passed")
        status = client.get(f"/payments/{payment}", "payment {[singleStatus]}")["singleStatus"]
        if status == "CLEARED":
            break
    expect(f"the payment after at most {SETTLING_DAYS_MAX} days", status, "CLEARED")
    expect("a session has ended on the way", client.sessions_ended > 0, True)


def read_books(client: Client, vendor: str, bills: dict[str, Decimal], payment: str) -> list[tuple]:
    """What stands there in the end, as rows to show."""
    client.story.act("Reading the books")
    rows = see_bills(client, bills, "PAID")
    seen = client.get(f"/payments/{payment}", "payment {[singleStatus]}")
    see_balance(client, vendor, Decimal(0))
    return [*rows, (f"payment {payment}", seen["amount"], "", seen["singleStatus"])]


def check_notifications(receiver: Receiver, ids: set[str]) -> list[tuple[str, int]]:
    """Of every change once, and of nothing else: a jump waits for its deliveries."""
    of_bills = ("bill.created UNPAID", "bill.updated SCHEDULED", "bill.updated PAID")
    right = Counter({"vendor.created": 1, **dict.fromkeys(of_bills, len(AMOUNTS))})
    right.update(f"payment.updated {step}" for step in STEPS)
    # Others of the organization may be at work too.
    told = sorted(Counter(said for id, said in receiver.got.values() if id in ids).items())
    expect("notifications", told, sorted(right.items()))
    expect("notifications with a wrong signature", receiver.wrong, 0)
    return told
