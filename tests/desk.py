"""The desk: an organization, its client, its clock and its inbox, as a test speaks of them."""

import asyncio
import json
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlencode

import apsw
import httpx2
import psycopg

from billfold import demo_world
from billfold.access.roles import RoleType
from billfold.access.sessions import SessionKind, open_session
from billfold.app import Billfold
from billfold.kit.callers import Caller
from billfold.kit.environment import set_clock, stored_clock
from billfold.kit.secrets import digest
from billfold.settings import Settings
from tests.contract.recorder import record

# A Monday, nine in the morning in California.
START = datetime(2027, 1, 4, 17, tzinfo=UTC)
CALLER = demo_world.CALLER
LOGIN = {
    "username": demo_world.USERNAME, "password": demo_world.PASSWORD,
    "organizationId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY,
}  # fmt: skip
LOGIN_V2 = {
    "userName": demo_world.USERNAME, "password": demo_world.PASSWORD,
    "orgId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY,
}  # fmt: skip
V2, V3, EVENTS, CONTROL = "/api/v2", "/connect/v3", "/connect-events/v3", "/_control"


class Desk:
    """A server in this process on a database of its own; its clock stands at START until moved."""

    def __init__(self, runner: asyncio.Runner, url: str, folder: str, **settings) -> None:
        self.runner = runner
        self.url = url
        database = "" if url.startswith("sqlite:") else url
        self.settings = Settings(
            **{"data": folder, "database": database, "worker": False, "seed": 1} | settings
        )
        self.session = ""
        self.numbers = 0

    async def open(self, start: datetime | None = START) -> None:
        if self.settings.policy != "sandbox":
            belongs_to(self.url, self.settings.policy)
        self.billfold = Billfold(self.settings)
        self.environment = self.billfold.environment
        self._life = self.billfold.lifespan()
        await self._life.__aenter__()
        if start:
            await self.environment.write(lambda work: set_clock(work, still=start, frozen=True))
            await self.environment.read(stored_clock)
        transport = httpx2.ASGITransport(app=self.billfold, raise_app_exceptions=False)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")

    async def close(self) -> None:
        await self.client.aclose()
        await self._life.__aexit__(None, None, None)

    # Asking

    async def asks(self, method: str, path: str, body=None, *, headers=None, session=None, **query):
        """One request; `session` "" sends no credentials."""
        session = self.session if session is None else session
        sent = {"sessionId": session, "devKey": demo_world.DEVELOPER_KEY} if session else {}
        sent |= headers or {}
        content = body if isinstance(body, bytes) else None
        answer = await self.client.request(
            method, path, json=None if content is not None else body, content=content, headers=sent,
            params=query or None,
        )  # fmt: skip
        record(method, answer.url.path, answer.status_code, answer.content)
        return answer

    def answer(self, method: str, path: str, body=None, **options):
        return self.runner.run(self.asks(method, path, body, **options))

    def call(self, method: str, path: str, body=None, status=200, **options):
        answer = self.answer(method, path, body, **options)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body=None, **options) -> tuple[int, list[str]]:
        """Status and, for each error, its code, or its message where the wire has no code."""
        answer = self.answer(method, path, body, **options)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, [error.get("code") or error["message"] for error in answer.json()]

    def together(self, requests: list[tuple]) -> list:
        async def all_at_once():
            return await asyncio.gather(*(self.asks(*request) for request in requests))

        return self.runner.run(all_at_once())

    # The same in v2: a form and an envelope

    def answer_v2(self, call: str, data=None, *, status=200, **form):
        """The envelope; without other words with the desk's session and its key."""
        sent = {"devKey": demo_world.DEVELOPER_KEY, "sessionId": self.session} | form
        if data is not None:
            sent["data"] = data if isinstance(data, str) else json.dumps(data)
        body = urlencode({name: value for name, value in sent.items() if value is not None})
        answer = self.answer("POST", f"{V2}/{call}.json", body.encode(), session="")
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def call_v2(self, call: str, data=None, **form):
        answer = self.answer_v2(call, data, **form)
        assert (answer["response_status"], answer["response_message"]) == (0, "Success"), answer
        return answer["response_data"]

    def refused_v2(self, call: str, data=None, **form) -> tuple[str, str]:
        """Code and words."""
        answer = self.answer_v2(call, data, **form)
        assert (answer["response_status"], answer["response_message"]) == (1, "Error"), answer
        return answer["response_data"]["error_code"], answer["response_data"]["error_message"]

    # Who

    def signs_in_v2(self, **more) -> dict:
        """A session for the requests that follow, of both versions."""
        login = self.call_v2("Login", **LOGIN_V2 | {"sessionId": None} | more)
        self.session = login["sessionId"]
        return login

    def signs_in(self, trusted: bool = True, **more) -> dict:
        """A session for the requests that follow."""
        login = self.call("POST", f"{V3}/login", LOGIN | more, session="")
        self.session = login["sessionId"]
        if trusted and not login["trusted"]:
            self.passes_mfa()
        return login

    def is_at_work(self) -> None:
        """Has a trusted session, without the steps to it: most tests are cheaper than those."""
        rights = {"role": RoleType.ADMINISTRATOR, "trusted": True}
        who = {"organization_id": CALLER.organization_id, "user_id": CALLER.user_id}
        key = digest(demo_world.DEVELOPER_KEY)
        self.session, _ = self.writes(
            lambda work: open_session(work, SessionKind.PASSWORD, key=key, **who, **rights)
        )

    def passes_mfa(self, **more) -> str:
        challenge = self.call("POST", f"{V3}/mfa/challenge")["challengeId"]
        body = {"challengeId": challenge, "token": self.code(), **more}
        return self.call("POST", f"{V3}/mfa/challenge/validate", body)["rememberMeId"]

    def code(self) -> str:
        """The newest code in the inbox."""
        return self.call("GET", f"{CONTROL}/messages", session="")["results"][-1]["code"]

    # Time

    def advance(self, **delta: int) -> dict:
        return self.call("POST", f"{CONTROL}/clock", {"advance": delta}, session="")

    def now(self) -> datetime:
        return datetime.fromisoformat(self.call("GET", f"{CONTROL}/clock", session="")["now"])

    # Behind the wire

    def reads(self, do, caller: Caller = CALLER):
        return self.runner.run(self.environment.read(do, caller))

    def writes(self, do, caller: Caller = CALLER):
        return self.runner.run(self.environment.write(do, caller))

    def plan_of(self, statement, *without: str) -> str:
        """How the database goes about a statement; PostgreSQL without some ways where there is another,
        however few rows there are now."""

        def explain(work) -> str:
            compiled = work.connection.compiled(statement)
            if self.url.startswith("sqlite:"):
                asked = [1] * len(compiled.names)
                rows = work.connection.fetch(f"EXPLAIN QUERY PLAN {compiled.text}", asked)
                return "\n".join(str(row[-1]) for row in rows)
            text, driver = compiled.text, work.connection.driver
            for number in range(len(compiled.names)):
                text = text.replace("%s", f"${number + 1}", 1)
            for way in ("seqscan", *without):
                driver.execute(f"SET LOCAL enable_{way} = off")
            rows = driver.execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode())
            return "\n".join(row[0] for row in rows)

        return self.reads(explain)

    # The business

    def vendor(self, name="Acme", status=201, **more) -> str:
        return self.call("POST", f"{V3}/vendors", vendor_of(name) | more, status=status)["id"]

    def owes(self, vendor: str, amount, number: str = "", **more) -> str:
        self.numbers += 1
        body = bill_of(vendor, amount, number or f"INV-{self.numbers}") | more
        return self.call("POST", f"{V3}/bills", body, status=201)["id"]

    def sees(self, bill: str) -> dict:
        return self.call("GET", f"{V3}/bills/{bill}")


def belongs_to(url: str, policy: str) -> None:
    """Make the furnished data another policy's: a server refuses that of one that is not its own."""
    statement = f"UPDATE clocks SET policy = '{policy}'"
    if url.startswith("sqlite:"):
        with closing(apsw.Connection(url.removeprefix("sqlite:"))) as connection:
            connection.execute(statement)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)


def vendor_of(name: str) -> dict:
    address = {"line1": "12 Oak St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"}
    return {"name": name, "address": address}


def bill_of(vendor: str, amount, number: str) -> dict:
    return {
        "vendorId": vendor, "dueDate": "2027-12-31",
        "invoice": {"invoiceNumber": number, "invoiceDate": "2027-01-04"},
        "billLineItems": [{"amount": amount}],
    }  # fmt: skip
