"""Pages for people who are not signed in: sign-up, invitation, password. Plain HTML, without a script.

Nothing that a GET asks for changes anything. A page is kept nowhere, framed nowhere and tells no other
site where somebody was; its address may hold a token.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from time import perf_counter
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billfold.access import authenticators, invitations, passwords, sign_up
from billfold.access.sign_up import Applicant
from billfold.door import forgery, forms, problems
from billfold.door.arrival import Arrival
from billfold.door.forms import Form, Said
from billfold.door.limits import ClientLeft, read_body
from billfold.door.watch import Watch
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    FORGED,
    INVALID_VALUE,
    NO_SUCH_PAGE,
    WRONG_HOST,
    Refusal,
    Unavailable,
)
from billfold.kit.phones import us_number

FOLDER = Path(__file__).parent / "pages"
FORM_BYTES_MAX = 16 * 1024
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Asked = dict[str, str]
Answer = Form | Said
# What a page asks, when it is opened, and what is done with what was typed.
Shows = Callable[[Request], Awaitable[Form]]
Does = Callable[[Request, Asked], Awaitable[Answer]]


class Pages:
    """`under` is what stands before the paths of an environment that is not the first."""

    def __init__(self, environment: Environment, watch: Watch, under: str = "") -> None:
        self.environment = environment
        self.watch = watch
        self.under = under
        self.marks = forgery.Marks(environment)
        self.routes = [
            self._page("/signup", self._sign_up, self._begin_sign_up),
            self._page("/signup/finish", self._waiting_sign_up, self._finish_sign_up, ["POST"]),
            self._page("/invitation/{token}", self._invitation, self._accept),
            self._page("/password", _always(forms.CHANGE_PASSWORD), self._change_password),
            self._page("/password/forgot", _always(forms.ASK_FOR_RESET), self._forget_password),
            self._page("/password/reset/{token}", self._reset, self._reset_password),
            Route("/pages.css", _css),
        ]

    # Signing up

    async def _sign_up(self, request: Request) -> Form:
        policy = self.environment.policy
        if not policy.sign_up:
            raise Refusal(NO_SUCH_PAGE)
        return forms.sign_up(policy.texts, policy.authenticators)

    async def _begin_sign_up(self, request: Request, asked: Asked) -> Form:
        form = await self._sign_up(request)
        number = us_number(asked["phone"]) if asked.get("phone") else None
        if number is None and (asked.get("phone") or _requires(form, "phone")):
            raise Refusal(INVALID_VALUE, "phone: must be a US phone number of ten digits")
        organization, first_name, last_name, email = (
            asked[name].strip() for name in ("organization", "first_name", "last_name", "email")
        )
        applicant = Applicant(organization, first_name, last_name, email, number)
        token = await sign_up.begin(self.environment, applicant, asked["password"])
        return await self._confirming(token)

    async def _waiting_sign_up(self, request: Request) -> Form:
        if not self.environment.policy.sign_up:
            raise Refusal(NO_SUCH_PAGE)
        return forms.confirm_sign_up("")

    async def _confirming(self, token: str) -> Form:
        found = await self.environment.read(lambda work: sign_up.secret_of(work, token))
        if found is None:
            return forms.confirm_sign_up(token)
        secret, name = found
        return forms.confirm_sign_up(token, secret, authenticators.uri(secret, name))

    async def _finish_sign_up(self, request: Request, asked: Asked) -> Answer:
        token = asked.get("token", "")
        form = await self._confirming(token)
        try:
            made = await sign_up.finish(self.environment, token, asked["mailed"], asked["code"])
        except Refusal as refusal:
            raise Again(form, refusal) from None
        shown = {
            "devKey": made.developer_key, "organizationId": made.organization_id,
            "username": made.username, "userId": made.user_id,
        }  # fmt: skip
        text = "Keep the developer key where your programs' secrets are: it is shown only now."
        return Said("You are in", text, shown)

    # Invitations

    async def _invitation(self, request: Request) -> Form:
        token = request.path_params["token"]
        guest = await self.environment.read(lambda work: invitations.guest_of(work, token))
        secret, name = guest.secret or "", guest.login.name
        uri = authenticators.uri(secret, name) if secret else ""
        return forms.invitation(guest.organization.name, name, guest.has_password, secret, uri)

    async def _accept(self, request: Request, asked: Asked) -> Said:
        form = await self._invitation(request)
        if _requires(form, "again"):
            _check_again(asked)
        code = asked.get("code", "").strip()
        token = request.path_params["token"]
        await invitations.accept(self.environment, token, asked["password"], code)
        return forms.ACCEPTED

    # Passwords

    async def _change_password(self, request: Request, asked: Asked) -> Said:
        _check_again(asked)
        await passwords.change(self.environment, asked["username"], asked["old"], asked["password"])
        return forms.CHANGED

    async def _forget_password(self, request: Request, asked: Asked) -> Said:
        name = asked["username"]
        await self.environment.write(lambda work: passwords.forget(work, name))
        return forms.SENT

    async def _reset(self, request: Request) -> Form:
        token = request.path_params["token"]
        login = await self.environment.read(lambda work: passwords.reset_of(work, token))
        return forms.reset(login.name)

    async def _reset_password(self, request: Request, asked: Asked) -> Said:
        await self._reset(request)
        _check_again(asked)
        await passwords.reset(self.environment, request.path_params["token"], asked["password"])
        return forms.CHANGED

    # How each of them is asked and answered

    def _page(self, path: str, shows: Shows, does: Does, methods=("GET", "POST")) -> Route:
        async def answer(request: Request) -> Response:
            began = perf_counter()
            error: Exception | None = None
            try:
                response = await self._answer(request, shows, does)
            except Refusal as refusal:
                response = self._trouble(refusal)
            except Unavailable as trouble:
                error, response = trouble, self._trouble(problems.unavailable(trouble))
            except Exception as crash:
                error, response = crash, self._trouble(problems.broken())
            arrival = Arrival.of(request.scope)
            arrival.route = path  # Never the address itself: it may hold a token.
            self.watch.note(arrival, response.status_code, perf_counter() - began, error)
            return response

        return Route(path, answer, methods=list(methods))

    async def _answer(self, request: Request, shows: Shows, does: Does) -> Response:
        base_url = self.environment.policy.base_url
        if not forgery.goes_by_its_name(request, base_url):
            raise Refusal(WRONG_HOST)
        if request.method != "POST":
            return self._shown(request, await shows(request))
        if not forgery.is_of_this_origin(request, base_url):
            raise Refusal(FORGED)
        asked = await _read(request)
        if not self.marks.fits(request, asked.get("mark", "")):
            raise Refusal(FORGED)
        form = await shows(request)
        try:
            _check_all(form, asked)
            return self._shown(request, await does(request, asked))
        except Again as again:
            return self._shown(request, again.form, again.refusal, asked)
        except Refusal as refusal:
            return self._shown(request, form, refusal, asked)

    def _shown(
        self, request: Request, page: Answer, refusal: Refusal | None = None, asked: Asked | None = None
    ) -> Response:
        if isinstance(page, Said):
            return self._html("said.html", 200, page=page)
        cookie = self.marks.given(request)
        # Secrets are typed again; the rest is as it was.
        kept = {
            each.name: (asked or {}).get(each.name, "")
            for each in page.fields if each.type != "password" and not each.digits
        }  # fmt: skip
        status = refusal.problems[0][0].status if refusal else 200
        response = self._html(
            "form.html", status, form=page, kept=kept, mark=self.marks.mark(cookie),
            wrong=_wrong(page, refusal), picture=_picture(page.uri),
        )  # fmt: skip
        response.headers["set-cookie"] = self.marks.set(request, cookie)
        return response

    def _trouble(self, refusal: Refusal) -> Response:
        problem, about = refusal.problems[0]
        return self._html(
            "said.html", problem.status, page=Said("This did not work", problem.say(about))
        )

    def _html(self, template: str, status: int, **values) -> Response:
        html = _templates().get_template(template).render(under=self.under, **values)
        return Response(html, status, HEADERS, media_type="text/html")


class Again(Exception):
    """A form that is asked again, because something in it is wrong."""

    def __init__(self, form: Form, refusal: Refusal) -> None:
        super().__init__()
        self.form, self.refusal = form, refusal


def _always(form: Form) -> Shows:
    async def show(request: Request) -> Form:
        return form

    return show


async def _read(request: Request) -> Asked:
    """What was typed, from a body of bounded size."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Refusal(FORGED)
    try:
        declared = request.headers.get("content-length", "")
        length = int(declared) if declared.isdigit() else 0
        body = await read_body(request.receive, length, FORM_BYTES_MAX)
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except (ValueError, ClientLeft):
        raise Refusal(FORGED) from None
    if any("\0" in value for _, value in pairs):
        raise Refusal(FORGED)
    return dict(pairs)


