"""The demo of a migration: an old sandbox, a new one beside it, and a client that goes on there.

Like the main demo it speaks HTTP alone and says only what it has seen. It makes two environments of its
own, so that nothing of the reader's is touched, and removes them in the end.
"""

import json
import time
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from billfold.demo import (
    CALL_SECONDS_MAX,
    CONTROL,
    Client,
    Story,
    Unexpected,
    codes_of,
    expect,
    find_sandbox,
)

ENVIRONMENTS, V2 = f"{CONTROL}/environments", "/api/v2"
AMOUNT = Decimal("142.50")
PASSWORD = "seven green bicycles"
PAID, SETTLING_DAYS = "0", 6
DEVICE = "billfold-demo-migration"


@dataclass
class Environment:
    """One of the two, as a client knows it."""

    client: Client
    name: str
    credentials: dict[str, Any]
    # With which its owner signs in by v2.
    login: dict[str, str] = field(default_factory=dict)
    session: str = ""

    def v3(self, path: str, body: Any = None) -> tuple[int, Any, dict[str, str]]:
        """Status, answer and headers of a request that has no session."""
        return self._ask("POST" if body else "GET", f"/connect/v3{path}", body)

    def control(self, path: str, body: Any = None) -> Any:
        status, said, _ = self._ask("POST" if body else "GET", f"{CONTROL}{path}", body)
        expect(f"status of {path} in {self.name}", status, 201 if path == "/sign-ups" else 200)
        return said

    def v2(self, call: str, data: Any = None, **form: str) -> dict[str, Any]:
        """The envelope; without other words with this environment's session."""
        form = {"devKey": self.credentials["devKey"], "sessionId": self.session} | form
        if data is not None:
            form["data"] = json.dumps(data, default=float)
        status, said, _ = self._ask("POST", f"{V2}/{call}.json", urlencode(form))
        expect(f"status of {call}", status, 200)
        return said

    def done(self, call: str, data: Any = None, says: str = "", **form: str) -> Any:
        """What a call that succeeded says; `says` becomes a line of the story."""
        said = self.v2(call, data, **form)
        expect(f"{call} succeeds ({said['response_data']})", said["response_status"], 0)
        if says:
            self.client.tell(says.format(said["response_data"]))
        return said["response_data"]

    def _ask(self, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        kind = "application/x-www-form-urlencoded" if isinstance(body, str) else "application/json"
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        try:
            with closing(self.client.connect(self.client.host, timeout=CALL_SECONDS_MAX)) as connection:
                connection.request(method, f"/env/{self.name}{path}", content, {"Content-Type": kind})
                answer = connection.getresponse()
                raw, headers = answer.read(), {k.lower(): v for k, v in answer.getheaders()}
            said = json.loads(raw, parse_float=Decimal) if raw else None
        except (HTTPException, ValueError) as error:
            raise OSError(f"what it says is not understood: {error!r}") from None
        self.client.calls += 1
        self.client.last = f"{self.name} {method} {path.removeprefix('/connect/v3')} → {answer.status}"
        return answer.status, said, headers


def play(url: str) -> None:
    """The whole story; raises NoSandbox before it begins, and Unexpected where it went wrong."""
    story, began = Story(), time.monotonic()
    client = Client(url, story)
    find_sandbox(client, url)
    tag = uuid.uuid4().hex[:6]
    try:
        with environments(client, f"sandbox-{tag}", f"stage-{tag}") as (old, new):
            carry_keys(client, old, new)
            organization = sign_up_again(old, new)
            sign_in(new, organization)
            pay(new, organization["bankAccountId"])
            end(client, old, new)
            old.client.story.act("Tidying up")
    except OSError as error:
        raise Unexpected(f"the server has stopped answering: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Unexpected(f"an answer is not what it should be: {error!r}") from None
    seconds = time.monotonic() - began
    story.console.print(
        f"\n{client.calls} calls made, {seconds:.1f} seconds; nothing else was touched."
    )


@contextmanager
def environments(client: Client, *names: str):
    """Two sandboxes side by side, for as long as the story lasts."""
    client.story.act("An old sandbox, and a new one beside it")
    made: list[Environment] = []
    try:
        for name in names:
            said = client.post(ENVIRONMENTS, {"name": name}, 201, "{[baseUrl]}")
            made.append(Environment(client, name, said["credentials"]))
        yield made
    finally:
        for each in made:  # The old one first: the other is where its clients go on.
            client.call(
                "DELETE", f"{ENVIRONMENTS}/{each.name}", status=204, says="removed, with its data"
            )


def carry_keys(client: Client, old: Environment, new: Environment) -> None:
    """The developer key opens the new sandbox; the user is nobody there."""
    client.story.act("The developer keys are carried over, nothing else is")
    login = {
        name: old.credentials[name] for name in ("username", "password", "organizationId", "devKey")
    }
    expect("login in the old sandbox", old.v3("/login", login)[0], 200)
    client.tell("signed in where everything is as it was")
    expect("an unknown key", codes_of(new.v3("/login", login)[1]), ["BDC_1102"])
    client.tell("BDC_1102: the key is not known here yet")
    asked = {"to": new.name}
    moved = client.post(
        f"{ENVIRONMENTS}/{old.name}/migrate-keys", asked, 200, "{[copied]} developer key"
    )
    expect("keys that were copied", moved["copied"], 1)
    expect("an unknown user", codes_of(new.v3("/login", login)[1]), ["BDC_1101"])
    client.tell("BDC_1101: the key is known, the user is not")
    new.credentials["devKey"] = old.credentials["devKey"]


def sign_up_again(old: Environment, new: Environment) -> dict[str, Any]:
    """With the same e-mail address, as the release notes of 2024 told everybody to do."""
    new.client.story.act("Its owner signs up again, with the same e-mail address")
    asked = {
        "organization": "Kestrel Guitars", "firstName": "Ada", "lastName": "Payer",
        "email": old.credentials["username"], "password": PASSWORD, "phone": "+14155550142",
    }  # fmt: skip
    said = new.control("/sign-ups", asked)
    new.client.tell(f"{said['username']} founds {said['organizationId']}")
    return said


def sign_in(new: Environment, organization: dict[str, Any]) -> None:
    """By v2: ListOrgs tells the organization, Login where to go on; a code trusts the session."""
    client = new.client
    client.story.act("Signing in by v2, with the old key")
    who = {"userName": organization["username"], "password": PASSWORD}
    (found,) = new.done("ListOrgs", says="{0[0][orgId]} {0[0][orgName]}", **who)
    expect("the organization that ListOrgs names", found["orgId"], organization["organizationId"])
    new.login = {**who, "orgId": found["orgId"]}
    login = new.done("Login", says="apiEndPoint {[apiEndPoint]}", **new.login)
    path = urlsplit(login["apiEndPoint"]).path
    expect("where the later calls go", path, f"/env/{new.name}{V2}")
    new.session = login["sessionId"]
    refused = new.v2("PayBills", {"billPays": [{"billId": "00n01NOBODYS0000none", "amount": 1}]})
    expect("an untrusted PayBills", refused["response_data"].get("error_code"), "BDC_1361")
    client.tell("BDC_1361: money moves in a trusted session only")
    challenge = new.done("MFAChallenge", {"useBackup": False}, "a code is on its way")
    code = new.control("/messages")["results"][-1]["code"]
    asked = {"challengeId": challenge["challengeId"], "token": code, "deviceId": DEVICE,
             "machineName": "demo", "rememberMe": True}  # fmt: skip
    new.done("MFAAuthenticate", asked, "the session is trusted, the device remembered")


def pay(new: Environment, account_id: str) -> None:
    """A vendor, a bill, a payment; then days pass on the new sandbox's own clock."""
    client = new.client
    client.story.act("Owing and paying by v2")
    today = date.fromisoformat(new.control("/clock")["now"][:10])
    vendor = {
        "entity": "Vendor", "isActive": "1", "name": "Juniper Supply", "address1": "12 Oak St",
        "addressCity": "Reno", "addressState": "NV", "addressZip": "89501", "addressCountry": "USA",
        "email": "ap@juniper.example",
    }  # fmt: skip
    payee = new.done("Crud/Create/Vendor", {"obj": vendor}, "vendor {[id]}")["id"]
    bill = {
        "entity": "Bill", "isActive": "1", "vendorId": payee, "invoiceNumber": "2041",
        "invoiceDate": f"{today}", "dueDate": f"{today + timedelta(days=30)}",
        "billLineItems": [{"entity": "BillLineItem", "amount": AMOUNT, "description": "Strings"}],
    }  # fmt: skip
    owed = new.done("Crud/Create/Bill", {"obj": bill}, "bill {0[id]} of {0[amount]}")["id"]
    asked = {"bankAccountId": account_id, "billPays": [{"billId": owed, "amount": AMOUNT}]}
    said = new.done("PayBills", asked, "payment {0[sentPays][0][id]} of {0[sentPays][0][amount]}")
    payment = said["sentPays"][0]["id"]
    new.control("/clock", {"advance": {"days": SETTLING_DAYS}})
    client.tell(f"{SETTLING_DAYS} days pass here, and nowhere else")
    new.session = new.done("Login", says="signed in anew", **new.login)["sessionId"]
    read = new.done(
        "Crud/Read/Bill", {"id": owed}, "bill paymentStatus {[paymentStatus]}: paid in full"
    )
    expect("the bill's paymentStatus", read["paymentStatus"], PAID)
    sent = new.done("Crud/Read/SentPay", {"id": payment}, "SentPay status {[status]}")
    expect("what was paid", sent["amount"], AMOUNT)


def end(client: Client, old: Environment, new: Environment) -> None:
    """The old sandbox gets its last day, tells it, and keeps it."""
    client.story.act("The old sandbox ends")
    today = date.fromisoformat(old.control("/clock")["now"][:10])
    last = today + timedelta(days=30)
    asked = {"date": f"{last}", "successor": new.name}
    client.post(f"{ENVIRONMENTS}/{old.name}/sunset", asked, 200, "its last day is {[sunsetDate]}")
    _, _, headers = old.v3("/health")
    client.tell(f"Sunset: {headers['sunset']}; Link: {headers['link']}")
    old.control("/clock", {"advance": {"days": 32}})
    client.tell("32 days pass in the old sandbox")
    status, said, _ = old.v3("/health")
    expect("v3 after the last day", (status, codes_of(said)), (410, ["BDC_1005"]))
    client.tell(said[0]["message"])
    gone = old.v2("ListOrgs", userName=old.credentials["username"], password="x")["response_data"]
    expect("v2 after the last day", gone["error_code"], "BDC_1005")
    client.tell(gone["error_message"])
    expect("v3 in the new sandbox", new.v3("/health")[0], 200)
    client.tell("the new sandbox answers")
