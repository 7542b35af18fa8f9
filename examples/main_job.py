"""BILL's main job, to copy: sign in, owe, pay, see it paid. Python's standard library, nothing else.

    python main_job.py

As it is, it runs against a Billfold sandbox on this machine with its demo company. Elsewhere these say
what is other: BILL_BASE_URL, BILL_USERNAME, BILL_PASSWORD, BILL_ORGANIZATION_ID, BILL_DEV_KEY,
BILL_BANK_ACCOUNT_ID; BILL_WEBHOOK_URL, if there is a receiver to be told; BILL_CONTROL_URL, empty where
nobody can move time, as at BILL. Whom https trusts beside the system's authorities: SSL_CERT_FILE.
main_job.sh and main_job.mjs do the same and print the same.
"""

import json
import os
import sys
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

setting = os.environ.get
BASE = setting("BILL_BASE_URL", "http://127.0.0.1:8080/connect")
ROOT = BASE.removesuffix("/connect")
SUBSCRIPTIONS = f"{ROOT}/connect-events/v3/subscriptions"
CONTROL = setting("BILL_CONTROL_URL", f"{ROOT}/_control")
DEV_KEY = setting("BILL_DEV_KEY", "01DEMODEVELOPERKEY01")
WHO = {
    "username": setting("BILL_USERNAME", "ada@demo.example"),
    "password": setting("BILL_PASSWORD", "Billfold-demo-1"),
    "organizationId": setting("BILL_ORGANIZATION_ID", "00801DEMOCOMPANYdemo"),
    "devKey": DEV_KEY,
}
ACCOUNT = {"type": "BANK_ACCOUNT", "id": setting("BILL_BANK_ACCOUNT_ID", "bac01DEMOCHECKINdemo")}
DEVICE = "main-job-example"
CALL_SECONDS_MAX, WEEKS_MAX = 120, 3


class Refused(Exception):
    """What was asked, and BILL's codes and messages; or why nothing was answered."""


def reasons(raw: bytes) -> str:
    """BILL lists its errors, some without a code; a proxy on the way may say anything."""
    try:
        said = [f"{each.get('code', '')} {each['message']}".strip() for each in json.loads(raw)]
        return "; ".join(said)
    except (ValueError, LookupError, TypeError, AttributeError):
        return raw.decode(errors="replace")


