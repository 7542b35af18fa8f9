"""Writes docs/coverage.md: what of the contract is built and what the last full test run has seen."""

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.contract import spelling_v2
from tests.contract.findings import Findings
from tests.contract.nodes import paths
from tests.contract.plugin import SEEN
from tests.contract.reading import HERE, Contract, Operation, contract

PAGE = HERE.parents[1] / "docs" / "coverage.md"
OPENING = """\
# Coverage

Billfold is an independent project, compatible with BILL's public APIs; it is not made, endorsed or
supported by BILL. This page is written by `python -m tests.contract.coverage` from the contract, the
operation table and the last full test run.

Fields and errors are counted for the operations that are built: how many of the documented ones the
tests have seen in answers. Rules are those of all documented operations: documented (D), seen in client
code or logs (T), inferred (I).
"""
COLUMNS = ("Resource", "Operations", "Answer fields", "Errors", "Rules D", "T", "I")


@dataclass(frozen=True, slots=True)
class Count:
    done: int = 0
    of: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.done + other.done, self.of + other.of)

    def __str__(self) -> str:
        return f"{self.done} / {self.of}"


@dataclass(frozen=True, slots=True)
class Row:
    operations: Count
    fields: Count
    errors: Count
    rules: Counter

    def cells(self) -> list[str]:
        counts = (self.operations, self.fields, self.errors, *(self.rules[source] for source in "DTI"))
        return [str(count) for count in counts]


def built_operations(known: Contract, table: list) -> set[str]:
    found = (known.of_server(operation.method, operation.path) for operation in table)
    return {operation.name for operation in found if operation}


def fields_of(operation: Operation, findings: Findings) -> Count:
    """Named fields of the success answer at any depth; lists count through what is in them."""
    documented = {path for path, _ in paths(operation.answer) if not path.endswith("[]")}
    seen = findings.get(operation.name, {}).get(str(operation.status), {}).get("fields", {})
    return Count(len(documented & seen.keys()), len(documented))


def codes_seen(operation: Operation, findings: Findings) -> set[str]:
    """Where BILL publishes no codes (webhooks, Spend & Expense), an error of that status is enough."""
    unpublished = operation.host == "events" or operation.auth == "apiToken"
    seen: set[str] = set()
    for status, parts in findings.get(operation.name, {}).items():
        if int(status) >= 400:
            seen.update(parts["values"].get("[].code", {}), parts["values"].get(spelling_v2.CODE, {}))
            if unpublished or "no code" in parts["values"].get("[]", {}):
                seen.add(f"no code {status}")
    return seen


def errors_of(built: list[Operation], findings: Findings) -> Count:
    """An operation's own errors count for it, those of the whole file once for the resource."""
    documented, reached = set(), set()
    for operation in built:
        seen = codes_seen(operation, findings)
        for error in operation.errors:
            what = error.code or f"no code {error.http}"
            entry = (operation.name if error.own else operation.file, what)
            documented.add(entry)
            if what in seen:
                reached.add(entry)
    return Count(len(reached), len(documented))


def row(operations: list[Operation], names: set[str], findings: Findings) -> Row:
    built = [operation for operation in operations if operation.name in names]
    fields = sum((fields_of(operation, findings) for operation in built), Count())
    rules = Counter(rule.source for operation in operations for rule in operation.rules)
    return Row(Count(len(built), len(operations)), fields, errors_of(built, findings), rules)


def total(rows: list[Row]) -> Row:
    columns = zip(*((row.operations, row.fields, row.errors) for row in rows), strict=True)
    counts = (sum(column, Count()) for column in columns)
    return Row(*counts, sum((row.rules for row in rows), Counter()))


def by_resource(known: Contract) -> dict[str, list[Operation]]:
    """In the order of INDEX.md; what it does not list comes last in its resource, and v2 at the end."""
    place = {key: at for at, key in enumerate(known.index)}
    ordered = sorted(known.operations.values(), key=lambda o: (place.get(o.key, len(place)), o.name))
    headings = dict.fromkeys([*(entry[0] for entry in known.index.values()), spelling_v2.HOST])
    return {heading: [o for o in ordered if o.resource == heading] for heading in headings}


def page(known: Contract, names: set[str], findings: Findings) -> str:
    resources = by_resource(known)
    rows = {heading: row(operations, names, findings) for heading, operations in resources.items()}
    lines = [OPENING, table_line(COLUMNS), table_line(["---"] * len(COLUMNS))]
    lines += [table_line([heading, *row.cells()]) for heading, row in rows.items()]
    lines += [table_line(["**all**", *total(list(rows.values())).cells()])]
    for heading, operations in resources.items():
        lines += ["", f"## {heading}", ""]
        lines += [f"- {o.name} · {'built' if o.name in names else 'not built'}" for o in operations]
    return "\n".join(lines) + "\n"


def table_line(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def current_page(findings: Findings) -> str:
    from billfold.app import OPERATIONS  # Late: the page's own tests need no server.

    known = contract()
    return page(known, built_operations(known, OPERATIONS), findings)


def first_difference(written: str, expected: str) -> str:
    one, other = written.splitlines(), expected.splitlines()
    at = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        return f"{len(one)} lines, should be {len(other)}"
    return f"line {at + 1}: {one[at]!r}, should be {other[at]!r}"


def main(arguments: list[str], file: Path = PAGE, seen: Path = SEEN) -> int:
    checks = "--check" in arguments
    if checks and not seen.exists():
        print("coverage: no full test run is recorded here; run pytest over all tests first")
        return 1
    expected = current_page(json.loads(seen.read_text()) if seen.exists() else {})
    if not checks:
        file.parent.mkdir(exist_ok=True)
        file.write_text(expected, encoding="utf-8")
        return 0
    written = file.read_text(encoding="utf-8") if file.exists() else ""
    if written == expected:
        return 0
    print(f"coverage: {file.name} is stale, run python -m tests.contract.coverage; "
          + first_difference(written, expected))  # fmt: skip
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
