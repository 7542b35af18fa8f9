"""Who asks: headers that each kind of gate lets in, opened anew when a request has ended them."""

from billfold import demo_world
from billfold.door.gates import Gate
from tests.desk import Desk

OF_SESSION = {"sessionId", "devKey"}


class Sessions:
    """`headers(gate)` is the one place that knows what a gate wants to see."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.opened = 0
        self._kept: dict[tuple[str, ...], dict[str, str]] = {}

    def headers(self, gate: Gate) -> dict[str, str]:
        """The most that a gate can ask for: a trusted session of an administrator."""
        if gate.headers not in self._kept:
            self._kept[gate.headers] = self._open(gate)
        return self._kept[gate.headers]

    def heard(self, gate: Gate, sent: dict[str, str], status: int) -> None:
        """A 401 to all that was asked for ends it: a request before has logged out."""
        kept = self._kept.get(gate.headers, {})
        if status == 401 and kept.items() <= sent.items():
            self._kept.pop(gate.headers, None)

    def _open(self, gate: Gate) -> dict[str, str]:
        if not gate.headers:
            return {}
        assert set(gate.headers) <= OF_SESSION, f"how is a session for the gate {gate.name} opened?"
        self.opened += 1
        self.desk.signs_in()
        return {"sessionId": self.desk.session, "devKey": demo_world.DEVELOPER_KEY}
