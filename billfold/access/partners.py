"""Partners: who makes organizations for others, signs in for their users, and reaches no one else's."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from billfold.access import keys, mfa, organizations, passwords, sessions, users
from billfold.access.keys import KeyKind
from billfold.access.organizations import Organization
from billfold.access.roles import RoleType
from billfold.access.sessions import Session, SessionKind
from billfold.access.users import Login, User
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    NOT_A_MEMBER,
    NOT_FOUND,
    OTHER_PARTNER,
    Refusal,
)
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

# No partner's id.
NOBODY = "nobody"


@table("partners", ids="partner")
class Partner(Record, frozen=True):
    """An account with an application key, which names it, and developer keys of its own."""

    name: str
    created_time: datetime
    # Its name is told in its organizations ("selected partners").
    shows_name: bool = False


@table("partner_users", sa.Index("ix_partner_users_partner", "partner_id", "id"))
class PartnerUser(Record, frozen=True):
    """A person who signs in as the partner. `id` is that of the login: nobody is of two partners."""

    partner_id: str
    created_time: datetime


def add(
    work: Work, name: str, application_key: str, developer_key: str, id: str | None = None
) -> Partner:
    """A partner account with the keys it begins with."""
    partner = work.insert(Partner(id or work.ids.new("partner", work.now), name, work.now))
    keys.add(work, KeyKind.APPLICATION, application_key, partner_id=partner.id)
    keys.add_developer_key(work, developer_key, partner_id=partner.id)
    return partner


def add_person(work: Work, partner: Partner, login: Login) -> PartnerUser:
    """Somebody who signs in as the partner; the login has a password."""
    return work.insert(PartnerUser(login.id, partner.id, work.now))


async def sign_in(environment: Environment, application_key: str, username: str, password: str) -> str:
    """The id of a partner's session.

    Raises BDC_1101, 1102, 1103, 1106, 1110 and 1144 (`partner.yaml`)."""

    key = await keys.admit_login(environment, KeyKind.APPLICATION, application_key)
    login = await passwords.prove(environment, username, password)

    def open_session(work: Work) -> str:
        passwords.check_still(work, login)
        person = work.connection.first(PartnerUser, id=login.id)
        if person is None or person.partner_id != key.partner_id:
            raise Refusal(OTHER_PARTNER)
        token, _ = sessions.open_session(
            work, SessionKind.PARTNER, key=key.id, organization_id="", user_id=login.id,
            role=RoleType.PARTNER, partner_id=person.partner_id,
        )  # fmt: skip
        return token

    return await environment.write(open_session)


def child(work: Work, partner_id: str, organization_id: str) -> Organization:
    """One of the partner's organizations; any other is "not found" (BDC_1205, 404)."""
    found = work.connection.first(Organization, id=organization_id)
    if found is None or found.partner_id != partner_id:
        raise Refusal(NOT_FOUND, organization_id)
    return found


def partner_of(work: Work) -> str | None:
    """The partner that made the caller's organization, which stays with it; None where nobody did."""

    def find() -> str | None:
        found = work.connection.first(Organization, id=work.organization_id)
        return (found.partner_id or NOBODY) if found else None

    found = work.lasting("partner", find)
    return None if found == NOBODY else found


def create_organization(
    work: Work, partner: Session, details: dict[str, Any], tax_id: str | UnsetType | None = UNSET
) -> Organization:
    """An organization of the partner's own, with the six roles and without users. What else happens in
    this unit happens within it. Raises BDC_1119 (400)."""
    because = "a partner makes an organization"
    return organizations.create(work, details, tax_id, because=because, partner_id=partner.partner_id)


def set_price_plan(work: Work, partner: Session, organization_id: str, plan: str) -> None:
    """Put one of the partner's organizations on another plan; raises BDC_1205 (404)."""
    assert partner.partner_id is not None
    organization = child(work, partner.partner_id, organization_id)
    because = "the partner chooses its organizations' plans"
    work.for_organization(organization.id, partner.user_id, because=because)
    work.change(organizations.hold_own(work), price_plan=plan)


def shown_names(work: Work, some: Iterable[Organization]) -> dict[str | None, str]:
    """The names of those partners of some organizations who let them be told, by their ids."""
    found = work.connection.by_id(Partner, [each.partner_id for each in some if each.partner_id])
    return {id: partner.name for id, partner in found.items() if partner.shows_name}


def login_as_user(
    work: Work, partner: Session, organization_id: str, user_id: str, remember_me_id: str | None,
    device: str | None,
) -> tuple[str, bool]:  # fmt: skip
    """A session for a user of one of the partner's organizations, and whether it is trusted.

    It goes with any developer key of the partner. Raises BDC_1205 (404) and BDC_1111 (401)."""
    assert partner.partner_id is not None
    organization = child(work, partner.partner_id, organization_id)
    user = work.connection.first(User, id=user_id)
    if user is None:
        raise Refusal(NOT_FOUND, user_id)
    if user.organization_id != organization.id:
        other = work.connection.first(Organization, id=user.organization_id)
        if other is None or other.partner_id != partner.partner_id:
            raise Refusal(NOT_FOUND, user_id)  # Others' users are not found, nor whose they are.
        raise Refusal(NOT_A_MEMBER)
    work.for_organization(organization.id, user_id, because="the partner signs in for its own user")
    user = work.hold(User, user_id)
    if user.archived or user.invited or organization.archived:
        raise Refusal(NOT_A_MEMBER)
    trusted = not organization.mfa_enabled or mfa.recalls(work, user.id, remember_me_id, device)
    token, session = sessions.open_session(
        work, SessionKind.LOGIN_AS_USER, key=partner.key, organization_id=organization.id,
        user_id=user.id, role=users.role_of(work, user).type, trusted=trusted,
        partner_id=partner.partner_id,
    )  # fmt: skip
    return token, session.trusted
