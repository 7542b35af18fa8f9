"""JSON over HTTP to a server of this machine, past every proxy."""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS_MAX = 60


class Refused(AssertionError):
    """An answer of another status than was expected; it says what was asked and what was said."""


def ask(
    method: str, url: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and body; None for an empty one."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=ANSWER_SECONDS_MAX)
    try:
        sent = None if body is None else json.dumps(body)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, path, sent, {"content-type": "application/json"} | (headers or {}))
        answer = connection.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if said else None
    finally:
        connection.close()


def must(method: str, url: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
    """The body of a good answer; raises Refused for any other."""
    status, said = ask(method, url, body, headers)
    return good(method, url, status, said)


def good(method: str, url: str, status: int, said: Any) -> Any:
    if status >= 300:
        raise Refused(f"{method} {url} answered {status}: {json.dumps(said)}")
    return said
