"""Network addresses as they are written: which are this machine, which may be the internet's."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """A name that is not an address and not localhost is somebody else's."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def may_be_public(host: str) -> bool:
    """Where a name leads is only known when it is connected to."""
    try:
        return ip_address(host.strip("[]")).is_global
    except ValueError:
        return not is_loopback(host)


def is_address(host: str) -> bool:
    """A number and no name."""
    try:
        ip_address(host.strip("[]"))
        return True
    except ValueError:
        return False
