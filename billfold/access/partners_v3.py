"""Partners as the v3 API says them: their sessions, their organizations, and the people in those."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from billfold.access import partners, risk, users, users_v3
from billfold.access.mfa import PhoneType
from billfold.access.organizations import Organization
from billfold.access.organizations_shapes_v3 import (
    OrganizationList,
    OrganizationRequest,
    OrganizationView,
    details,
    view,
    views,
)
from billfold.access.sessions import Session
from billfold.access.sessions_v3 import Given
from billfold.access.users import USERNAME_LENGTH_MAX
from billfold.access.users_v3 import Email, RoleList, RoleView, UserList, UserPatchRequest, UserView
from billfold.access.verifications_v3 import RiskPhoneRequest
from billfold.door.arrival import Arrival
from billfold.door.gates import PARTNER, PARTNER_IN_BODY, PARTNER_ON_CHILD, PUBLIC
from billfold.door.operations import Operations
from billfold.door.wire import NOT_BLANK, Name, Short, Wire
from billfold.kit import listing
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    BAD_CREDENTIALS,
    BAD_DEVELOPER_KEY,
    DEVELOPER_KEY_INACTIVE,
    INVALID_FIELD,
    INVALID_VALUE,
    LOGIN_LOCKED,
    MALFORMED,
    NOT_A_MEMBER,
    NOT_FOUND,
    NOT_POSSIBLE,
    OTHER_PARTNER,
    RATE_REACHED,
)
from billfold.kit.listing import MATCHED, Asked, Field
from billfold.kit.work import Work

operations = Operations("partner")

FIELDS = {
    "id": Field("id", MATCHED),
    **listing.TIMES,
    "name": Field("name", (), sorts=True),
}


class PartnerLoginRequest(Wire):
    app_key: Given
    username: Given
    password: Given


class PartnerLoginResponse(Wire):
    session_id: str


class LoginAsUserRequest(Wire):
    """A `sessionId` here is taken where the header is missing: so it was before June 2024."""

    user_id: Given
    organization_id: Given
    session_id: str | None = None
    remember_me_id: str | None = None
    device: str | None = None


class LoginAsUserResponse(Wire):
    session_id: str
    trusted: bool


class PricePlanRequest(Wire):
    """The up to five plans that a partner has agreed on."""

    price_plan_type: Literal["PricePlan1", "PricePlan2", "PricePlan3", "PricePlan4", "PricePlan5"]


class PricePlanResponse(Wire):
    status: Literal["SUCCESS"]


class PartnerUserRequest(Wire):
    """`username` is one person's alone, and no e-mail address. `externalReferenceId` is the partner's
    own. Without `roleId` the user becomes an administrator."""

    first_name: Name
    email: Email
    username: Annotated[str, Meta(min_length=1, max_length=USERNAME_LENGTH_MAX, pattern=NOT_BLANK)]
    accept_terms_of_service: bool
    last_name: Name | None = None
    role_id: Name | None = None
    external_reference_id: Short | None = None


class PartnerUserPatchRequest(UserPatchRequest):
    """The user name stays."""

    email: Email | UnsetType = UNSET


@operations.post(
    "/connect/v3/partner/login",
    PUBLIC,
    status=200,
    refuses=[
        BAD_CREDENTIALS,
        BAD_DEVELOPER_KEY,
        DEVELOPER_KEY_INACTIVE,
        OTHER_PARTNER,
        LOGIN_LOCKED,
        RATE_REACHED,
    ],
)
async def partner_login(environment: Environment, request: PartnerLoginRequest) -> PartnerLoginResponse:
    """Sign in as a partner. The session reaches the partner's operations and no organization's."""
    token = await partners.sign_in(environment, request.app_key, request.username, request.password)
    return PartnerLoginResponse(token)


@operations.post(
    "/connect/v3/partner/login-as-user", PARTNER_IN_BODY, status=200, refuses=[NOT_FOUND, NOT_A_MEMBER]
)
def login_as_user(work: Work, request: LoginAsUserRequest, arrival: Arrival) -> LoginAsUserResponse:
    """Sign in for a user of one of the partner's organizations.

    The session is the user's: it goes with any developer key of the partner. A remembered id of the
    user together with its device makes it trusted at once; a wrong one does not hinder it."""
    token, trusted = partners.login_as_user(
        work, _session(arrival), request.organization_id, request.user_id, request.remember_me_id,
        request.device,
    )  # fmt: skip
    return LoginAsUserResponse(token, trusted)


@operations.get("/connect/v3/partner/organizations", PARTNER)
def list_partner_organizations(work: Work, arrival: Arrival, asked: Asked) -> OrganizationList:
    """The organizations that this partner has made, and no others."""
    partner_id = _session(arrival).partner_id
    assert partner_id is not None
    page = listing.find(work, Organization, FIELDS, asked, ("partner_id", partner_id))
    return OrganizationList(views(work, page.rows), page.next_page, page.prev_page)


@operations.post("/connect/v3/partner/organizations", PARTNER, refuses=[INVALID_FIELD])
def create_organization(work: Work, arrival: Arrival, request: OrganizationRequest) -> OrganizationView:
    """Create an organization with the roles that every one has, and nobody in it yet."""
    made = partners.create_organization(work, _session(arrival), details(request), request.tax_id)
    return view(work, made)


@operations.patch("/connect/v3/partner/organizations/{organization_id}/price-plan", PARTNER)
def update_org_partner_price_plan(
    work: Work, arrival: Arrival, organization_id: str, request: PricePlanRequest
) -> PricePlanResponse:
    """Put one of the partner's organizations on another of its plans."""
    partners.set_price_plan(work, _session(arrival), organization_id, request.price_plan_type)
    return PricePlanResponse("SUCCESS")


