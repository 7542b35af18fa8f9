"""What is said after a button was pressed; its name stands in the address, to survive a redirect."""

from collections.abc import Mapping

SAID = {
    "tested": "A test event is on its way.",
    "resent": "The event is on its way again, under the same id.",
    "missed": "Events to be sent again: {n}.",
    "none-missed": "Nothing was missed between these times.",
    "enabled": "Enabled: events are sent from now on. What was missed can be sent again.",
    "disabled": "Disabled: nothing is sent until it is enabled again.",
}


def going(path: str, name: str, n: int | None = None) -> str:
    """The address of a page that shall say this."""
    assert name in SAID, name
    return f"{path}?said={name}" + (f"&n={n}" if n is not None else "")


def said_by(query: Mapping[str, str]) -> str:
    """Nothing that stands in an address is said itself, but for a number."""
    n = query.get("n", "")
    return SAID.get(query.get("said", ""), "").format(n=n if n.isdecimal() and len(n) < 10 else "")
