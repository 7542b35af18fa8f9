"""Every example of the reference does what it says, in a demo world where nothing was done before."""

import re
import shlex
from functools import reduce
from html import unescape
from operator import getitem
from uuid import uuid4

import pytest

from billfold.app import OPERATIONS
from billfold.door import reference
from billfold.door.examples import VARIABLE
from billfold.door.openapi import document
from billfold.examples import EXAMPLES
from tests.desk import Desk

DOCUMENT = document(OPERATIONS)
SAID = {
    each["operationId"]: each for methods in DOCUMENT["paths"].values() for each in methods.values()
}
PRINTED = {
    id: unescape(curl)
    for id, curl in re.findall(
        r'<article id="(\w+)">.*?<h4>Example</h4>\n<pre[^>]*><code>(.*?)</code></pre>',
        reference.page(OPERATIONS, EXAMPLES), re.DOTALL,
    )
}  # fmt: skip

# What is good for one time: asked for anew by each example that says it.
ONCE = {"CHALLENGE", "SETUP", "CODE"}


class Shell:
    """Somebody with the page and a terminal, who runs first what an example builds on."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.variables = {"BILLFOLD": "", **EXAMPLES.known}

    def runs(self, operation: str):
        """What the example answers, its status being the documented one."""
        method, url, headers, body = self._words(PRINTED[operation])
        status = next(iter(SAID[operation]["responses"]))
        answer = self.desk.answer(method, url, body, headers=headers, session="")
        assert str(answer.status_code) == status, f"{PRINTED[operation]}\n{answer.text}"
        is_json = answer.headers.get("content-type") == "application/json"
        return answer.json() if is_json else answer.content

    def _words(self, line: str) -> tuple[str, str, dict[str, str], bytes | None]:
        command, *words = [self._expanded(word) for word in shlex.split(line.replace("\\\n", ""))]
        assert command == "curl"
        method, headers, body = "GET", {}, None
        if words[0] == "-X":
            method, words = words[1], words[2:]
        url, *options = words
        for option, value in zip(options[::2], options[1::2], strict=True):
            if option == "-H":
                name, _, text = value.partition(": ")
                headers[name] = text
            else:
                assert option == "-d"
                body = value.encode()
        return method, url, headers, body

    def _expanded(self, word: str) -> str:
        word = word.replace("$(uuidgen)", str(uuid4()))
        return VARIABLE.sub(lambda found: self._value(found[1]), word)

    def _value(self, name: str) -> str:
        """Found where the page says it is; a session is made a trusted one."""
        if name not in self.variables or name in ONCE:
            operation, *place = EXAMPLES.made[name]
            self.variables[name] = reduce(getitem, place, self.runs(operation))
            if name == "SESSION":
                self.runs("validateChallenge")
        return self.variables[name]


@pytest.fixture
def shell(sqlite_desk) -> Shell:
    return Shell(sqlite_desk)


@pytest.mark.parametrize("operation", SAID)
def test_the_example_does_what_it_says(shell, operation):
    shell.runs(operation)


def test_a_device_is_remembered_by_the_examples(shell):
    """The session that the shell steps up is a new one, which is not trusted yet."""
    remembered = shell._value("REMEMBER_ME")
    shell.variables = {**EXAMPLES.known, "BILLFOLD": "", "REMEMBER_ME": remembered}
    shell.variables["SESSION"] = shell.runs("login")["sessionId"]
    assert shell.runs("stepUpSession") == {"trusted": True}


def test_nothing_is_told_that_no_example_says():
    """Each name of a table is one that an operation has, and each variable is used."""
    printed = "\n".join(PRINTED.values())
    used = set(VARIABLE.findall(printed)) - {"BILLFOLD"}
    assert used == {*EXAMPLES.known, *EXAMPLES.made}
    assert EXAMPLES.of.keys() <= SAID.keys()
    assert EXAMPLES.of_tag.keys() <= {tag["name"] for tag in DOCUMENT["tags"]}
    for operation, own in EXAMPLES.of.items():
        fields = set(re.findall(r'"(\w+)": ', PRINTED[operation]))
        in_path = {each["name"] for each in SAID[operation]["parameters"]}
        assert own.keys() <= fields | in_path, operation
    names = set(re.findall(r'"(\w+)": |{(\w+)}', "\n".join([printed, *DOCUMENT["paths"]])))
    assert EXAMPLES.values.keys() <= {name for pair in names for name in pair}


def test_every_operation_has_an_example():
    assert PRINTED.keys() == SAID.keys()
