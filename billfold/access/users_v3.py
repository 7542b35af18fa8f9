"""Users and roles as the v3 API says them; a partner says its organizations' in the same words."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from billfold.access import invitations, users
from billfold.access.roles import Permission, Role, RoleType
from billfold.access.users import User
from billfold.door.gates import SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import NOT_BLANK, Name, Stamp, Wire, sent, stamp
from billfold.kit import listing
from billfold.kit.emails import is_email
from billfold.kit.errors import INVALID_VALUE, MALFORMED, NOT_FOUND, NOT_POSSIBLE, Refusal
from billfold.kit.listing import MATCHED, Asked, Field
from billfold.kit.work import Work

operations = Operations("users")

FIELDS = {
    **listing.OWN,
    **listing.TIMES,
    "firstName": Field("first_name", (), sorts=True),
    "lastName": Field("last_name", (), sorts=True),
}
ROLE_FIELDS = {
    "id": Field("id", MATCHED),
    **listing.TIMES,
    "description": Field("description", (), sorts=True),
    # An older page of BILL's documentation has it.
    "type": Field("type", (), RoleType, sorts=True),
}

# As long as an address can be.
Email = Annotated[str, Meta(min_length=1, max_length=254, pattern=NOT_BLANK)]


class UserRequest(Wire):
    """Without `roleId` the user becomes an administrator."""

    first_name: Name
    last_name: Name
    email: Email
    accept_terms_of_service: bool
    role_id: Name | None = None


class UserPatchRequest(Wire):
    """The e-mail address stays: only a partner changes it."""

    first_name: Name | UnsetType = UNSET
    last_name: Name | UnsetType = UNSET
    role_id: Name | UnsetType = UNSET


class UserRole(Wire):
    id: str
    type: RoleType
    description: str


class UserView(Wire):
    """`lastName` is left out where a partner gave none."""

    id: str
    archived: bool
    first_name: str
    email: str
    role: UserRole
    created_time: Stamp
    updated_time: Stamp
    last_name: str = ""


class UserList(Wire):
    results: list[UserView]
    next_page: str | None = None
    prev_page: str | None = None


class RoleView(Wire):
    id: str
    type: RoleType
    description: str
    created_time: Stamp
    updated_time: Stamp


class RoleList(Wire):
    results: list[RoleView]
    next_page: str | None = None
    prev_page: str | None = None


def view(work: Work, user: User) -> UserView:
    return views(work, [user])[0]


def views(work: Work, some: list[User]) -> list[UserView]:
    """Neither what a user signs in with nor what a partner calls them is told to anyone."""
    found = work.grouped(Role, "id", list(dict.fromkeys(user.role_id for user in some)))
    roles = {id: UserRole(id, role.type, role.description) for id, (role,) in found.items()}
    return [
        UserView(
            user.id, user.archived, user.first_name, user.email, roles[user.role_id],
            stamp(user.created_time), stamp(user.updated_time), user.last_name,
        )
        for user in some
    ]  # fmt: skip


def role_view(role: Role) -> RoleView:
    return RoleView(
        role.id, role.type, role.description, stamp(role.created_time), stamp(role.updated_time)
    )


def check(email: str | UnsetType, accepts_terms: bool = True) -> None:
    """What no type can say of a user; refused like a body that has not its shape (400, no code)."""
    wrong = []
    if email is not UNSET and not is_email(email):
        wrong.append("email: must be a well-formed email address")
    if not accepts_terms:
        wrong.append("acceptTermsOfService: must be true")
    if wrong:
        raise Refusal.of([(MALFORMED, each) for each in wrong])


@operations.get("/connect/v3/users", SIGNED_IN, may=Permission.SIGNED_IN)
def list_organization_users(work: Work, asked: Asked) -> UserList:
    """The organization's users, archived ones included unless they are filtered out."""
    page = listing.find(work, User, FIELDS, asked)
    return UserList(views(work, page.rows), page.next_page, page.prev_page)


@operations.post(
    "/connect/v3/users",
    SIGNED_IN,
    may=Permission.MANAGE_USERS,
    refuses=[NOT_FOUND, INVALID_VALUE],
)
def create_organization_user(work: Work, request: UserRequest) -> UserView:
    """Add a user, who is invited by e-mail and chooses a password there.

    Somebody who works for another organization already signs in to this one with the same password."""
    check(request.email, request.accept_terms_of_service)
    user = users.add_user(
        work, first_name=request.first_name, last_name=request.last_name, email=request.email,
        role_id=request.role_id, invited=True,
    )  # fmt: skip
    invitations.invite(work, user)
    return view(work, user)


@operations.get("/connect/v3/users/{user_id}", SIGNED_IN, may=Permission.SIGNED_IN, refuses=[NOT_FOUND])
def get_organization_user(work: Work, user_id: str) -> UserView:
    """One user, archived or not."""
    return view(work, work.find(User, user_id))


@operations.patch(
    "/connect/v3/users/{user_id}", SIGNED_IN, may=Permission.MANAGE_USERS,
    refuses=[NOT_FOUND, NOT_POSSIBLE],
)  # fmt: skip
def update_organization_user(work: Work, user_id: str, request: UserPatchRequest) -> UserView:
    """Change a user's name or role; a new role counts at once, also for who is signed in.

    The last active administrator keeps the role."""
    return change(work, user_id, request)


def change(work: Work, user_id: str, request: UserPatchRequest) -> UserView:
    return view(work, users.change_user(work, user_id, **sent(request)))


@operations.post(
    "/connect/v3/users/{user_id}/archive", SIGNED_IN, status=200, may=Permission.MANAGE_USERS,
    refuses=[NOT_FOUND, NOT_POSSIBLE],
)  # fmt: skip
def archive_organization_user(work: Work, user_id: str) -> UserView:
    """Deactivate a user, whose sessions end; again changes nothing.

    Neither oneself nor the last active administrator."""
    return view(work, users.set_archived(work, user_id, True))


@operations.post(
    "/connect/v3/users/{user_id}/restore", SIGNED_IN, status=200, may=Permission.MANAGE_USERS,
    refuses=[NOT_FOUND],
)  # fmt: skip
def restore_organization_user(work: Work, user_id: str) -> UserView:
    """Take an archived user back; again changes nothing."""
    return view(work, users.set_archived(work, user_id, False))


@operations.get("/connect/v3/roles", SIGNED_IN, may=Permission.SIGNED_IN)
def list_organization_user_roles(work: Work, asked: Asked) -> RoleList:
    """The organization's roles: the six that every one begins with. Their ids are its own."""
    page = listing.find(work, Role, ROLE_FIELDS, asked)
    return RoleList([role_view(each) for each in page.rows], page.next_page, page.prev_page)


@operations.get("/connect/v3/roles/{role_id}", SIGNED_IN, may=Permission.SIGNED_IN, refuses=[NOT_FOUND])
def get_organization_user_role(work: Work, role_id: str) -> RoleView:
    """One role."""
    return role_view(work.find(Role, role_id))
