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
from pathlib import Path
from typing import Annotated, cast

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from billfold.door import issuing
from billfold.door.issuing import BACKDATED, LEAF_LIFE, ROOTS, Key, Names
from billfold.kit.clock import real
from billfold.kit.errors import Unusable

FOLDER, BUNDLE, SERVED, LOCK, DRAFT = "tls", "roots.pem", "served.json", "lock", "draft"
# BILL's are renewed about every 90 days (`common.yaml`, tls).
RHYTHM = timedelta(days=90)
# By as much processes may differ that ask the same clock.
SKEW = timedelta(seconds=1)
HERE = ("localhost", "127.0.0.1", "::1")

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
        wanted = issuing.names([*HERE, *hosts])
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unusable(f"{self.folder} cannot be used: {error}") from None
        with self._locked():
            for each in self.folder.iterdir():
                # Somebody has opened what is to be its owner's alone.
                if each.is_file() and each != self.bundle:
                    each.chmod(0o600)
            anew = self._prepare_roots(wanted)
            if not self.state.exists():
                self._issue(wanted)
                return anew
            served = self.served()
            if not (self.folder / served.file).exists() or not self._holds(served, wanted):
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
            raise self._unusable(self.state, error) from None

    def file(self, served: Served) -> str:
        return str(self.folder / served.file)

    def leaf(self) -> x509.Certificate:
        """The certificate that is served."""
        return self._read(self.folder / self.served().file)[0]

    def bundle_text(self) -> str:
        self.served()
        self.roots()
        return self.bundle.read_text()

    def roots(self) -> list[x509.Certificate]:
        found = self._read(self.bundle)
        if len(found) != ROOTS:
            raise self._unusable(self.bundle, f"it holds {len(found)} certificates, not {ROOTS}")
        return found

    def rotate(self) -> Served:
        """A new certificate, of the next root, for the same names; the rhythm stays what it was."""
        self.served()
        with self._locked():
            return self._issue(issuing.covered(self.leaf()))

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
                self._issue(issuing.covered(self.leaf()), now, version)

    def _holds(self, served: Served, wanted: Names) -> bool:
        """Whether the certificate is for these names, and of a root that clients trust."""
        leaf, root = self.leaf(), self.roots()[served.root - 1]
        try:
            leaf.verify_directly_issued_by(root)
        except (InvalidSignature, ValueError):
            return False
        return issuing.covered(leaf) == wanted

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
        made = issuing.make_leaf(names, key, served.issued, root, root_key)
        self._write(
            self.folder / served.file, issuing.pem(key) + made.public_bytes(serialization.Encoding.PEM)
        )
        self._write(self.state, msgspec.json.encode(served))
        # The one before may just be being read.
        (self.folder / _file(number - 2)).unlink(missing_ok=True)
        return served

    def _prepare_roots(self, wanted: Names) -> bool:
        """They keep their names and keys when they may sign for more, or their time is nearly over, and
        where the file that clients trust is gone. A key that is gone is never made anew beside it."""
        known, now = self.bundle.exists(), real()
        roots = self.roots() if known else []
        allowed = issuing.LOCAL.union(*map(issuing.permitted, roots))
        allowed |= {issuing.subtree(each) for each in wanted if not issuing.may(allowed, each)}
        lasting = all(
            each.not_valid_before_utc <= now < each.not_valid_after_utc - LEAF_LIFE for each in roots
        )
        if known and lasting and all(issuing.permitted(each) == allowed for each in roots):
            return False
        signed = [
            issuing.make_root(name_of(each), self._key(each, make=not known), now, allowed)
            for each in range(1, ROOTS + 1)
        ]
        self._write(
            self.bundle, b"".join(each.public_bytes(serialization.Encoding.PEM) for each in signed)
        )
        return known or self.state.exists()

    def _key(self, root: int, make: bool = False) -> Key:
        path = self.folder / f"root-{root}.key"
        if make and not path.exists():
            self._write(path, issuing.pem(issuing.root_key(root)))
        try:
            # That a root's key fits its certificate is asked of both when something is signed.
            key = serialization.load_pem_private_key(
                path.read_bytes(), None, unsafe_skip_rsa_key_validation=True
            )
        except OSError as error:
            raise self._unusable(path, error) from None
        except (ValueError, TypeError):
            raise self._unusable(path, "it holds no private key in PEM") from None
        return cast(Key, key)

    def _read(self, path: Path) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(path.read_bytes())
        except OSError as error:
            raise self._unusable(path, error) from None
        except ValueError:
            raise self._unusable(path, "it holds no certificates in PEM") from None

    def _unusable(self, path: Path, why: object) -> Unusable:
        return Unusable(
            f"{path} cannot be used: {why} (without the folder {self.folder} everything is made anew)"
        )

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
