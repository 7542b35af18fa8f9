"""Forgery: a form is taken only from a page of ours, in the browser that was given it.

Three things must agree: the name by which the server is asked, the origin that the browser tells, and
a mark in the form that belongs to a cookie no other site can read.
"""

import hmac
from urllib.parse import urlsplit

from starlette.requests import Request

from billfold.kit.addresses import is_address, is_loopback, name_in
from billfold.kit.environment import Environment
from billfold.kit.policy import Policy

COOKIE_SECONDS = 3600
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def goes_by_its_name(request: Request, policy: Policy) -> bool:
    """Its Host is that of the public URL or another name of the server's, this machine's, or a bare
    address: to any other name a stranger's page may have led (DNS rebinding)."""
    host = request.headers.get("host", "")
    name = name_in(host)
    if is_loopback(name) or is_address(name) or name in policy.hosts:
        return True
    return host == urlsplit(policy.base_url or "").netloc


def is_of_this_origin(request: Request, base_url: str | None) -> bool:
    """Asked of every form. Our pages send no referrer, and browsers then tell "null" for the origin
    even of our own forms; what Sec-Fetch-Site says decides about those."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True  # No browser: whoever has the cookie and the mark wrote them there.
    if origin == "null":
        return site == "same-origin"
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    public = "://".join(urlsplit(base_url)[:2]) if base_url else ours
    return _plain(origin) in (_plain(ours), _plain(public))


def _plain(origin: str) -> str:
    scheme = origin.partition("://")[0].lower()
    return origin.lower().removesuffix(DEFAULT_PORTS.get(scheme, ""))


class Marks:
    """A cookie that says nothing, and the mark that a form carries with it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def given(self, request: Request) -> str:
        """The cookie this browser has, or a new one."""
        return request.cookies.get(_name(request)) or self.environment.ids.token()

    def mark(self, cookie: str) -> str:
        return self.environment.secrets.mac("form", cookie.encode()).hex()

    def fits(self, request: Request, mark: str) -> bool:
        cookie = request.cookies.get(_name(request), "")
        return bool(cookie) and hmac.compare_digest(self.mark(cookie).encode(), mark.encode())

    def set(self, request: Request, cookie: str) -> str:
        """The Set-Cookie header."""
        secure = "; Secure" if is_https(request) else ""
        rest = f"Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}"
        return f"{_name(request)}={cookie}; {rest}"


def _name(request: Request) -> str:
    """By https under a name that no other host of the domain can set."""
    return "__Host-billfold-form" if is_https(request) else "billfold-form"


def is_https(request: Request) -> bool:
    """Whether it came by https, also where a trusted proxy speaks it for us."""
    return request.url.scheme == "https"
