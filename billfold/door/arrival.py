"""A request as it stands at the door: its line, its headers and, once it was let in, its body."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from billfold.access.sessions import Session
from billfold.kit.callers import Caller
from billfold.kit.errors import INVALID_PARAMETER, Refusal


@dataclass(slots=True)
class Arrival:
    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    peer: str
    scheme: str = "http"
    # What stands before the path where an environment has one: /env/stage.
    under: str = ""
    body: bytes = b""
    # Found out at the door: which operation is meant, and who asks.
    route: str = ""
    caller: Caller | None = None
    session: Session | None = None
    admitted: datetime | None = None
    # Where it is counted as long as it is not answered, if it is: its key and organization.
    flight: tuple[str, str] | None = None
    # Keys and session ids that an older form of a request has in its body.
    in_body: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, scope) -> "Arrival":
        client = scope.get("client")
        return cls(
            scope["method"], scope["path"], scope["query_string"], dict(scope["headers"]),
            client[0] if client else "", scope["scheme"], scope.get("root_path", ""),
        )  # fmt: skip

    def header(self, name: str) -> str:
        """The header's value, "" when it was not sent; names are compared without case."""
        return self.headers.get(name.lower().encode(), b"").decode("latin-1").strip()

    def credential(self, name: str) -> str:
        """A key or a session id, from where this version of the API has them."""
        return self.header(name) or self.in_body.get(name, "")

    def addressed(self) -> str:
        """The environment as its client calls it; who names no host is given paths alone."""
        host = self.header("host")
        return f"{self.scheme}://{host}{self.under}" if host else self.under

    @property
    def declared_length(self) -> int:
        """The bytes its Content-Length announces, 0 when it announces none."""
        text = self.headers.get(b"content-length", b"")
        return int(text) if text.isdigit() else 0

    def asked(self) -> dict[str, str]:
        """The query string; a name that was sent twice counts with its last value."""
        try:
            text = self.query.decode("ascii")
            asked = dict(parse_qsl(text, keep_blank_values=True, errors="strict"))
        except ValueError:
            raise Refusal(INVALID_PARAMETER, "query string") from None
        if "%00" in text or "\0" in text:
            raise Refusal(INVALID_PARAMETER, "query string: no text may hold a NUL character")
        return asked
