"""The room behind the sign-in: who comes in by a cookie, what is shown to them and what they may do."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billfold.access import organizations, roles, sessions
from billfold.access.roles import Permission
from billfold.access.sessions import Session, Uses
from billfold.access.users import User
from billfold.console.cookies import Cookies
from billfold.console.said import said_by
from billfold.door import page_door
from billfold.door.page_door import HEADERS, PLAIN, Asked, Elsewhere, PageDoor
from billfold.door.watch import Watch
from billfold.kit.callers import Caller
from billfold.kit.environment import Environment
from billfold.kit.errors import SESSION_INVALID, Refusal
from billfold.kit.work import Work

T = TypeVar("T")

FOLDER = Path(__file__).parent / "pages"
SCRIPTED = f"{PLAIN}; script-src 'self'; connect-src 'self'"
SIGN_IN, SECOND_FACTOR = "/console/sign-in", "/console/second-factor"

# What a page shows, and what a button does: it says where to go on.
Look = Callable[[Work, Request], msgspec.Struct]
Does = Callable[[Request, Asked, Caller], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is in the room; `place` says in which environment, where it is not the first."""

    name: str
    organization: str
    place: str


class ConsoleDoor(PageDoor):
    """Pages on which htmx may run: what it asks for is answered so that it can put it in its place."""

    def __init__(self, environment: Environment, watch: Watch, under: str) -> None:
        super().__init__(environment, watch, under, (FOLDER, page_door.FOLDER), SCRIPTED)

    def sent_off(self, request: Request, path: str) -> Response:
        """A script would put the page it is led to within the one that is there."""
        if "hx-request" not in request.headers:
            return self.led(request, path)
        return Response(status_code=204, headers={**HEADERS, "hx-redirect": self.under + path})

    def trouble(self, request: Request, refusal: Refusal) -> Response:
        """Said above what is there, which stays."""
        problem, about = refusal.problems[0]
        said = problem.say(about).removeprefix("status: ")
        response = self.html("trouble.html", problem.status, said=said, visitor=None, here="")
        response.headers["hx-reswap"] = "none"
        return response


class Room:
    """Everything here asks for a session in its cookie that is trusted: in an organization with
    two-step sign-in nothing is shown before the second step."""

    def __init__(self, environment: Environment, watch: Watch, uses: Uses, under: str) -> None:
        self.environment = environment
        self.uses = uses
        self.door = ConsoleDoor(environment, watch, under)
        self.cookies = Cookies(environment.policy.base_url, under)
        self.place = under.rpartition("/")[2]

    def page(self, path: str, template: str, may: Permission, look: Look) -> Route:
        async def answer(request: Request) -> Response:
            def unit(work: Work) -> tuple[Visitor, msgspec.Struct]:
                self._admit(work, request, may)
                return self._visitor(work), look(work, request)

            visitor, seen = await self._noted(request, self.environment.read(unit))
            digest = _digest(seen)
            if request.query_params.get("seen") == digest:
                return Response(status_code=204, headers=HEADERS)
            return self.door.marked(
                request, template, 200, seen=seen, digest=digest, visitor=visitor,
                here=request.scope["path"], said=said_by(request.query_params),
                live=request.query_params.get("live") != "off",
            )  # fmt: skip

        return self.door.route(path, answer)

    def button(self, path: str, may: Permission, does: Does) -> Route:
        """What is done with a form; then the page is asked for again, by htmx or by the browser."""

        async def answer(request: Request) -> Response:
            asked = await self.door.sent(request)
            unit = lambda work: self._admit(work, request, may)
            session = await self._noted(request, self.environment.glance(unit))
            return self.door.led(request, await does(request, asked, session.caller))

        return self.door.route(path, answer, ["POST"])

    def recognise(self, work: Work, request: Request) -> Session:
        """Whose cookie this is, trusted or not; the unit goes on as theirs. Raises Elsewhere."""
        try:
            session = sessions.of_browser(work, self.cookies.session(request))
            self.uses.check(session, work.now)
        except Refusal:
            raise Elsewhere(SIGN_IN) from None
        request.state.admitted = session, work.now
        work.caller = session.caller
        return session

    def _admit(self, work: Work, request: Request, may: Permission) -> Session:
        session = self.recognise(work, request)
        if not session.trusted:
            raise Elsewhere(SECOND_FACTOR)
        if not roles.may(session.role, may):
            raise Refusal(roles.refusal_of(may, False, False))
        return session

    def _visitor(self, work: Work) -> Visitor:
        user = work.find(User, work.user_id, SESSION_INVALID)
        organization = organizations.own(work)
        return Visitor(f"{user.first_name} {user.last_name}", organization.name, self.place)

    async def _noted(self, request: Request, admits: Awaitable[T]) -> T:
        """Whoever was let in has used the session, unless the page only looked by itself whether
        anything is new: one that was left open shall not keep it."""
        try:
            return await admits
        finally:
            if (
                found := getattr(request.state, "admitted", None)
            ) and "seen" not in request.query_params:
                self.uses.note(*found)


def _digest(seen: msgspec.Struct) -> str:
    """Tells whether anything on a page has changed since it was sent."""
    return hashlib.blake2b(msgspec.json.encode(seen), digest_size=9).hexdigest()
