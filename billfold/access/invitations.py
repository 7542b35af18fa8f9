"""Invitations: a mail with a link by which a new user sets a password and begins.

The token has 240 bits and is kept as a digest; a second invitation ends the first.
"""

from datetime import datetime, timedelta

from billfold.access import authenticators, notices, organizations, passwords, users
from billfold.access.users import Login, User
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import LINK_INVALID, NOT_FOUND, TOKEN_EXPIRED, Refusal
from billfold.kit.secrets import digest
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

LIFE = timedelta(days=7)


@table("invitations", by=["user_id"])
class Invitation(Owned, frozen=True):
    """`id` is the digest of the token; `secret` is that of an authenticator, sealed, where people prove
    who they are by one."""

    user_id: str
    expires_time: datetime
    secret: bytes | None = None


class Guest:
    """Who was invited, and what the page asks of them."""

    def __init__(self, work: Work, invitation: Invitation) -> None:
        self.invitation = invitation
        self.user = work.find(User, invitation.user_id)
        login = work.connection.first(Login, id=self.user.login_id)
        assert login is not None, "a user's login is gone"
        self.login: Login = login
        self.organization = organizations.own(work)
        secret = invitation.secret
        self.secret = work.secrets.open(secret, invitation.id) if secret else None

    @property
    def has_password(self) -> bool:
        """A person who works for another organization already proves it by the same password."""
        return self.login.password_hash is not None


def invite(work: Work, user: User) -> None:
    """Mail the user a link. Where no mail can be sent whoever runs this server hands one over."""
    if notices.reach(work):
        name, by = organizations.own(work).name, work.rows(User, id=work.user_id)
        invites = f"{by[0].first_name} {by[0].last_name} invites you" if by else "you are invited"
        notices.mail(
            work, user, f"Billfold: you are invited to work for {name}",
            f"{user.first_name} {user.last_name}, {invites} to work for {name} in Billfold.\n\n"
            f"{link(work, user)}\n\nThe link is good for seven days, once.",
            lasts=LIFE,
        )  # fmt: skip


def link(work: Work, user: User) -> str:
    """A new link for the user; those before it lead nowhere."""
    for older in work.rows(Invitation, user_id=user.id):
        work.remove(work.hold(Invitation, older.id))
    token = work.ids.token()
    id, secret = digest(token), None
    if work.policy.authenticators and authenticators.of(work, user.id) is None:
        secret = work.secrets.seal(authenticators.new_secret(), id)
    work.add(
        Invitation, id=id, user_id=user.id, expires_time=work.now + LIFE, secret=secret
    )  # fmt: skip
    return notices.link(work, "invitation", token)


def link_for(work: Work, organization_id: str, email: str) -> str:
    """For whoever runs this server, to hand over. Raises BDC_1205 where there is no such user."""
    stored_clock(work)
    login = users.login_of(work, email)
    mine = users.users_of(work, login) if login else []
    user = next((each for each in mine if each.organization_id == organization_id), None)
    if user is None:
        raise Refusal(NOT_FOUND, email)
    work.for_organization(organization_id, user.id, because="whoever runs this server invites a user")
    return link(work, user)


def guest_of(work: Work, token: str) -> Guest:
    """Raises a refusal (404) for a link that is used, old, invented, or of a user who is archived."""
    stored_clock(work)
    found = work.connection.first(Invitation, id=digest(token))
    if found is None or work.now >= found.expires_time:
        raise Refusal(LINK_INVALID)
    work.for_organization(
        found.organization_id, found.user_id, because="the link was mailed to its user"
    )
    guest = Guest(work, found)
    if guest.user.archived or guest.organization.archived:
        raise Refusal(LINK_INVALID)
    return guest


async def accept(environment: Environment, token: str, password: str, code: str = "") -> User:
    """Set the password, or prove the one that is set; enrol the authenticator whose code is shown.

    Raises BDC_1101 for a wrong password, BDC_1143 for one that is too easy, BDC_1356 for a code."""
    guest = await environment.read(lambda work: guest_of(work, token))
    name, known = guest.login.name, guest.login.password_hash
    hash = None
    if known is None:
        organization, user = guest.organization.name, guest.user
        hash = await passwords.hashed(
            environment, password, name, organization, user.first_name, user.last_name
        )
    else:
        await passwords.prove(environment, name, password)

    def begin(work: Work) -> User:
        guest = guest_of(work, token)
        invitation = work.hold(Invitation, guest.invitation.id, LINK_INVALID)
        login = work.hold_shared(Login, guest.login.id)
        if login is None or login.password_hash != known:
            raise Refusal(LINK_INVALID)  # Another one was set meanwhile.
        if guest.secret:
            if authenticators.step_of(guest.secret, code) is None:
                raise Refusal(TOKEN_EXPIRED)
            authenticators.enrol(work, guest.user.id, guest.secret)
        if hash is not None:
            work.change(login, password_hash=hash)
        work.remove(invitation)
        work.change(work.hold(User, guest.user.id), invited=False)
        return guest.user

    return await environment.write(begin)
