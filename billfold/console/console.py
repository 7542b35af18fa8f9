"""The console: pages for people who are signed in, put together."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billfold.access.sessions import Uses
from billfold.console.room import FOLDER, Room
from billfold.console.sign_in import HOME, SignInPages
from billfold.console.webhooks import WebhookPages
from billfold.door.page_door import Elsewhere, asset
from billfold.door.watch import Watch
from billfold.kit.environment import Environment
from billfold.kit.errors import NO_SUCH_PAGE, Refusal

# Its name says which release, so that browsers may keep it.
HTMX = "htmx-2.0.11.min.js"
A_YEAR_SECONDS = 365 * 24 * 3600


class Console:
    """Of one environment; `under` is what stands before its paths."""

    def __init__(self, environment: Environment, watch: Watch, uses: Uses, under: str = "") -> None:
        room = Room(environment, watch, uses, under)
        self.routes: list[Route] = [
            asset(f"/console/{HTMX}", FOLDER / HTMX, "text/javascript", A_YEAR_SECONDS),
            asset("/console/console.js", FOLDER / "console.js", "text/javascript"),
            asset("/console/console.css", FOLDER / "console.css", "text/css"),
            *SignInPages(room).routes,
            *WebhookPages(room).routes,
            room.door.route("/console", _home),
            room.door.route("/console/{rest:path}", _nowhere, ["GET", "POST"]),
        ]


async def _home(request: Request) -> Response:
    raise Elsewhere(HOME)


async def _nowhere(request: Request) -> Response:
    raise Refusal(NO_SUCH_PAGE)