@operations.post(
    "/connect/v3/partner/risk-verifications/{user_id}/phone", PARTNER_ON_CHILD, status=200,
    refuses=[MALFORMED],
)  # fmt: skip
def create_phone(work: Work, user_id: str, request: RiskPhoneRequest) -> None:
    """Give a user the phone that a risk verification needs, in the place of the one before."""
    risk.set_phone(work, user_id, request.phone_number, PhoneType(request.phone_type))


# What a partner asks of one of its organizations is what that organization's own people ask.


@operations.get("/connect/v3/partner/roles", PARTNER_ON_CHILD)
def list_partner_user_roles(work: Work, asked: Asked) -> RoleList:
    """The roles of one of the partner's organizations."""
    return users_v3.list_organization_user_roles(work, asked)


@operations.get("/connect/v3/partner/roles/{role_id}", PARTNER_ON_CHILD)
def get_partner_user_role(work: Work, role_id: str) -> RoleView:
    """One role of the organization."""
    return users_v3.get_organization_user_role(work, role_id)


@operations.get("/connect/v3/partner/users", PARTNER_ON_CHILD)
def list_partner_users(work: Work, asked: Asked) -> UserList:
    """The users of one of the partner's organizations, archived ones included."""
    return users_v3.list_organization_users(work, asked)


@operations.post("/connect/v3/partner/users", PARTNER_ON_CHILD, refuses=[NOT_FOUND, INVALID_VALUE])
def create_partner_user(work: Work, request: PartnerUserRequest) -> UserView:
    """Create a user, for whom the partner signs in: nobody is invited, and there is no password."""
    users_v3.check(request.email, request.accept_terms_of_service)
    user = users.add_user(
        work, first_name=request.first_name, last_name=request.last_name or "", email=request.email,
        role_id=request.role_id, username=request.username,
        external_reference_id=request.external_reference_id,
    )  # fmt: skip
    return users_v3.view(work, user)


@operations.get("/connect/v3/partner/users/{user_id}", PARTNER_ON_CHILD)
def get_partner_user(work: Work, user_id: str) -> UserView:
    """One user of the organization."""
    return users_v3.get_organization_user(work, user_id)


@operations.patch("/connect/v3/partner/users/{user_id}", PARTNER_ON_CHILD, refuses=[NOT_POSSIBLE])
def update_partner_user(work: Work, user_id: str, request: PartnerUserPatchRequest) -> UserView:
    """Change a user's name, e-mail address or role; what the user signs in with stays."""
    users_v3.check(request.email)
    return users_v3.change(work, user_id, request)


@operations.post(
    "/connect/v3/partner/users/{user_id}/archive", PARTNER_ON_CHILD, status=200, refuses=[NOT_POSSIBLE]
)
def archive_partner_user(work: Work, user_id: str) -> UserView:
    """Deactivate a user, for whom nobody signs in any more; again changes nothing."""
    return users_v3.archive_organization_user(work, user_id)


@operations.post("/connect/v3/partner/users/{user_id}/restore", PARTNER_ON_CHILD, status=200)
def restore_partner_user(work: Work, user_id: str) -> UserView:
    """Take an archived user back; again changes nothing."""
    return users_v3.restore_organization_user(work, user_id)


def _session(arrival: Arrival) -> Session:
    assert arrival.session is not None, "an operation of a partner has no partner's gate"
    return arrival.session
