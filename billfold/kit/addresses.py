"""Network addresses as they are written: which are this machine, which may be the internet's."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

# Ways to write an IPv4 address as one of IPv6, by which a gateway would lead to it: its last bits.
_AROUND_IPV4 = tuple(
    IPv6Network(each) for each in ("64:ff9b::/96", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96")
)


@lru_cache
def is_loopback(host: str) -> bool:
    """A name that is not an address and not localhost is somebody else's."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def name_in(host: str) -> str:
    """The name or address in a Host header, in small letters, without port, brackets and last dot; ""
    where it has none."""
    try:
        found = urlsplit(f"//{host}")
        name = found.hostname or ""
    except ValueError:
        return ""
    return name.removesuffix(".") if found.netloc == host and "@" not in host else ""


def may_be_public(host: str) -> bool:
    """Where a name leads is only known when it is connected to."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return not is_loopback(host)
    inner = _inner(address) if isinstance(address, IPv6Address) else None
    return all(each.is_global and not each.is_multicast for each in (address, inner) if each)


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that one of IPv6 leads to, if it does."""
    if address.sixtofour:
        return address.sixtofour
    around = any(address in network for network in _AROUND_IPV4)
    return IPv4Address(int(address) & 0xFFFFFFFF) if around else None


def is_address(host: str) -> bool:
    """A number and no name."""
    try:
        ip_address(host.strip("[]"))
        return True
    except ValueError:
        return False
