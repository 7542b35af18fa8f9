"""Habits of the wire: camelCase, unset left out, unknown ignored, exact money and times.

msgspec stops at the first fault; `faults` walks the value again and names them all.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import islice
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct
from msgspec.structs import asdict, astuple

from billfold.door.limits import check_depth
from billfold.kit.clock import stamp
from billfold.kit.errors import MALFORMED, NOT_JSON, Refusal


class Wire(Struct, rename="camel", omit_defaults=True, gc=False):
    """A body. What has a default is left out of an answer while it has it."""


class Query(Struct, rename="camel"):
    """What a query string may hold, for operations that are no list."""


class Nothing(Wire):
    """A body in which nothing is asked: {} or none at all."""


# With at least one character that is no blank.
NOT_BLANK = r"\S"
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=NOT_BLANK)]
Short = Annotated[str, Meta(max_length=100)]
Text = Annotated[str, Meta(max_length=4000)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Stamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Amount = Decimal

__all__ = ["Amount", "Name", "Stamp", "Text", "Wire", "decode", "decoder", "encode", "sent", "stamp"]

FAULTS_MAX = 100  # A thousand wrong lines are told by their first hundred faults.
ITEMS_MAX = 1000  # No list of the API is longer.
NAME_MAX = 100  # Of a name that is said again; no field's is longer.

# As JSON writes it: behind an even number of backslashes. PostgreSQL keeps it in no text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

# An underscore that can stand in a number: one inside a word, as in BANK_ACCOUNT, cannot.
_UNDERSCORE = re.compile(rb"_(?:[^A-Za-z]|(?<![A-Za-z]_))")

# What a number may be written with; Python would take 1_000 and the digits of other scripts as well.
_WRITTEN_NUMBER = re.compile(r"[-+.0-9eE\s]*")

encode = msgspec.json.Encoder(decimal_format="number").encode


def sent(patch: Struct) -> dict[str, Any]:
    """The fields of a patch that were sent, by their names; null is sent, too."""
    return {name: value for name, value in asdict(patch).items() if value is not UNSET}


def says_nothing(patch: Struct) -> bool:
    """Whether no field was sent that is known, nor one inside of those that were."""
    return all(
        value is UNSET or (isinstance(value, Struct) and says_nothing(value))
        for value in astuple(patch)
    )


WORDS = (
    (r"`array` of length (>=|<=) (\d+)", r"size must be \1 \2"),
    (r"length >= 1\b", "must not be blank"),
    (r"matching regex '\\\\S'", "must not be blank"),
    (r"matching regex.*", "invalid value"),
    (r"length (>=|<=) (\d+)", r"size must be \1 \2"),
    (r"Invalid enum value.*", "invalid value"),
    (r"Invalid (\S+).*", "an instance could not be constructed: invalid value"),
    (r"Expected `(\w+)[^`]*`, got .*", r"an instance of \1 could not be constructed"),
    (r"Expected `\w+` >= (\S+)", r"must be greater than or equal to \1"),
    (r"Expected `\w+` <= (\S+)", r"must be less than or equal to \1"),
    (r"Expected `?(.+?)`?$", r"must be \1"),
)


def decoder(kind: type) -> msgspec.json.Decoder:
    """Not strict, because BILL takes "true" for true, and its own examples send it."""
    return msgspec.json.Decoder(kind, strict=False)


# What is wrong and where: the path in the body, "" for the body itself, and the words for it.
Fault = tuple[str, str]


def all_faults(found: list[Fault]) -> Refusal:
    """As v3 says them: one element for each, without a code."""
    return Refusal.of([(MALFORMED, f"{path or 'body'}: {words}") for path, words in found])


def decode(
    reads: msgspec.json.Decoder, body: bytes, refusal: Callable[[list[Fault]], Refusal] = all_faults
):
    """The body as what it must be; every fault is named, as far as there is room for them."""
    if not body.strip():
        raise Refusal(MALFORMED, "body: must not be null")
    check_depth(body)
    if b"\\u0000" in body and _NUL.search(body):
        raise Refusal(MALFORMED, "body: no text may hold a NUL character")
    try:
        if (_UNDERSCORE.search(body) or not body.isascii()) and (
            odd := list(islice(odd_numbers(_untyped(body), reads.type), FAULTS_MAX))
        ):
            raise refusal(odd)
        try:
            return reads.decode(body)
        except msgspec.ValidationError as error:
            return _decode_leniently(body, reads.type, refusal, _first(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Refusal(NOT_JSON, why) from None


def _decode_leniently(
    body: bytes, kind: Any, refusal: Callable[[list[Fault]], Refusal], first: Fault
) -> Any:
    """Once more, taking null for what a field is when it is not sent: clients write out what they have
    not set. What is wrong then is told, all of it."""
    value = _untyped(body)
    if b"null" in body:
        value = without_idle_nulls(value, kind)
        with suppress(msgspec.ValidationError):
            read = msgspec.convert(value, kind, strict=False)
            if not _holds_no_number(read):
                return read
            first = "", "Number out of range"
    raise refusal(list(islice(faults(value, kind), FAULTS_MAX)) or [first])


def without_idle_nulls(value: Any, kind: Any) -> Any:
    """Without nulls for fields that have a default and cannot be null."""
    inner = _plain(kind)
    if isinstance(value, list) and get_origin(inner) is list and len(value) <= ITEMS_MAX:
        return [without_idle_nulls(item, get_args(inner)[0]) for item in value]
    if not (isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, Struct)):
        return value
    fields = _by_name(inner)
    return {
        name: without_idle_nulls(item, fields[name].type) if name in fields else item
        for name, item in value.items()
        if item is not None or name not in fields or not _is_idle(fields[name])
    }


# Looked up for every object of a body that is walked, and read from the annotations each time.
_fields = cache(msgspec.structs.fields)


@cache
def _by_name(struct: type[Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in _fields(struct)}


def _is_idle(field: msgspec.structs.FieldInfo) -> bool:
    nullable = type(None) in get_args(field.type)
    return not field.required and field.default is not UNSET and not nullable


def odd_numbers(value: Any, kind: Any, path: str = "") -> Iterator[Fault]:
    """Texts in the place of numbers that only Python takes for numbers: 1_000, or digits of other
    scripts than ours."""
    inner = _plain(kind)
    if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, Struct):
        for field in _fields(inner):
            if field.encode_name in value:
                at = f"{path}.{field.encode_name}".lstrip(".")
                yield from odd_numbers(value[field.encode_name], field.type, at)
    elif isinstance(value, list) and get_origin(inner) is list and len(value) <= ITEMS_MAX:
        for place, item in enumerate(value):
            yield from odd_numbers(item, get_args(inner)[0], f"{path}[{place}]")
    elif inner is Decimal and isinstance(value, str) and not _WRITTEN_NUMBER.fullmatch(value):
        yield path, "an instance of decimal could not be constructed"


def _first(error: msgspec.ValidationError) -> Fault:
    """What msgspec stopped at, for a name sent twice: its first value was wrong, its last is not."""
    wrong, _, place = str(error).rpartition(" - at `$")
    # Of a key that no type names only the field is known that holds it.
    return place.rstrip("`").lstrip(".").replace("[...]", ""), _said(wrong, ...)


def _number(text: str) -> Decimal | bytes:
    """What is no number that can be kept is of no type that a body has, and is found to be wrong."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text.encode()


