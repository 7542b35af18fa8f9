"""v2 on the wire: a form comes in, an envelope goes out.

HTTP is 200 for what was done and for what was refused: `response_status` tells them apart. Only what
never became a call keeps a status of its own (no such API 404, wrong method 405, too large 413), and
so does what is our own fault: a crash is 500 and a database that does not answer 503 with Retry-After,
because a client that repeats or gives up by status must not take them for an answer. All of them have
the envelope.
"""

import re
from binascii import a2b_qp
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from billfold.door import wire
from billfold.door.arrival import Arrival
from billfold.door.dialects import Dialect
from billfold.door.gates import Gate
from billfold.door.operations import Operation, Operations
from billfold.door.wire import Fault, decode, encode, read_query
from billfold.kit.errors import (
    INVALID_FIELD,
    INVALID_PARAMETER,
    MALFORMED,
    MISSING_PARAMETER,
    NO_SUCH_API,
    REQUIRED,
    TOO_LARGE,
    WRONG_METHOD,
    WRONG_TYPE,
    Refusal,
)
from billfold.v2.words import NO_CODE, otherwise

BASE = "/api/v2"
FIELDS_MAX = 1000
# What never became a call.
NO_CALL = (NO_SUCH_API, WRONG_METHOD, TOO_LARGE)
# Which part of a list is asked for, and whether with what belongs to its rows.
COUNTING = ("start", "max", "nested")
SAID_MAX = 100
MISSING = ("must not be null", "must not be blank")


class Data(Struct, rename="camel", gc=False):
    """What `data` asks or `response_data` says; an absent text is null."""


class Envelope(Struct, gc=False):
    response_status: int
    response_message: str
    response_data: Any


class Failure(Struct, gc=False):
    error_code: str
    error_message: str


def stamp(moment: datetime) -> str:
    """A moment as v2 says it: as v3 does, but without the colon in the offset."""
    return wire.stamp(moment).replace("+00:00", "+0000")


@dataclass(slots=True)
class FormArrival(Arrival):
    """Keys and session ids are fields of the form, among what is asked."""

    form: dict[str, str] | None = None

    def credential(self, name: str) -> str:
        """A key that is missing is named (BDC_1108); old clients call it appKey. A session that is
        missing is no better than one that has ended, and clients know what to do then (BDC_1109)."""
        value = self.asked().get(name, "").strip()
        if name == "devKey":
            value = value or self.asked().get("appKey", "").strip()
            if not value:
                raise Refusal(MISSING_PARAMETER, name)
        return value

    def asked(self) -> dict[str, str]:
        """The fields of the query and of the body, which wins; a name that was sent twice counts with
        its last value."""
        if self.form is None:
            if self.body and self.header("content-type").startswith("multipart/"):
                raise Refusal(MALFORMED, "the body must be application/x-www-form-urlencoded")
            self.form = _fields(self.query) | _fields(self.body)
        return self.form


def _fields(form: bytes) -> dict[str, str]:
    if form.count(b"&") >= FIELDS_MAX:
        raise Refusal(MALFORMED, f"the form has more than {FIELDS_MAX} fields")
    if _BAD_ESCAPE.search(form):
        raise Refusal(MALFORMED, "the form is not percent-encoded")
    found: dict[str, str] = {}
    for field in form.strip().split(b"&"):
        name, _, value = field.partition(b"=")
        found[_decoded(name)] = _decoded(value)
    return found


_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _decoded(text: bytes) -> str:
    """Percent-decoded as quoted-printable, which is the same with another sign: that runs at the speed
    of C, while a megabyte of escapes would hold everybody up for half a second in a loop."""
    quoted = text.replace(b"+", b" ").replace(b"=", b"=3D").replace(b"%", b"=")
    try:
        decoded = a2b_qp(quoted).decode()
    except UnicodeDecodeError:
        raise Refusal(MALFORMED, "the form is not UTF-8") from None
    if "\0" in decoded:
        raise Refusal(INVALID_PARAMETER, "no text may hold a NUL character")
    return decoded


def first_fault(found: list[Fault], data: bytes = b"") -> Refusal:
    """v2 says one thing at a time: what lies in `obj` under codes of its own (BDC_1117, 1119, 1124),
    and with the value that was sent; how a list is counted as parameters (BDC_1129)."""
    path, words = found[0]
    about = path.removeprefix("obj.") or "data"
    in_object = about != path
    if words in MISSING:
        return Refusal(REQUIRED if in_object or path == "obj" else MISSING_PARAMETER, about)
    if path in COUNTING:
        return Refusal(INVALID_PARAMETER, f"{path}, {_sent_at(path, data)}.")
    if words.startswith("an instance of"):
        return Refusal(WRONG_TYPE, about)
    if in_object and words == "invalid value":
        return Refusal(INVALID_FIELD, f"{about}, {_sent_at(path, data)}.")
    return Refusal(INVALID_FIELD, f"{about}, {words}")


def _sent_at(path: str, data: bytes) -> str:
    """What stands at a place of the data, in so many words as fit."""
    value: Any = msgspec.json.decode(data or b"null")
    for name in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            value = None
    return str(value)[:SAID_MAX]


def read_data(reads: msgspec.json.Decoder, data: bytes) -> Any:
    return decode(reads, data, lambda found: first_fault(found, data))


def done(answer: object) -> Envelope:
    return Envelope(0, "Success", {} if answer is None else answer)


def failed(refusal: Refusal) -> Envelope:
    problem, about = refusal.problems[0]
    words = otherwise(problem)
    return Envelope(1, "Error", Failure(words.code or NO_CODE, words.say(about)))


class _V2(Dialect):
    paths = re.compile("/+api/+v2(?:/|$)")
    arrival = FormArrival
    reads_first = True
    described = False

    def query(self, operation: Operation, arrival: Arrival) -> Any:
        """The fields of a call that takes them beside its key: signing in."""
        assert operation.query
        return read_query(operation.query, arrival.asked(), first_fault)

    def body(self, operation: Operation, arrival: Arrival) -> Any:
        """The field `data`, which is JSON."""
        data = arrival.asked().get("data", "").encode()
        if not data.strip():
            if operation.body_may_be_empty:
                return operation.body_default
            raise Refusal(MISSING_PARAMETER, "data")
        return read_data(operation.decoder, data)

    def said(self, answer: object) -> bytes:
        return encode(done(answer))

    def refused(self, refusal: Refusal, now: datetime) -> tuple[int, bytes]:
        problem, _ = refusal.problems[0]
        keeps_status = problem in NO_CALL or problem.status > 499
        return problem.status if keeps_status else 200, encode(failed(refusal))


V2 = _V2()


class Calls(Operations):
    """Rows of the operation table for v2, where everything is a POST."""

    def __init__(self) -> None:
        super().__init__("v2", V2)

    def call(self, name: str, gate: Gate, **more):
        return self.post(f"{BASE}/{name}.json", gate, status=200, **more)
