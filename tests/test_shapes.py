"""The shape of a body: what `decode` finds wrong is said of the field, and nothing makes it stumble."""

from decimal import Decimal

import pytest

from billfold.door.wire import Name, Text, Wire, decode, decoder
from billfold.kit.errors import Refusal


def faults_of(kind: object, body: bytes) -> list[str]:
    with pytest.raises(Refusal) as refused:
        decode(decoder(kind), body)
    return [problem.say(about) for problem, about in refused.value.problems]


@pytest.mark.parametrize("bracket", [b"[", b"{", b"]", b"[{"])
def test_brackets_that_all_stand_in_a_text_are_no_depth(bracket):
    """The whole body is that text, so that outside of it there is no bracket at all."""
    assert decode(decoder(str), b'"' + bracket * 100 + b'"') == (bracket * 100).decode()


class Line(Wire):
    amount: Decimal
    note: Text | None = None


class Order(Wire):
    name: Name
    lines: list[Line] = []


class Exact(Wire, forbid_unknown_fields=True):
    days: int | None = None
    inner: "Exact | None" = None


@pytest.mark.parametrize("body, faults", [
    (b'{"name":7,"name":"A"}', ["name: an instance of str could not be constructed"]),
    (b'{"name":"","name":"A"}', ["name: must not be blank"]),
    (b'{"name":"A","lines":[{"amount":1},{"amount":"ten","amount":1}]}',
     ["lines[1].amount: an instance could not be constructed: invalid value"]),
    (b'{"name":"A","lines":{},"lines":[]}', ["lines: an instance of array could not be constructed"]),
])  # fmt: skip
def test_a_name_sent_twice_the_first_time_wrong_is_told_by_its_place(body, faults):
    assert faults_of(Order, body) == faults


@pytest.mark.parametrize("body, faults", [
    (b'{"DAYS":1}', ["body: has no field DAYS"]),
    (b'{"days":1,"inner":{"weeks":1}}', ["inner: has no field weeks"]),
    (b'{"days":"ten","weeks":1}',
     ["body: has no field weeks", "days: an instance of int could not be constructed"]),
    (b'{"' + b"x" * 5000 + b'":1}', ["body: has no field " + "x" * 100]),
])  # fmt: skip
def test_a_field_that_is_not_known_is_told_where_none_may_be(body, faults):
    assert sorted(faults_of(Exact, body)) == faults
