"""Schemathesis over the OpenAPI document: no 5xx, no undocumented status, no answer against its schema.

It makes what the document allows and what it forbids; ids that exist are put where ids belong, and
each request has the session that the gate of its operation asks for.
"""

import re
from random import Random
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from billfold.door.openapi import document
from billfold.door.operations import Operation
from billfold.kit.idempotency import HEADER
from tests.fuzz import seeds
from tests.fuzz.bodies import is_id
from tests.fuzz.pool import camel
from tests.fuzz.requests import Request
from tests.fuzz.world import CODE, TRIED, World

CASES = 1_000
CASES_OF_PROOF = {
    "short": {"sqlite": 2_500, "postgresql": 500},
    "long": {"sqlite": 20_000, "postgresql": 4_000},
}
PASSED_MIN = 1 / 3  # Of the cases, so many come past gate and shape, or little was tried behind them.
FAILURES_MAX = 5
KNOWN_SHARE = 0.9  # Of the ids, so many are of something that exists.
# Of three cases two are as the document allows; what it forbids seldom comes past the shape check.
MODES = {GenerationMode.POSITIVE: 2, GenerationMode.NEGATIVE: 1}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


class Cases:
    """Sends cases to a world, round after round, until there were enough."""

    def __init__(self, world: World, seed: int, many: int) -> None:
        self.world = world
        self.seed = seed
        self.many = many
        self.random = Random(seed)
        self.tried = 0
        self.failures: list[str] = []
        self.base = str(world.desk.client.base_url)
        schema = schemathesis.openapi.from_dict(closed(document(TRIED)))
        # The headers of a session are the world's to send.
        schema.config.generation.update(with_security_parameters=False)
        named = {
            (each.method, re.sub(r"{\w+}", lambda name: camel(name[0]), each.path)): each
            for each in TRIED
        }
        self.strategies = [
            (operation, mode, each.as_strategy(generation_mode=mode))
            for each in (found.ok() for found in schema.get_all_operations())
            for operation in [named[each.method.upper(), each.path]]
            for mode in MODES
            if mode is GenerationMode.POSITIVE or forbids_something(operation)
        ]
        # Where there are more operations than time, every seed tries others first.
        self.random.shuffle(self.strategies)
        self.times = max(1, many // sum(MODES[mode] for _, mode, _ in self.strategies))

    def run(self) -> None:
        while self.tried < self.many and len(self.failures) < FAILURES_MAX:
            self.seed += 1
            for operation, mode, strategy in self.strategies:
                self._try(operation, strategy, self.times * MODES[mode])

    def _try(self, operation: Operation, strategy: SearchStrategy[Case], most: int) -> None:
        @hypothesis.seed(self.seed)
        @hypothesis.settings(
            max_examples=most, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @hypothesis.given(strategy)
        def each(case: Case) -> None:
            if self.tried < self.many and len(self.failures) < FAILURES_MAX:
                self.tried += 1
                self._send(operation, case)

        each()

    def _send(self, operation: Operation, case: Case) -> None:
        case.path_parameters = {
            name: self._settled(name, value) for name, value in case.path_parameters.items()
        }
        case.body = self._settled("", case.body)
        made = requests.Request(**case.as_transport_kwargs(base_url=self.base)).prepare()
        key = str(UUID(int=self.random.getrandbits(128), version=4))
        headers = dict(made.headers) | self.world.sessions.headers(operation.gate) | {HEADER: key}
        body = made.body.encode() if isinstance(made.body, str) else made.body
        request = Request(operation, made.url.removeprefix(self.base), headers, body=body)
        try:
            case.validate_response(self.world.send(request), checks=CHECKS)
        except (AssertionError, FailureGroup) as failure:
            self.failures.append(f"seed {self.seed}, case {self.tried}: {request}\n{failure}")

    def _settled(self, name: str, value: object) -> object:
        """The same with ids of what exists."""
        if isinstance(value, dict):
            return {inner: self._settled(inner, each) for inner, each in value.items()}
        if isinstance(value, list):
            return [self._settled(name, each) for each in value]
        if isinstance(value, str) and is_id(name) and self.random.random() < KNOWN_SHARE:
            return self.world.pool.pick(self.random, name) or value
        return value


def closed(said: Any) -> Any:
    """The document with no room for fields that it does not name: an answer may have none, and in a
    request they take nine tenths of the time to make (tests/fuzz/mistakes.py sends them)."""
    if isinstance(said, list):
        return [closed(each) for each in said]
    if not isinstance(said, dict):
        return said
    inner = {name: closed(each) for name, each in said.items()}
    is_object = inner.get("type") == "object" and "properties" in inner
    return {"additionalProperties": False} | inner if is_object else inner


def forbids_something(operation: Operation) -> bool:
    """Any text may be an id."""
    return bool(operation.body_name or operation.asks or operation.query)


def fuzz(world: World, seed: int, many: int, figures) -> None:
    world.looks_around()
    cases = Cases(world, seed, many)
    cases.run()
    figures(cases=cases.tried, seed=seed, **world.figures(TRIED))
    assert not cases.failures, "\n\n".join(cases.failures)
    assert world.passed > PASSED_MIN


def test_made_cases_are_answered_as_the_document_says(open_desk, sqlite_url, figures):
    world = World(open_desk(sqlite_url, mfa_code=CODE, sign_in_failures=0))
    fuzz(world, seeds.of_test(), CASES, figures)


@pytest.mark.proof
def test_very_many_made_cases(open_desk, database_url, figures):
    world = World(open_desk(database_url, mfa_code=CODE, sign_in_failures=0))
    fuzz(world, seeds.of_proof(), CASES_OF_PROOF[seeds.PROOF][world.database], figures)