def _holds_no_number(read: Any) -> bool:
    """Whether what is no number that can be kept stands where anything may stand."""
    if isinstance(read, Struct):
        return any(_holds_no_number(getattr(read, name)) for name in read.__struct_fields__)
    if isinstance(read, dict):
        return any(map(_holds_no_number, read.values()))
    return isinstance(read, bytes) or (isinstance(read, list) and any(map(_holds_no_number, read)))


_untyped = msgspec.json.Decoder(float_hook=_number).decode


def read_query(
    kind: type[Query], asked: dict[str, str], refusal: Callable[[list[Fault]], Refusal] = all_faults
):
    """A query string as what it must be; every fault is named."""
    try:
        read = msgspec.convert(asked, kind, strict=False)
    except msgspec.ValidationError as error:
        raise refusal(list(faults(asked, kind)) or [_first(error)]) from None
    whole = [name for name, field in _by_name(kind).items() if _plain(field.type) is int]
    if odd := [name for name in whole if not asked.get(name, "0").isdigit()]:
        raise refusal([(name, "an instance of int could not be constructed") for name in odd])
    return read


def faults(value: Any, kind: Any, path: str = "") -> Iterator[Fault]:
    """Everything that is wrong with a value: where, and what it must be."""
    try:
        msgspec.convert(value, kind, strict=False)
        return
    except msgspec.ValidationError as error:
        wrong, _, inside = str(error).partition(" - at ")
    inner = _plain(kind)
    if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, Struct):
        for field in _fields(inner):
            at = f"{path}.{field.encode_name}".lstrip(".")
            if field.encode_name in value:
                yield from faults(value[field.encode_name], field.type, at)
            elif field.required:
                yield at, f"must not be {'blank' if _plain(field.type) is str else 'null'}"
        if inner.__struct_config__.forbid_unknown_fields:
            for name in value.keys() - {each.encode_name for each in _fields(inner)}:
                yield path, f"has no field {name[:NAME_MAX]}"
    elif isinstance(value, list) and get_origin(inner) is list and value:
        of_items = False
        # A list that is too long is told so first; its thousandth item says nothing new.
        too_long = "`array` of length" in wrong and not inside
        seen = () if too_long else value[:ITEMS_MAX]
        for place, item in enumerate(seen):
            for fault in faults(item, get_args(inner)[0], f"{path}[{place}]"):
                of_items = True
                yield fault
        if not of_items:
            yield path, _said(wrong, value)
    else:
        yield path, _said(wrong, value)


def _plain(kind: Any) -> Any:
    """The type under constraints and "or nothing"."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    parts = [part for part in get_args(kind) if part not in (type(None), type(UNSET))]
    return _plain(parts[0]) if parts and get_origin(kind) is not list else kind


def _said(wrong: str, value: Any) -> str:
    """In the words clients of BILL have seen, which are those of Java's bean validation."""
    if value is None:
        return "must not be null"
    for pattern, words in WORDS:
        if re.search(pattern, wrong):
            return re.sub(f".*?{pattern}", words, wrong, count=1)
    return wrong
