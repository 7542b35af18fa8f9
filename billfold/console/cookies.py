"""Cookies of the console: the session, and the ids by which a browser is remembered for its users.

They go to the console's own paths and to no other site's requests, and no script reads them.
"""

from starlette.requests import Request

from billfold.access import mfa
from billfold.door import forgery

SESSION = "billfold-console"
REMEMBERED_SECONDS = int(mfa.REMEMBERED.total_seconds())


class Cookies:
    """Those of one environment, which lies behind `under`."""

    def __init__(self, base_url: str | None, under: str) -> None:
        self._always_https = (base_url or "").startswith("https:")
        self._path = f"{under}/console"

    def session(self, request: Request) -> str:
        """The id of the session, "" without one."""
        return request.cookies.get(self._name(request, SESSION), "")

    def remembered(self, request: Request, user_id: str) -> str | None:
        return request.cookies.get(self._name(request, f"{SESSION}-{user_id}"))

    def keep_session(self, request: Request, token: str) -> str:
        """The Set-Cookie header; it ends with the browser, and earlier with the session."""
        return self._set(request, SESSION, token)

    def drop_session(self, request: Request) -> str:
        return self._set(request, SESSION, "", "; Max-Age=0")

    def remember(self, request: Request, user_id: str, token: str) -> str:
        """One for each user: two people, or one with two organizations, do not forget each other."""
        return self._set(request, f"{SESSION}-{user_id}", token, f"; Max-Age={REMEMBERED_SECONDS}")

    def _set(self, request: Request, name: str, value: str, lasts: str = "") -> str:
        secure = "; Secure" if self._is_https(request) else ""
        rest = f"Path={self._path}; HttpOnly; SameSite=Strict{lasts}{secure}"
        return f"{self._name(request, name)}={value}; {rest}"

    def _name(self, request: Request, name: str) -> str:
        return f"__Secure-{name}" if self._is_https(request) else name

    def _is_https(self, request: Request) -> bool:
        return self._always_https or forgery.is_https(request)
