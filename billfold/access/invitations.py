"""Invitations: who was added to an organization is told so by e-mail."""

from billfold.access import messages, organizations
from billfold.access.messages import Channel
from billfold.access.users import User
from billfold.kit.work import Work


def invite(work: Work, user: User) -> None:
    """Tell a new user who invites them, and to which organization."""
    inviter, organization = work.find(User, work.user_id), organizations.own(work)
    who = f"{inviter.first_name} {inviter.last_name}".strip()
    text = f"{who} invites you to work for {organization.name} with Billfold."
    subject = f"Your invitation to {organization.name}"
    messages.send(work, user.id, user.email, Channel.EMAIL, text, subject=subject)
