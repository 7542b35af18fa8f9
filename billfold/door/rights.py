"""Who may do what, as a page: one table of permissions and roles, and the operations of each."""

from collections.abc import Iterable

from billfold.access.roles import DEFAULTS, SYNC_TOKEN_GRANTS, Permission, may
from billfold.door.operations import Operation

OPENING = """\
# Roles

Printed by `billfold roles`. Every operation of a signed-in user asks for one permission; the rights
follow the summary in BILL's help center. Roles that no organization begins with (CUSTOM, PARTNER,
MEMBER and the like) may what is asked of everybody, and nothing else. A sync token acts for a user and
may what both may.
"""


def drawn(operations: Iterable[Operation]) -> str:
    by_permission: dict[Permission, list[str]] = {each: [] for each in Permission}
    for each in operations:
        if each.may is not None:
            by_permission[each.may].append(f"`{each.method} {each.path}`")
    roles = list(DEFAULTS)
    head = ["Permission", *(role.capitalize() for role in roles), "Sync token"]
    lines = [OPENING, _row(head), _row(["---"] * len(head))]
    for permission in Permission:
        marks = ["yes" if may(role, permission) else "" for role in roles]
        marks.append("yes" if permission in SYNC_TOKEN_GRANTS else "")
        lines.append(_row([permission, *marks]))
    for permission, paths in by_permission.items():
        lines += [f"\n## {permission}\n", *(f"- {path}" for path in paths)]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
