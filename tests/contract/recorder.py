"""Notes every HTTP answer of the test run, cheaply: only what no earlier answer had is kept."""

import json

from tests.contract import spelling_v2
from tests.contract.findings import Findings, Seen
from tests.contract.reading import METHODS, Operation, contract, split_host

# A path or method that is not in the contract; all their errors share one place in each version.
UNKNOWN = "unknown"
UNKNOWN_V2 = "unknown v2"
# What v2 refuses with HTTP 200 is kept, and counted, like a refusal of v3.
REFUSED = 400


class Recorder:
    def __init__(self) -> None:
        self.seen: dict[tuple[str, int], Seen] = {}

    def record(self, method: str, path: str, status: int, content: bytes) -> None:
        split = split_host(path)
        if split is None or method not in METHODS:
            return
        if split[0] == spelling_v2.HOST and spelling_v2.refuses(content):
            status = max(status, REFUSED)
        operation = contract().find(method, *split)
        name = operation.name if operation else unknown_name(method, path, status)
        seen = self.seen.get((name, status))
        if seen is None:
            seen = self.seen[name, status] = Seen(documented(operation, split[0], status))
        self._note(seen, status, content)

    def _note(self, seen: Seen, status: int, content: bytes) -> None:
        if not content:
            seen.note_kind("nothing")
            return
        try:
            answer = json.loads(content)
        except ValueError:
            seen.note_kind("text")
            return
        seen.note(answer)
        if status >= 400 and isinstance(answer, list):
            note_codeless(seen, answer)

    def findings(self) -> Findings:
        found: Findings = {}
        for (name, status), seen in self.seen.items():
            found.setdefault(name, {})[str(status)] = seen.dump()
        return found


def documented(operation: Operation | None, host: str, status: int):
    if status >= 400:
        return contract().errors[host]
    return operation.answer if operation and status < 300 else None


def unknown_name(method: str, path: str, status: int) -> str:
    if status < 400:
        return f"{UNKNOWN} {method} {path.partition('?')[0]}"
    return UNKNOWN_V2 if path.startswith(spelling_v2.BASE) else UNKNOWN


def note_codeless(seen: Seen, errors: list) -> None:
    """An error without a code is documented for errors of shape: it counts like a code of its own."""
    if seen.items and any(isinstance(error, dict) and "code" not in error for error in errors):
        seen.items.note_value("no code")


RECORDER = Recorder()


def record(method: str, path: str, status: int, content: bytes) -> None:
    """For the test client: tell each answer, with the raw path of its URL."""
    RECORDER.record(method, path, status, content)