class Client:
    """Calls with a session, once it has signed in."""

    def __init__(self) -> None:
        self.session: dict[str, str] = {}
        self.remembered: dict[str, str] = {}

    def call(self, method: str, url: str, body: Any = None, headers: dict | None = None) -> Any:
        content = None if body is None else json.dumps(body, default=float).encode()
        sent = {"Content-Type": "application/json"} | self.session | (headers or {})
        request = Request(url, content, sent, method=method)
        try:
            with urlopen(request, timeout=CALL_SECONDS_MAX) as answer:
                raw = answer.read()
        except HTTPError as refusal:
            with refusal:
                raise Refused(f"{method} {url}: {refusal.code} {reasons(refusal.read())}") from None
        except OSError as error:
            raise Refused(f"{method} {url}: {error}") from None
        return json.loads(raw, parse_float=Decimal) if raw else None

    def sign_in(self) -> str:
        """A session, which is trusted at once where this device is remembered; says whether it is."""
        self.session = {}
        said = self.call("POST", f"{BASE}/v3/login", WHO | self.remembered)
        self.session = {"sessionId": said["sessionId"], "devKey": DEV_KEY}
        return f"trusted {str(said['trusted']).lower()}"

    def become_trusted(self) -> None:
        """The second step. Keep the id that comes back: for thirty days it stands for this step."""
        challenge = self.call("POST", f"{BASE}/v3/mfa/challenge", {})
        passed = {
            "challengeId": challenge["challengeId"], "token": self.texted_code(),
            "rememberMe": True, "device": DEVICE,
        }  # fmt: skip
        said = self.call("POST", f"{BASE}/v3/mfa/challenge/validate", passed)
        self.remembered = {"rememberMeId": said["rememberMeId"], "device": DEVICE}

    def texted_code(self) -> str:
        """HERE is what differs: BILL texts the code to a phone, a sandbox keeps it in an inbox.

        BILL_MFA_CODE is for a server whose code is always the same."""
        if given := setting("BILL_MFA_CODE"):
            return given
        if CONTROL:
            return self.call("GET", f"{CONTROL}/messages")["results"][-1]["code"]
        print("The code that was texted: ", end="", file=sys.stderr, flush=True)
        return input()

    def subscribe(self, url: str) -> str:
        """Once: another to the same would be refused. One whose receiver failed has been disabled."""
        for known in self.call("GET", SUBSCRIPTIONS)["results"]:
            if known["notificationUrl"] == url:
                self.call("PATCH", f"{SUBSCRIPTIONS}/{known['id']}", {"status": {"enabled": True}})
                return "subscribed already"
        events = [{"type": "payment.updated", "version": "1"}]
        asked = {"name": "main job", "status": {"enabled": True}, "events": events}
        key = {"X-Idempotent-Key": str(uuid.uuid4())}
        made = self.call("POST", SUBSCRIPTIONS, asked | {"notificationUrl": url}, key)
        return f"subscribed; told this once, the security key: {made['securityKey']}"

    def make_vendor(self) -> Any:
        """In production BILL checks a new bank account for two business days, and pays after that."""
        bank = {
            "nameOnAccount": "Kestrel Strings", "accountNumber": "555000111", "type": "CHECKING",
            "routingNumber": "322271627", "ownerType": "BUSINESS",
        }  # fmt: skip
        address = {"line1": "7 Elm St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"}
        asked = {
            "name": "Kestrel Strings", "accountType": "BUSINESS", "address": address,
            "paymentInformation": {"payeeName": "Kestrel Strings", "bankAccount": bank},
            "additionalInfo": {"combinePayments": True},
        }  # fmt: skip
        return self.call("POST", f"{BASE}/v3/vendors", asked)

    def make_bill(self, vendor: Any, number: str, amount: Decimal) -> Any:
        today = date.today()
        asked = {
            "vendorId": vendor["id"], "dueDate": f"{today + timedelta(days=30)}",
            "invoice": {"invoiceNumber": number, "invoiceDate": f"{today}"},
            "billLineItems": [{"amount": amount, "description": "Guitar strings"}],
        }  # fmt: skip
        return self.call("POST", f"{BASE}/v3/bills", asked)

    def settle(self, at: str) -> Any:
        """Sandbox only: weeks pass until it has cleared; a session ends after 35 idle minutes."""
        for _ in range(WEEKS_MAX):
            self.call("POST", f"{CONTROL}/clock", {"advance": {"days": 7}})
            self.sign_in()
            payment = self.call("GET", at)
            if payment["singleStatus"] == "CLEARED":
                break
        return payment


def main() -> None:
    client = Client()
    print("signed in:", client.sign_in())
    print("mfaStatus:", client.call("GET", f"{BASE}/v3/login/session")["mfaStatus"])
    client.become_trusted()
    print("second step passed, and this device is remembered")
    print("signed in again:", client.sign_in())
    webhook = setting("BILL_WEBHOOK_URL")
    print("webhooks:", client.subscribe(webhook) if webhook else "skipped, BILL_WEBHOOK_URL is not set")
    vendor = client.make_vendor()
    print("vendor", vendor["id"], "is paid by", vendor["paymentInformation"]["payByType"])
    amounts = {"INV-1": Decimal("142.00"), "INV-2": Decimal("1250.50")}
    bills = [client.make_bill(vendor, number, amount) for number, amount in amounts.items()]
    for bill in bills:
        print("bill", bill["id"], "of", bill["amount"], "is", bill["paymentStatus"])
    lines = [{"billId": bill["id"], "amount": bill["amount"]} for bill in bills]
    asked = {"fundingAccount": ACCOUNT, "payments": lines}
    # Both bills are of one vendor who takes them combined: one payment, with a part for each.
    (paid,) = client.call("POST", f"{BASE}/v3/payments/bulk", asked)["payments"]
    for part in paid["billPayments"]:
        print("payment", paid["id"], "pays", part["amount"], "of bill", part["billId"])
    at = f"{BASE}/v3/payments/{paid['id']}"
    payment = client.call("GET", at)
    print("payment", payment["id"], "of", payment["amount"], "is", payment["singleStatus"])
    if CONTROL:
        payment = client.settle(at)
        print("days later payment", payment["id"], "is", payment["singleStatus"])
    client.call("POST", f"{BASE}/v3/logout", {})
    print("signed out")


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        sys.exit(f"main_job: {error}")
