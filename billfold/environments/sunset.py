"""An environment's last day: told with every answer from when it is set, and kept (RFC 8594)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

from billfold.kit import calendar

# How each API's base follows that of its environment (`common.yaml`, environments).
EVENTS, V2, V3 = "/connect-events", "/api/v2", "/connect"
CONTROL = "/_control"
LINK_LENGTH_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Sunset:
    """`ends` is the moment from which nothing is answered any more. `successor` is a whole URL, or the
    path under which this server has the environment that goes on."""

    ends: datetime
    successor: str

    def base(self, root: str, path: str) -> str:
        """Where the API of a path goes on, as clients of it are set up; `root` is this server's."""
        if "://" in self.successor:
            return self.successor
        path = f"/{path.lstrip('/')}"
        return root + self.successor + next(api for api in (EVENTS, V2, V3, "") if path.startswith(api))

    def headers(self, base: str) -> list[tuple[bytes, bytes]]:
        return [
            (b"sunset", format_datetime(self.ends, usegmt=True).encode()),
            (b"link", f'<{base}>; rel="successor-version"'.encode()),
        ]


def after(day: date) -> datetime:
    """The end of a Pacific day."""
    return calendar.at(day + timedelta(days=1), 0)


def is_link(url: str) -> bool:
    """Whether it is the address of a server, and fits into a header as it is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and not set(url) & set(' <>"\\')
    return (
        len(url) <= LINK_LENGTH_MAX
        and plain
        and parts.scheme in ("http", "https")
        and bool(parts.netloc)
    )
