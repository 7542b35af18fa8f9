"""Holds findings against the contract and says in plain lines what is not in it."""

from collections.abc import Iterator

from tests.contract.findings import Findings
from tests.contract.nodes import Node, paths
from tests.contract.reading import Contract, Operation
from tests.contract.recorder import UNKNOWN, UNKNOWN_V2


def check(findings: Findings, contract: Contract) -> list[str]:
    """One line a fault, sorted; empty when every answer was as documented."""
    operations = {operation.name: operation for operation in contract.operations.values()}
    faults = []
    for name, statuses in findings.items():
        for status, parts in statuses.items():
            operation = operations.get(name)
            host = operation.host if operation else "v2" if name == UNKNOWN_V2 else "connect"
            for fault, test in _faults(operation, int(status), parts, contract.errors[host]):
                faults.append(f"{name} {status}: {fault}" + (f"  [{test}]" if test else ""))
    return sorted(faults)


def _faults(operation: Operation | None, status: int, parts: dict, error: Node):
    first = next(iter(parts["fields"][""].values()))
    if status >= 400:
        yield from _against(error, parts, "error answer")
    elif operation is None:
        yield f"answers, but is not in the contract ({UNKNOWN} operation)", first
    elif status < 300:
        if status != operation.status:
            yield f"documented success is {operation.status}", first
        yield from _against(operation.answer, parts, "answer")


def _against(root: Node, parts: dict, what: str) -> Iterator[tuple[str, str]]:
    documented = {"": root} | dict(paths(root))
    for path, kinds in parts["fields"].items():
        node, place = documented.get(path), path or f"the {what}"
        for kind, test in kinds.items():
            if node is None:
                yield f"undocumented field {place} ({kind})", test
            elif not node.accepts(kind):
                yield f"{place} is {kind}, documented {' | '.join(sorted(node.kinds))}", test
    for path, values in parts["values"].items():
        node = documented.get(path)
        for value, test in values.items():
            if node and node.values and value not in node.values:
                yield f"{path} has the undocumented enum value {value!r}", test
