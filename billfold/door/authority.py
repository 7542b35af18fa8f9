"""A local authority: five roots and, of one after the other, the certificate that is served.

It is for clients under test, which trust `roots.pem` and should notice nothing when the certificate is
renewed. The roots may sign for this machine and the host names given and for nothing else, their keys
stay in the data folder (0600), and no trust store of the system is touched.

In the folder: `root-1.key` to `root-5.key`, `roots.pem` (their certificates, in that order), and
`served.json`, which names the file with the certificate and its key that is served.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, cast

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from billfold.kit.clock import real
from billfold.kit.errors import Unusable

Names = frozenset[x509.GeneralName]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

FOLDER, BUNDLE, SERVED, LOCK, DRAFT = "tls", "roots.pem", "served.json", "lock", "draft"
ROOTS = 5
ROOT_LIFE = timedelta(days=3653)
# BILL's are renewed about every 90 days (`common.yaml`, tls); each is good for a while longer.
RHYTHM, LEAF_LIFE = timedelta(days=90), timedelta(days=100)
# Clocks of clients may be behind.
BACKDATED = timedelta(hours=1)
# By as much processes may differ that ask the same clock.
SKEW = timedelta(seconds=1)
HERE = ("localhost", "127.0.0.1", "::1")
# What every root may sign for.
LOCAL: Names = frozenset(
    {
        x509.DNSName("localhost"),
        x509.IPAddress(ip_network("127.0.0.0/8")),
        x509.IPAddress(ip_network("::1/128")),
    }
)


Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Served(msgspec.Struct, frozen=True, rename="camel"):
    """The certificate of now: how many there were, and when its time began, by the clock that it is
    renewed by, and by which version of it; None: by nobody's yet."""

    number: int
    file: str
    issued: Moment
    since: Moment | None = None
    version: int = 0

    @property
    def root(self) -> int:
        return (self.number - 1) % ROOTS + 1


def name_of(root: int) -> str:
    return f"Billfold Local Root {root}"


