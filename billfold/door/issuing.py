"""Certificates as a local authority makes them: for which names, and what its roots may sign for."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Names = frozenset[x509.GeneralName]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

ROOTS = 5
# A certificate is good for a while longer than until it is renewed.
ROOT_LIFE, LEAF_LIFE = timedelta(days=3653), timedelta(days=100)
# Clocks of clients may be behind.
BACKDATED = timedelta(hours=1)
# What every root may sign for.
LOCAL: Names = frozenset(
    {
        x509.DNSName("localhost"),
        x509.IPAddress(ip_network("127.0.0.0/8")),
        x509.IPAddress(ip_network("::1/128")),
    }
)


def names_of(leaf: x509.Certificate) -> list[str]:
    """Whom a certificate is for, in words."""
    return sorted(str(each.value) for each in covered(leaf))


def names(hosts: Iterable[str]) -> Names:
    """Host names and addresses, as certificates have them."""
    return frozenset(map(_name, hosts))


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host.lower())


def covered(leaf: x509.Certificate) -> Names:
    """Whom a certificate is for."""
    return frozenset(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def permitted(root: x509.Certificate) -> Names:
    """What a root may sign for."""
    found = root.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    return frozenset(found or ())


def subtree(name: x509.GeneralName) -> x509.GeneralName:
    """What permits a name; one of DNS stands for those below it as well."""
    return x509.IPAddress(ip_network(name.value)) if isinstance(name, x509.IPAddress) else name


def may(allowed: Names, name: x509.GeneralName) -> bool:
    """Whether one of these subtrees holds a name."""
    if isinstance(name, x509.IPAddress):
        one = ip_network(name.value)
        return any(_holds(each.value, one) for each in allowed if isinstance(each, x509.IPAddress))
    domains = (each.value for each in allowed if isinstance(each, x509.DNSName))
    return any(f".{name.value}".endswith(f".{each}") for each in domains)


def _holds(network: object, one: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(network, IPv4Network) and one.subnet_of(network)
    return isinstance(network, IPv6Network) and one.subnet_of(network)


def root_key(root: int) -> Key:
    """Two of RSA and three of elliptic curves, as with the roots that BILL names: a client must manage
    both."""
    if root <= 2:
        return rsa.generate_private_key(65537, 3072)
    return ec.generate_private_key(ec.SECP384R1() if root < ROOTS else ec.SECP256R1())


def make_root(name: str, key: Key, now: datetime, allowed: Names) -> x509.Certificate:
    """A root that may sign for these subtrees alone."""
    subject = _subject(name)
    # In an order of its own, so that the same roots are the same bytes.
    permitted = sorted(allowed, key=lambda each: str(each.value))
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        _begun(subject, subject, key, now, ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, hashes.SHA256())
    )


def make_leaf(
    names: Names, key: Key, now: datetime, root: x509.Certificate, root_key: Key
) -> x509.Certificate:
    """A certificate for these names, to be served with this key."""
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    alternatives = sorted(names, key=lambda each: str(each.value))
    return (
        _begun(_subject("Billfold"), root.subject, key, now, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem(key: Key) -> bytes:
    """A private key, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
