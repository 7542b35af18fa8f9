"""Who asks: headers that each kind of gate lets in, opened anew when a request has ended them."""

from billfold import demo_world
from billfold.door.gates import Gate
from tests.desk import V3, Desk

OF_SESSION = {"sessionId", "devKey"}
OF_PARTNER = {"sessionId", "appKey", "organizationId"}
CHILD = {
    "name": "Child Ltd",
    "address": {"line1": "1 Way", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"},
}  # fmt: skip


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
        self.opened += 1
        if "appKey" in gate.headers:
            return self._open_partners(gate)
        assert set(gate.headers) <= OF_SESSION, f"how is a session for the gate {gate.name} opened?"
        self.desk.signs_in()
        return {"sessionId": self.desk.session, "devKey": demo_world.DEVELOPER_KEY}

    def _open_partners(self, gate: Gate) -> dict[str, str]:
        assert set(gate.headers) <= OF_PARTNER, f"how is a session for the gate {gate.name} opened?"
        asked = {
            "username": demo_world.PARTNER_USERNAME, "password": demo_world.PARTNER_PASSWORD,
            "appKey": demo_world.APPLICATION_KEY,
        }  # fmt: skip
        session = self.desk.call("POST", f"{V3}/partner/login", asked, session="")["sessionId"]
        headers = {"sessionId": session, "appKey": demo_world.APPLICATION_KEY}
        if "organizationId" in gate.headers:
            children = f"{V3}/partner/organizations"
            made = self.desk.call("POST", children, CHILD, status=201, session="", headers=headers)
            headers["organizationId"] = made["id"]
        return headers
