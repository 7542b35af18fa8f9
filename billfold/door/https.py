"""Only by https: what a proxy did not bring by it is refused before anything of it is read."""

from billfold.door import problems
from billfold.kit.clock import real
from billfold.kit.errors import NOT_HTTPS, Refusal

# For whoever looks after the process from inside, past the proxy; it says nothing of anybody's books.
OPEN_PATHS = {"/healthz"}


class OnlyHttps:
    """Around the whole server where a proxy speaks https for it: `scheme` is the trusted proxy's word.

    No redirect: the password that came in the clear would be sent again, and nobody would notice."""

    def __init__(self, serve) -> None:
        self.serve = serve

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or scope["scheme"] == "https" or scope["path"] in OPEN_PATHS:
            await self.serve(scope, receive, send)
            return
        status, body = problems.refused(Refusal(NOT_HTTPS), real())
        headers = [
            (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