def _check_all(form: Form, asked: Asked) -> None:
    for each in form.fields:
        asked.setdefault(each.name, "")
        if each.required and not asked[each.name].strip():
            raise Refusal(INVALID_VALUE, f"{each.name}: is missing")


def _check_again(asked: Asked) -> None:
    if asked["password"] != asked.get("again"):
        raise Refusal(INVALID_VALUE, "again: is another password than the one above")


def _requires(form: Form, name: str) -> bool:
    return any(each.name == name and each.required for each in form.fields)


def _wrong(form: Form, refusal: Refusal | None) -> list[tuple[str, str]]:
    """Each problem with the field that it is about, called by its label."""
    labels = {each.name: each.label for each in form.fields}
    wrong = []
    for problem, about in refusal.problems if refusal else ():
        text = problem.say(about)
        name, _, rest = text.partition(": ")
        name = name.replace(" ", "_")
        wrong.append((name, f"{labels[name]}: {rest}") if name in labels else ("", text))
    return wrong


def _picture(uri: str) -> str:
    """A QR code as a PNG within the page."""
    if not uri:
        return ""
    import segno

    return segno.make(uri, error="m").png_data_uri(scale=5, border=4)


@cache
def _templates():
    from jinja2 import Environment as Templates
    from jinja2 import FileSystemLoader, StrictUndefined

    return Templates(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


@cache
def _style() -> bytes:
    return (FOLDER / "pages.css").read_bytes()


async def _css(request: Request) -> Response:
    headers = {"cache-control": "max-age=3600", "x-content-type-options": "nosniff"}
    return Response(_style(), headers=headers, media_type="text/css")
