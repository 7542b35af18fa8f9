"""Roles: what the users of an organization may do, said once for every role.

What each may do follows the summary of `users_roles.yaml` (role_permissions). Roles that no
organization begins with and no API makes (CUSTOM, PARTNER and the like) may what anyone may who is
signed in, and nothing else.
"""

from enum import StrEnum

from billfold.kit.errors import NOT_FOUND, ROLE_MAY_NOT, ROLE_MAY_NOT_PAY, UNTRUSTED, Problem
from billfold.kit.ids import derived
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work


class RoleType(StrEnum):
    ADMINISTRATOR = "ADMINISTRATOR"
    ACCOUNTANT = "ACCOUNTANT"
    APPROVER = "APPROVER"
    PAYER = "PAYER"
    CLERK = "CLERK"
    AUDITOR = "AUDITOR"
    CUSTOM = "CUSTOM"
    PARTNER = "PARTNER"
    MEMBER = "MEMBER"
    PURCHASE_REQUESTER = "PURCHASE_REQUESTER"
    UNDEFINED = "UNDEFINED"


class Permission(StrEnum):
    """What an operation asks of the role of the user; each names one, none is left open."""

    # Whoever is signed in: one's own session, and who works here.
    SIGNED_IN = "SIGNED_IN"
    # Two-step sign-in and the proof of who one is; any role, but no token that syncs books.
    PROVE_IDENTITY = "PROVE_IDENTITY"
    MANAGE_USERS = "MANAGE_USERS"
    MANAGE_ORGANIZATION = "MANAGE_ORGANIZATION"
    VERIFY_ORGANIZATION = "VERIFY_ORGANIZATION"
    MANAGE_INTEGRATIONS = "MANAGE_INTEGRATIONS"
    VIEW_BANK_ACCOUNTS = "VIEW_BANK_ACCOUNTS"
    MANAGE_BANK_ACCOUNTS = "MANAGE_BANK_ACCOUNTS"
    VIEW_VENDORS = "VIEW_VENDORS"
    MANAGE_VENDORS = "MANAGE_VENDORS"
    VIEW_BILLS = "VIEW_BILLS"
    ENTER_BILLS = "ENTER_BILLS"
    VIEW_PAYMENTS = "VIEW_PAYMENTS"
    PAY_BILLS = "PAY_BILLS"


P, R = Permission, RoleType

_ANYONE = frozenset({P.SIGNED_IN, P.PROVE_IDENTITY})
_READ = _ANYONE | {P.VIEW_BANK_ACCOUNTS, P.VIEW_VENDORS, P.VIEW_BILLS, P.VIEW_PAYMENTS}
GRANTS: dict[RoleType, frozenset[Permission]] = {
    **dict.fromkeys(R, _ANYONE),
    R.ADMINISTRATOR: frozenset(P),
    # Everything in the books, and nothing about banks: no bank information, no online payments.
    R.ACCOUNTANT: (_READ - {P.VIEW_BANK_ACCOUNTS})
    | {P.MANAGE_INTEGRATIONS, P.MANAGE_VENDORS, P.ENTER_BILLS},
    R.APPROVER: _ANYONE | {P.VIEW_BILLS},
    R.PAYER: _READ | {P.PAY_BILLS},
    R.CLERK: _READ | {P.MANAGE_VENDORS, P.ENTER_BILLS},
    R.AUDITOR: _READ,
}
# A sync token reads and writes books; it proves nothing, pays nothing and manages nobody
# (`sessions.yaml`, sync_token).
SYNC_TOKEN_GRANTS = _READ | {P.MANAGE_INTEGRATIONS, P.MANAGE_VENDORS, P.ENTER_BILLS}
SYNC_TOKEN_GRANTS -= {P.PROVE_IDENTITY}

_ABOUT_MONEY = {P.PAY_BILLS, P.MANAGE_BANK_ACCOUNTS}

# Each organization begins with these: what clients read, and the end of the role's id.
DEFAULTS = {
    R.ADMINISTRATOR: ("Administrator", "admi"),
    R.ACCOUNTANT: ("Accountant", "acct"),
    R.APPROVER: ("Approver", "appr"),
    R.PAYER: ("Payer", "paye"),
    R.CLERK: ("Clerk", "cler"),
    R.AUDITOR: ("Auditor", "audi"),
}


@table(
    "roles", ids="user_role", by=["created_time", "updated_time", "description", "type"], lasting=True
)
class Role(Owned, frozen=True):
    type: RoleType
    description: str


def may(role: RoleType, permission: Permission, is_sync_token: bool = False) -> bool:
    """Both must allow it where a sync token acts for a user."""
    if is_sync_token and permission not in SYNC_TOKEN_GRANTS:
        return False
    return permission in GRANTS[role]


def refusal_of(permission: Permission, is_sync_token: bool, protected: bool) -> Problem:
    """How it is said that somebody may not: for a sync token what needs two-step sign-in is simply
    never trusted; about money there is a code of its own (`common.yaml`, error_code_policy)."""
    if is_sync_token and (protected or permission is P.PROVE_IDENTITY):
        return UNTRUSTED
    return ROLE_MAY_NOT_PAY if permission in _ABOUT_MONEY else ROLE_MAY_NOT


def role_id(organization_id: str, type: RoleType) -> str:
    """The id of a role that every organization has from its beginning."""
    return derived("user_role", organization_id, DEFAULTS[type][1])


def add_defaults(work: Work) -> None:
    """The roles of a new organization, which is the caller's."""
    for type, (description, _) in DEFAULTS.items():
        id = role_id(work.organization_id, type)
        work.add(Role, id=id, type=type, description=description)


def role_of(work: Work, id: str | None) -> Role:
    """The role with this id; without one the administrator's, which is the default (D)."""
    return work.find(Role, id or role_id(work.organization_id, R.ADMINISTRATOR), NOT_FOUND)
