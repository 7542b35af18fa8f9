"""Signing in to the console: password, organization where there are several, second factor; and out."""

from contextlib import suppress
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from billfold.access import authenticators, browsers, messages, mfa
from billfold.access.browsers import DEVICE
from billfold.access.mfa import Status
from billfold.access.sessions import Session, close_browser
from billfold.console.room import SECOND_FACTOR, SIGN_IN, Room
from billfold.door.forms import FORGOT, SHOWN, TEXTED, USERNAME, Field, Form
from billfold.door.page_door import Asked, Elsewhere
from billfold.kit.errors import Refusal
from billfold.kit.work import Work

HOME = "/console/webhooks"
CHOOSE, SEND, SIGN_OUT = f"{SIGN_IN}/organization", f"{SECOND_FACTOR}/code", "/console/sign-out"
SIGN_IN_FORM = Form(
    "Sign in", "To the console of your organization.",
    (USERNAME, Field("password", "Password", "password", "current-password")),
    "Sign in", SIGN_IN, links=(FORGOT,),
)  # fmt: skip
REMEMBER = Field("remember", "Remember this browser for 30 days", "checkbox", required=False)
SECOND = "Second step"


@dataclass(frozen=True, slots=True)
class SecondForm(Form):
    """With other ways to get a code: where to, and what is said of it."""

    others: tuple[tuple[str, str], ...] = ()


class SignInPages:
    def __init__(self, room: Room) -> None:
        self.room = room
        self.environment = room.environment
        door = self.door = room.door
        self.routes = [
            door.form(SIGN_IN, self._asks, self._sign_in),
            door.route(CHOOSE, self._choose, ["GET", "POST"]),
            door.form(SECOND_FACTOR, self._second, self._prove),
            door.route(SEND, self._send, ["POST"]),
            door.route(SIGN_OUT, self._sign_out, ["POST"]),
        ]

    async def _asks(self, request: Request) -> Form:
        return SIGN_IN_FORM

    async def _sign_in(self, request: Request, asked: Asked) -> Response:
        browser = self.door.marks.given(request)
        homes = await browsers.prove(self.environment, asked["username"], asked["password"], browser)
        if len(homes.organizations) > 1:
            return self.door.marked(request, "choose.html", 200, homes=homes)
        return await self._enter(request, homes.ticket, homes.organizations[0].id)

    async def _choose(self, request: Request) -> Response:
        if request.method != "POST":
            raise Elsewhere(SIGN_IN)
        asked = await self.door.sent(request)
        try:
            return await self._enter(request, asked.get("ticket", ""), asked.get("organization", ""))
        except Refusal as refusal:
            return self.door.shown(request, SIGN_IN_FORM, refusal)

    async def _enter(self, request: Request, ticket: str, organization_id: str) -> Response:
        browser, cookies = self.door.marks.given(request), self.room.cookies
        token, session = await self.environment.write(
            lambda work: browsers.open_session(
                work, ticket, browser, organization_id,
                lambda user_id: cookies.remembered(request, user_id), cookies.session(request),
            )
        )  # fmt: skip
        if not session.trusted:
            await self._challenge(session)
        response = self.door.led(request, HOME if session.trusted else SECOND_FACTOR)
        response.headers.append("set-cookie", cookies.keep_session(request, token))
        return response

    async def _challenge(self, session: Session) -> None:
        """The first code is sent unasked. Where none can be, the next page says why when it is asked
        for one."""
        with suppress(Refusal):
            await self.environment.write(lambda work: mfa.challenge(work, False), session.caller)

    # The second step

    async def _second(self, request: Request) -> Form | Response:
        def look(work: Work) -> Form | None:
            if self.room.recognise(work, request).trusted:
                raise Elsewhere(HOME)
            if mfa.status(work) is Status.SETUP:
                return None
            return _form(work, request.query_params.get("to") == "backup")

        form = await self.environment.read(look)
        if form is None:
            return self.door.html("set_up.html", 200)
        return form

    async def _prove(self, request: Request, asked: Asked) -> Response:
        session, challenge = await self.environment.read(lambda work: self._asked(work, request))
        remember = bool(asked.get("remember"))
        token = await mfa.authenticate(
            self.environment, session.caller, challenge, asked.get("code", ""), DEVICE, "Console",
            remember,
        )  # fmt: skip
        response = self.door.led(request, HOME)
        if remember:
            kept = self.room.cookies.remember(request, session.user_id, token)
            response.headers.append("set-cookie", kept)
        return response

    def _asked(self, work: Work, request: Request) -> tuple[Session, str]:
        session = self.room.recognise(work, request)
        challenge = mfa.asked(work)
        return session, challenge.id if challenge else ""

    async def _send(self, request: Request) -> Response:
        backup = (await self.door.sent(request)).get("to") == "backup"
        session, _ = await self.environment.read(lambda work: self._asked(work, request))
        try:
            await self.environment.write(lambda work: mfa.challenge(work, backup), session.caller)
        except Refusal as refusal:
            return self.door.shown(request, await self._second(request), refusal)
        return self.door.led(request, f"{SECOND_FACTOR}?to=backup" if backup else SECOND_FACTOR)

    async def _sign_out(self, request: Request) -> Response:
        await self.door.sent(request)
        token = self.room.cookies.session(request)
        await self.environment.write(lambda work: close_browser(work, token))
        response = self.door.led(request, SIGN_IN)
        response.headers.append("set-cookie", self.room.cookies.drop_session(request))
        return response


def _form(work: Work, to_backup: bool) -> SecondForm:
    """What the second step asks, of who has a phone, an app or both."""
    phones = {phone.primary: phone for phone in mfa.phones(work)}
    has_app = authenticators.of(work, work.user_id) is not None
    phone = phones.get(not to_backup)
    texted = phone is not None and messages.reaches(work, phone.channel)
    others = [("", "Send a new code" if texted else "Begin again")]
    if False in phones and not to_backup:
        others.append(("backup", f"Send it to the phone that ends in {phones[False].last4}"))
    if mfa.asked(work) is None:
        return SecondForm(SECOND, "A code shows that it is you.", (), "Send a code", SEND)
    says = []
    if texted and phone:
        says.append(f"A code is on its way to your phone that ends in {phone.last4}.")
    if has_app:
        says.append("Your authenticator app shows one, too." if texted else "Your app shows a code.")
    field = replace(TEXTED if texted else SHOWN, label="Code of six digits")
    action = f"{SECOND_FACTOR}?to=backup" if to_backup else SECOND_FACTOR
    return SecondForm(
        SECOND, " ".join(says), (field, REMEMBER), "Continue", action, template="second.html",
        others=tuple(others),
    )  # fmt: skip
