"""The house is in order: imports point one way, only the clock reads the clock, no file grows wild."""

import ast
from functools import cache
from pathlib import Path

import pytest

from billfold.app import OPERATIONS
from billfold.door.rights import drawn as drawn_rights
from billfold.events import emitters
from billfold.kit import lifecycle

ROOT = Path(__file__).parent.parent / "billfold"
FILES = [path for path in sorted(ROOT.rglob("*.py")) if "versions" not in path.parts]
LINES_MAX = 400
LAYERS = ["kit", "rules", "door", "voices", "app", "cli"]
# Files and folders that are not rules, by the first part of their names.
PLACES = {
    "kit": "kit", "door": "door", "control": "voices", "demo_world": "voices", "examples": "voices",
    "app": "app",
    "cli": "cli", "cli_carry": "cli", "cli_data": "cli", "cli_environments": "cli", "cli_keys": "cli",
    "cli_listen": "cli", "cli_sandbox": "cli", "cli_sign_up": "cli", "cli_snapshots": "cli",
    "cli_webhooks": "cli",
    "console": "voices",
    "control_environments": "voices", "control_snapshots": "voices", "v2": "voices",
    "testing": "cli", "cli_certs": "cli", "drill": "cli", "healthy": "cli", "proxy": "cli",
}  # fmt: skip
# The wall between rules and the wire: no rule knows what speaks HTTP.
HTTP = {"starlette", "uvicorn", "aiohttp", "httpx2", "httpx", "urllib3"}
# Said by everyone who starts: they are told by flags and files, and import nothing of ours.
ALONE = {"settings", "__init__"}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def module_of(path: Path) -> str:
    return ".".join(("billfold", *path.relative_to(ROOT).with_suffix("").parts))


def layer(module: str) -> str:
    parts = module.split(".")
    if parts[-1].endswith("_v3"):
        return "voices"
    return PLACES.get(parts[1], "rules")


def imports(path: Path) -> set[str]:
    """Full names of modules; `from billfold.kit import listing` is one of listing."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            assert node.module
            inner = {f"{node.module}.{name.name}" for name in node.names}
            modules = {each for each in inner if is_module(each)}
            found |= modules or {node.module}
    return found


def is_module(name: str) -> bool:
    place = ROOT.parent / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def calls(path: Path) -> list[str]:
    """Whatever is called or handed on with a dot, as it is written: `datetime.now`."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.Attribute, ast.Name))
    ]


@each_file
def test_imports_point_one_way(path):
    if path.stem in ALONE or "migrations" in path.parts:
        return
    own = layer(module_of(path))
    for module in imports(path):
        if module.startswith("billfold.") and module.split(".")[1] not in (*ALONE, "migrations"):
            other = layer(module)
            assert LAYERS.index(other) <= LAYERS.index(own), f"{path.name} imports {module}"
        if own in ("kit", "rules"):
            assert module.split(".")[0] not in HTTP, f"{path.name} imports {module}"


def test_the_layers_are_told_apart():
    """So that the test above can fail."""
    assert layer("billfold.payables.bills_v3") == "voices" == layer("billfold.control")
    assert layer("billfold.payables.bills") == "rules" and layer("billfold.kit.work") == "kit"
    assert "billfold.kit.listing" in imports(ROOT / "payables" / "bills_v3.py")
    assert "billfold.door.gates" in imports(ROOT / "payables" / "bills_v3.py")


def test_areas_that_know_each_other():
    """`access` and `books` know no other area, `funding` those two, `payables` the three."""
    knows = {
        "access": set(), "books": {"access"}, "funding": {"access", "books"},
        "payables": {"access", "books", "funding"},
    }  # fmt: skip
    for path in FILES:
        area = path.relative_to(ROOT).parts[0]
        if area not in knows:
            continue
        for module in imports(path):
            other = module.split(".")[1] if module.startswith("billfold.") else ""
            allowed = {area, "kit", "door", "", *knows[area]}
            assert other in allowed, f"{path.name} imports {module}"


READERS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today", "time.gmtime",
    "time.localtime",
}  # fmt: skip


def test_only_the_clock_reads_the_wall_clock():
    guilty = {str(path.relative_to(ROOT)) for path in FILES if READERS & set(calls(path))}
    assert guilty == {"kit/clock.py"}
    named = {"time", "time_ns", "gmtime", "localtime"}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not named & {name.name for name in node.names}, path


# What times and bounds are measured by, and what is not money.
FLOATS: set[str] = set()


def test_no_money_is_a_float():
    """`float` is called nowhere, and no field or argument of an amount is one."""
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
                assert str(path.relative_to(ROOT)) in FLOATS, f"{path.name}:{node.lineno}"
            if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation:
                name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
                if "float" in ast.unparse(node.annotation):
                    assert "second" in name or "wait" in name, f"{path.name}:{node.lineno} {name}"


@each_file
def test_a_file_opens_with_what_it_is_and_stays_short(path):
    source = path.read_text()
    if not source:
        assert path.name == "__init__.py"
        return
    said = ast.get_docstring(tree(path)) or ""
    assert said.strip() and said.split("\n\n")[0].rstrip().endswith((".", ":")), path
    assert source.count("\n") <= LINES_MAX, f"{path.name} has {source.count(chr(10))} lines"


# Who works for an organization that no gate let in, and why.
CROSSINGS: dict[str, str] = {
    # The agenda does what was planned, for the organization that planned it.
    "kit/agenda_items.py": "AgendaItem.caller",
    # A session is what the gate lets in.
    "access/sessions.py": "Session.caller",
    # Whoever has proved who they are signs in.
    "access/sign_in.py": "sign_in",
    # A partner signs in for its own users, and chooses the plans of its own organizations.
    "access/partners.py": "login_as_user, set_price_plan",
    # Whoever has the mailed link acts for its user, and a password is of no organization.
    "access/invitations.py": "guest_of",
    "access/passwords.py": "_reachable",
    # A code is sent on behalf of the organization that shall be.
    "access/sign_up.py": "begin",
    # Whoever runs this server vouches for one.
    "access/verifications.py": "vouch_for",
    # A new organization is made by whoever signs up, or by a partner.
    "access/organizations.py": "found",
    # A partner's header names one of its organizations; subscriptions are a partner's or a company's.
    "door/gates.py": "_child, _subscriber",
    # One unit goes on in an organization for which a rule above gave its reason.
    "kit/work.py": "Work.for_organization, Work.on_behalf_of",
    # A partner hears of its own organizations.
    "events/outbox.py": "write_events, events_of",
    # Deliveries of many owners are packed, and recorded, in one unit.
    "events/delivery.py": "_pack_all, _record_all",
    # Whoever runs this server looks after its subscriptions.
    "events/history.py": "_act_for_owner",
    # The first organization of a new sandbox is made by nobody.
    "demo_world.py": "CALLER",
}


def test_every_way_into_an_organization_is_listed():
    """A Caller is made, or an owner crossed over to, in these files and no others."""
    makers = {
        str(path.relative_to(ROOT))
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func).split(".")[-1] in ("Caller", "for_organization", "on_behalf_of")
            or any(argument.arg == "because" for argument in node.keywords)
        )
    }
    assert makers == set(CROSSINGS)


@pytest.mark.parametrize(
    ("page", "drawn"),
    [
        ("states", lifecycle.drawn),
        ("roles", lambda: drawn_rights(OPERATIONS)),
        ("events", emitters.drawn),
    ],
)
def test_a_page_that_is_printed_is_the_one_that_lies_there(page, drawn):
    assert (ROOT.parent / "docs" / f"{page}.md").read_text() == drawn(), f"run `billfold {page}`"
