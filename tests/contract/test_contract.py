"""Holds the operation table against the contract, and the contract against itself."""

import importlib.util

import pytest

from tests.contract.nodes import paths
from tests.contract.reading import HERE, METHODS, Operation, contract, read_yaml, split_host

AUTH = ("none", "session", "partner", "apiToken", "session | partner | apiToken")
YAML_FILES = sorted(HERE.glob("*.yaml"))


def table() -> list:
    """Empty only while there is no billfold.app; one that cannot be imported is an error."""
    if not importlib.util.find_spec("billfold") or not importlib.util.find_spec("billfold.app"):
        return []
    from billfold.app import OPERATIONS

    return OPERATIONS


TABLE = table()
API = [operation for operation in TABLE if split_host(operation.path)]
needs_server = pytest.mark.skipif(not TABLE, reason="there is no billfold.app yet")
each_operation = pytest.mark.parametrize("built", API, ids=lambda built: f"{built.method} {built.path}")


def gate_fits(operation: Operation, gate: str) -> bool:
    """`mfa` in words means: it depends on the body, so the gate itself asks for a session only."""
    if operation.auth == "none":
        return gate == "public"
    if operation.auth == "session":
        # Logout ends a partner's session too.
        return gate.startswith("trusted" if operation.mfa is True else "signed in")
    level = {"session | partner | apiToken": "events", "partner": "partner", "apiToken": "spend"}
    return gate.startswith(level[operation.auth])


@needs_server
def test_the_table_has_operations_of_the_api():
    assert API, "no route begins with /connect/v3/, /connect-events/v3/ or /api/v2/"


@needs_server
@each_operation
def test_each_operation_is_in_the_contract(built):
    operation = contract().of_server(built.method, built.path)
    assert operation, f"{built.do.__name__}: {built.method} {built.path} is not in the contract"
    assert built.status == operation.status, f"{operation.name}: success is {operation.status}"
    fits = gate_fits(operation, built.gate.name)
    asked = f"auth {operation.auth!r}, mfa {operation.mfa!r}"
    assert fits, f"{operation.name}: gate {built.gate.name!r}, but {asked}"


@needs_server
def test_no_operation_is_built_twice():
    """Another spelling of the same operation is an alias: it has to do the same."""
    done: dict[str, str] = {}
    for built in API:
        operation, does = contract().of_server(built.method, built.path), built.do.__name__
        if operation:
            assert done.setdefault(operation.name, does) == does, operation.name


@pytest.mark.parametrize("file", YAML_FILES, ids=lambda file: file.name)
def test_each_file_parses(file):
    assert read_yaml(file)["operations"]


def test_each_operation_of_the_files_can_be_read():
    """Reading resolves every $ref and enum_ref, so it raises when one is missing."""
    known = contract()
    assert len(known.operations) >= 326 + 276
    for operation in known.operations.values():
        assert operation.method in METHODS
        assert operation.status in (200, 201, 204)
        assert operation.auth in AUTH
        assert known.find(*operation.key) is operation, operation.name
        assert all(node.kinds for _, node in paths(operation.answer))


def test_each_schema_can_be_read():
    known = contract()
    for file, content in known.files.items():
        for name in content.get("schemas") or {}:
            assert known.schema(file, name).kinds, f"{file}.{name}"


def test_the_index_and_the_shapes_name_no_other_operations():
    known = contract()
    assert not known.index.keys() - known.operations.keys()
    assert not known.shapes.keys() - known.operations.keys()
