"""The door of pages: how each is asked for, sent, measured and answered, whoever it is for.

Nothing that a GET asks for changes anything. A page is kept nowhere, framed nowhere and tells no other
site where somebody was; its address may hold a token.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billfold.door import forgery, problems
from billfold.door.arrival import Arrival
from billfold.door.forms import Form, Said
from billfold.door.limits import ClientLeft, read_body
from billfold.door.templates import templates
from billfold.door.watch import Watch
from billfold.kit.environment import Environment
from billfold.kit.errors import FORGED, INVALID_VALUE, WRONG_HOST, Refusal, Unavailable

FOLDER = Path(__file__).parent / "pages"
FORM_BYTES_MAX = 16 * 1024
PLAIN = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Asked = dict[str, str]
Answer = Form | Said | Response
# What a page asks, when it is opened, and what is done with what was typed.
Shows = Callable[[Request], Awaitable[Form | Response]]
Does = Callable[[Request, Asked], Awaitable[Answer]]
Answers = Callable[[Request], Awaitable[Response]]


class PageDoor:
    """`under` is what stands before the paths of an environment that is not the first. Templates are
    looked for in `folders`, one after the other; `csp` says what a browser may load for a page."""

    def __init__(
        self, environment: Environment, watch: Watch, under: str = "",
        folders: tuple[Path, ...] = (FOLDER,), csp: str = PLAIN,
    ) -> None:  # fmt: skip
        self.environment = environment
        self.watch = watch
        self.under = under
        self.marks = forgery.Marks(environment)
        self._templates = partial(templates, *folders)
        self._headers = {"content-security-policy": csp, **HEADERS}

    def route(self, path: str, answers: Answers, methods: Iterable[str] = ("GET",)) -> Route:
        """A page at a path; what is refused on it is a page as well."""

        async def answer(request: Request) -> Response:
            began = perf_counter()
            error: Exception | None = None
            try:
                if not forgery.goes_by_its_name(request, self.environment.policy):
                    raise Refusal(WRONG_HOST)
                response = await answers(request)
            except Elsewhere as elsewhere:
                response = self.sent_off(request, elsewhere.path)
            except Refusal as refusal:
                response = self.trouble(request, refusal)
            except Unavailable as trouble:
                error, response = trouble, self.trouble(request, problems.unavailable(trouble))
            except Exception as crash:
                error, response = crash, self.trouble(request, problems.broken())
            arrival = Arrival.of(request.scope)
            arrival.route = path  # Never the address itself: it may hold a token.
            self.watch.note(arrival, response.status_code, perf_counter() - began, error)
            return response

        return Route(path, answer, methods=list(methods))

    def form(
        self, path: str, shows: Shows, does: Does, methods: Iterable[str] = ("GET", "POST")
    ) -> Route:
        """A page that asks something, and asks again where what was typed is wrong."""

        async def answer(request: Request) -> Response:
            if request.method != "POST":
                return self.shown(request, await shows(request))
            asked = await self.sent(request)
            form = await shows(request)
            if isinstance(form, Response):
                return form
            try:
                _check_all(form, asked)
                return self.shown(request, await does(request, asked))
            except Again as again:
                return self.shown(request, again.form, again.refusal, asked)
            except Refusal as refusal:
                return self.shown(request, form, refusal, asked)

        return self.route(path, answer, methods)

    async def sent(self, request: Request) -> Asked:
        """What was typed into a form of ours, in the browser that was given it; or a refusal."""
        if not forgery.is_of_this_origin(request, self.environment.policy.base_url):
            raise Refusal(FORGED)
        asked = await _read(request)
        if not self.marks.fits(request, asked.get("mark", "")):
            raise Refusal(FORGED)
        return asked

    def shown(
        self, request: Request, page: Answer, refusal: Refusal | None = None, asked: Asked | None = None
    ) -> Response:
        if isinstance(page, Response):
            return page
        if isinstance(page, Said):
            return self.html("said.html", 200, page=page)
        # Secrets are typed again; the rest is as it was.
        kept = {
            each.name: (asked or {}).get(each.name, "")
            for each in page.fields if each.type != "password" and not each.digits
        }  # fmt: skip
        status = refusal.problems[0][0].status if refusal else 200
        return self.marked(
            request, page.template, status, form=page, kept=kept, wrong=_wrong(page, refusal),
            picture=_picture(page.uri),
        )  # fmt: skip

    def marked(self, request: Request, template: str, status: int, **values) -> Response:
        """A page with forms, whose mark belongs to this browser."""
        cookie = self.marks.given(request)
        response = self.html(template, status, mark=self.marks.mark(cookie), **values)
        response.headers.append("set-cookie", self.marks.set(request, cookie))
        return response

    def led(self, request: Request, path: str) -> Response:
        """To another page, which is asked for by GET whatever was asked here."""
        return Response(status_code=303, headers={**self._headers, "location": self.under + path})

    def sent_off(self, request: Request, path: str) -> Response:
        """To another page, before there is anything here for who asks."""
        return self.led(request, path)

    def trouble(self, request: Request, refusal: Refusal) -> Response:
        problem, about = refusal.problems[0]
        return self.html(
            "said.html", problem.status, page=Said("This did not work", problem.say(about))
        )

    def html(self, template: str, status: int, **values) -> Response:
        html = self._templates().get_template(template).render(under=self.under, **values)
        return Response(html, status, self._headers, media_type="text/html")


class Elsewhere(Exception):
    """Not here: who asks is led to another page of ours first."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Again(Exception):
    """A form that is asked again, because something in it is wrong."""

    def __init__(self, form: Form, refusal: Refusal) -> None:
        super().__init__()
        self.form, self.refusal = form, refusal


def asset(path: str, file: Path, media: str, seconds: int = 3600) -> Route:
    """A file that pages load, which every environment has alike; browsers keep it for so long."""
    content = cache(file.read_bytes)
    headers = {"cache-control": f"max-age={seconds}", "x-content-type-options": "nosniff"}

    async def answer(request: Request) -> Response:
        return Response(content(), headers=headers, media_type=media)

    return Route(path, answer)


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