class Authority:
    """What lies in `tls` of a data folder."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER

    @property
    def bundle(self) -> Path:
        """What clients trust."""
        return self.folder / BUNDLE

    @property
    def state(self) -> Path:
        """The file that changes with each new certificate."""
        return self.folder / SERVED

    def prepare(self, hosts: Iterable[str]) -> bool:
        """Make what is missing, for this machine and these names and addresses; whether roots had to be
        signed anew, which clients that hold copies of them must be given again.

        Raises Unusable where the folder or something in it cannot be used."""
        wanted = _names([*HERE, *hosts])
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unusable(f"{self.folder} cannot be used: {error}") from None
        with self._locked():
            anew = self._prepare_roots(wanted)
            if not self.state.exists():
                self._issue(wanted)
                return anew
            served = self.served()
            if not (self.folder / served.file).exists() or _covered(self.leaf()) != wanted:
                self._issue(wanted)
            elif served.version:  # Whoever serves from here on may have another clock's versions.
                self._keep(served, version=0)
            return anew

    def served(self) -> Served:
        """Raises Unusable where there is none."""
        try:
            return msgspec.json.decode(self.state.read_bytes(), type=Served)
        except FileNotFoundError:
            raise Unusable(
                f"{self.folder} holds no certificates: `billfold serve --tls` makes them"
            ) from None
        except (OSError, msgspec.MsgspecError) as error:
            raise Unusable(f"{self.state} cannot be used: {error}") from None

    def file(self, served: Served) -> str:
        return str(self.folder / served.file)

    def leaf(self) -> x509.Certificate:
        """The certificate that is served."""
        return self._read(self.folder / self.served().file)[0]

    def bundle_text(self) -> str:
        self.served()
        return self.bundle.read_text()

    def roots(self) -> list[x509.Certificate]:
        found = self._read(self.bundle)
        if len(found) != ROOTS:
            raise Unusable(f"{self.bundle} cannot be used: it holds {len(found)} certificates")
        return found

    def rotate(self) -> Served:
        """A new certificate, of the next root, for the same names; the rhythm stays what it was."""
        self.served()
        with self._locked():
            return self._issue(_covered(self.leaf()))

    def renew(self, now: datetime, version: int) -> None:
        """A new one where its time is over by a clock of this version, or nearly by the machine's,
        whose dates the certificate has. A clock that was put back, or begins, is gone by from there on.

        Nothing is done while another process is at it: who asks again finds it done."""
        with suppress(BlockingIOError), self._locked(waits=False):
            served = self.served()
            if not is_over(served, now, version):
                return
            begins = served.since is None or now < served.since
            if begins and not _is_dated(served):
                self._keep(served, since=now, version=version)
            else:
                self._issue(_covered(self.leaf()), now, version)

    def _keep(self, served: Served, **changed: object) -> None:
        self._write(self.state, msgspec.json.encode(msgspec.structs.replace(served, **changed)))

    def _issue(self, names: Names, since: datetime | None = None, version: int = 0) -> Served:
        before = self.served() if self.state.exists() else None
        number = before.number + 1 if before else 1
        if since is None and before:
            since, version = before.since, before.version
        served = Served(number, _file(number), real(), since, version)
        root, root_key = self.roots()[served.root - 1], self._key(served.root)
        if root.public_key() != root_key.public_key():
            raise Unusable(f"root-{served.root}.key in {self.folder} is not that of {BUNDLE}")
        key = ec.generate_private_key(ec.SECP256R1())
        made = _leaf(names, key, served.issued, root, root_key)
        self._write(
            self.folder / served.file, _pem(key) + made.public_bytes(serialization.Encoding.PEM)
        )
        self._write(self.state, msgspec.json.encode(served))
        # The one before may just be being read.
        (self.folder / _file(number - 2)).unlink(missing_ok=True)
        return served

    def _prepare_roots(self, wanted: Names) -> bool:
        """They keep their names and keys when they may sign for more, or their time is nearly over."""
        known, now = self.bundle.exists(), real()
        roots = self.roots() if known else []
        allowed = LOCAL.union(*map(_permitted, roots))
        allowed |= {_subtree(each) for each in wanted if not _may(allowed, each)}
        lasting = all(
            each.not_valid_before_utc <= now < each.not_valid_after_utc - LEAF_LIFE for each in roots
        )
        if known and lasting and all(_permitted(each) == allowed for each in roots):
            return False
        signed = [
            _root(name_of(each), self._key(each, make=not known), now, allowed)
            for each in range(1, ROOTS + 1)
        ]
        self._write(
            self.bundle, b"".join(each.public_bytes(serialization.Encoding.PEM) for each in signed)
        )
        return known

    def _key(self, root: int, make: bool = False) -> Key:
        path = self.folder / f"root-{root}.key"
        if make:
            self._write(path, _pem(_root_key(root)))
        try:
            # That a root's key fits its certificate is asked of both when something is signed.
            key = serialization.load_pem_private_key(
                path.read_bytes(), None, unsafe_skip_rsa_key_validation=True
            )
        except (OSError, ValueError, TypeError) as error:
            raise Unusable(f"{path} cannot be used: {error}") from None
        return cast(Key, key)

    def _read(self, path: Path) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise Unusable(f"{path} cannot be used: {error}") from None

    def _write(self, path: Path, content: bytes) -> None:
        """Whole or not at all, and for its owner alone."""
        draft = self.folder / DRAFT
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self, waits: bool = True) -> Iterator[None]:
        """Of several processes one at a time; raises BlockingIOError where it does not wait."""
        try:
            with open(os.open(self.folder / LOCK, os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError:
            raise
        except OSError as error:
            raise Unusable(f"{self.folder} cannot be used: {error}") from None


def is_over(served: Served, now: datetime, version: int) -> bool:
    """Whether the certificate is to be renewed, or its time to begin. Who goes by an older version of
    the clock than it was renewed by has not heard of the newer one yet, and judges by dates alone."""
    if _is_dated(served):
        return True
    if version < served.version:
        return False
    if served.since is None or now < served.since - SKEW:
        return True
    return now >= served.since + RHYTHM


def _is_dated(served: Served) -> bool:
    """By the machine's clock, which may also have been ahead."""
    return not served.issued - BACKDATED <= real() < served.issued + RHYTHM


def _file(number: int) -> str:
    return f"served-{number}.pem"


def names_of(leaf: x509.Certificate) -> list[str]:
    """Whom a certificate is for, in words."""
    return sorted(str(each.value) for each in _covered(leaf))


def _names(hosts: Iterable[str]) -> Names:
    return frozenset(map(_name, hosts))


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host.lower())


def _covered(leaf: x509.Certificate) -> Names:
    return frozenset(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _permitted(root: x509.Certificate) -> Names:
    found = root.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    return frozenset(found or ())


def _subtree(name: x509.GeneralName) -> x509.GeneralName:
    """What permits a name; one of DNS stands for those below it as well."""
    return x509.IPAddress(ip_network(name.value)) if isinstance(name, x509.IPAddress) else name


def _may(allowed: Names, name: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress):
        one = ip_network(name.value)
        return any(_holds(each.value, one) for each in allowed if isinstance(each, x509.IPAddress))
    domains = (each.value for each in allowed if isinstance(each, x509.DNSName))
    return any(f".{name.value}".endswith(f".{each}") for each in domains)


def _holds(network: object, one: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(network, IPv4Network) and one.subnet_of(network)
    return isinstance(network, IPv6Network) and one.subnet_of(network)


def _root_key(root: int) -> Key:
    """Two of RSA and three of elliptic curves, as with the roots that BILL names: a client must manage
    both."""
    if root <= 2:
        return rsa.generate_private_key(65537, 3072)
    return ec.generate_private_key(ec.SECP384R1() if root < ROOTS else ec.SECP256R1())


def _root(name: str, key: Key, now: datetime, allowed: Names) -> x509.Certificate:
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


def _leaf(
    names: Names, key: Key, now: datetime, root: x509.Certificate, root_key: Key
) -> x509.Certificate:
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


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
