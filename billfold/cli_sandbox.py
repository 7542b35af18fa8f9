"""A running sandbox as the commands speak to it: over HTTP, as anybody may."""

from __future__ import annotations

import json
import os
import ssl
import uuid
from collections.abc import Callable
from typing import Annotated, Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import typer

from billfold.cli_data import on_data
from billfold.kit.errors import Unusable
from billfold.settings import load

HERE = "http://127.0.0.1:8080"
# A copy of a large environment takes its time.
ANSWER_SECONDS_MAX = 300
SESSION_ENDED = 401

Url = Annotated[str, typer.Option(help="Where the sandbox serves.")]


class Sandbox:
    """`env` names another environment than the first. What is refused is raised as Unusable, in the
    server's own words."""

    def __init__(self, url: str, env: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.base = f"{self.url}/env/{env}" if env else self.url
        self.known: dict[str, Any] = {}
        self.session = ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        status, said = self._send(method, path, body)
        if status == SESSION_ENDED and self.session:
            self.sign_in()
            status, said = self._send(method, path, body)
        if status >= 400:
            raise Unusable(_why(status, said))
        return json.loads(said) if said else None

    def sign_in(self) -> None:
        """As the administrator of the demo world."""
        self.session = ""
        self.known = self.ask("GET", "/_control/credentials")
        names = ("username", "password", "organizationId", "devKey")
        login = {name: self.known[name] for name in names}
        self.session = self.ask("POST", "/connect/v3/login", login)["sessionId"]

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Idempotent-Key": str(uuid.uuid4())}
        if data:
            headers["Content-Type"] = "application/json"
        if token := os.environ.get("BILLFOLD_CONTROL", "").strip():
            headers["Authorization"] = f"Bearer {token}"
        if self.session:
            headers |= {"sessionId": self.session, "devKey": self.known["devKey"]}
        opener = build_opener(ProxyHandler({}))  # It is on this machine.
        try:
            request = Request(self.base + path, data, headers, method=method)
            with opener.open(request, timeout=ANSWER_SECONDS_MAX) as answer:
                return answer.status, answer.read()
        except HTTPError as refused:
            with refused:
                return refused.code, refused.read()
        except (URLError, OSError, ValueError) as error:
            if isinstance(why := getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise Unusable(
                    f"the certificate of {self.url} is not trusted ({why.verify_message}): set"
                    " SSL_CERT_FILE to the roots.pem of its data folder"
                ) from None
            raise Unusable(
                f"no sandbox answers on {self.url}: start one with `billfold serve`"
            ) from None


def _why(status: int, said: bytes) -> str:
    try:
        return "; ".join(problem["message"] for problem in json.loads(said))
    except (ValueError, TypeError, KeyError):
        return f"the server answered {status}, which no Billfold sandbox does here"


def there(
    url: str, data: str | None, database: str | None, policy: str | None, begins: bool = False
) -> Callable[..., Any]:
    """How to ask the control API: of a running sandbox, or the data itself where it is named, which is
    there unless this `begins` it."""
    if data is None and database is None:
        return Sandbox(url).ask

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        from billfold.app import PATHS
        from billfold.control_environments import by_hand

        settings, _ = load(data=data, database=database, policy=policy)
        said = json.dumps(body).encode()
        do = lambda environment: by_hand(PATHS, environment, method, path, said)
        return on_data(settings, do, begins=begins)

    return ask
