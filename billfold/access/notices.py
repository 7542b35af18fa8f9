"""Notices: mails to users, with a link to a page of ours or about what was changed."""

from datetime import timedelta

from billfold.access import messages
from billfold.access.messages import A_DAY, Channel
from billfold.access.users import User
from billfold.kit.work import Work


def reach(work: Work) -> bool:
    """Whether mail can be sent from here."""
    return messages.reaches(work, Channel.EMAIL)


def mail(
    work: Work, user: User, subject: str, text: str, lasts: timedelta = A_DAY, to: str | None = None
) -> None:
    """To the user's address, or another one of theirs. Raises a refusal where no mail can be sent."""
    line = " ".join(subject.split())  # A name in it may hold what no header may.
    messages.send(work, user.id, to or user.email, Channel.EMAIL, text, subject=line, lasts=lasts)


def tell(work: Work, user: User, subject: str, text: str, to: str | None = None) -> None:
    """That something was changed which only the user should change. It is done, also where nobody can
    be told."""
    if reach(work):
        if_not = "If it was not you, tell an administrator of your organization at once."
        mail(work, user, subject, f"{text}\n\n{if_not}", to=to)


def link(work: Work, page: str, token: str) -> str:
    """To a page of ours; whoever has it can do what the page does."""
    return f"{work.policy.base_url or ''}/{page}/{token}"
