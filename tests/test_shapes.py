"""The shape of a body: what `decode` finds wrong is said of the field, and nothing makes it stumble."""

import pytest

from billfold.door.wire import decode, decoder
from billfold.kit.errors import Refusal


def faults_of(kind: object, body: bytes) -> list[str]:
    with pytest.raises(Refusal) as refused:
        decode(decoder(kind), body)
    return [problem.say(about) for problem, about in refused.value.problems]


@pytest.mark.parametrize("bracket", [b"[", b"{", b"]", b"[{"])
def test_brackets_that_all_stand_in_a_text_are_no_depth(bracket):
    """The whole body is that text, so that outside of it there is no bracket at all."""
    assert decode(decoder(str), b'"' + bracket * 100 + b'"') == (bracket * 100).decode()
