"""The local authority: what its roots may sign for, and how one certificate follows the other."""

import fcntl
import os
import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification

from billfold.door import authority as authorities
from billfold.door import issuing
from billfold.door.authority import RHYTHM, Authority
from billfold.door.issuing import ROOTS, names_of
from billfold.kit.clock import real
from billfold.kit.errors import Unusable

VERSION = 5  # Of the clock that is gone by.


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch):
    """Keys of RSA take a second; `tests/test_local_tls.py` serves with them."""
    monkeypatch.setattr(issuing, "root_key", lambda _: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def authority(tmp_path) -> Authority:
    made = Authority(tmp_path)
    assert not made.prepare([])
    return made


def is_valid(authority: Authority, name: str, leaf: x509.Certificate | None = None) -> bool:
    """As a client judges that trusts the five, by the same library as browsers' rules."""
    asked = issuing._name(name)
    asked = asked if isinstance(asked, x509.IPAddress) else x509.DNSName(asked.value)
    policy = (
        verification.PolicyBuilder().store(verification.Store(authority.roots())).time(real())
        .build_server_verifier(asked)
    )  # fmt: skip
    try:
        policy.verify(leaf or authority.leaf(), [])
    except verification.VerificationError:
        return False
    return True


def forged(authority: Authority, root: int, *hosts: str) -> x509.Certificate:
    """What a thief of a root's key would sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = issuing.names(hosts)
    return issuing.make_leaf(names, key, real(), authority.roots()[root - 1], authority._key(root))


def test_there_are_five_and_the_first_has_signed(authority):
    names = [each.subject.rfc4514_string() for each in authority.roots()]
    assert names == [f"CN=Billfold Local Root {each}" for each in range(1, 6)]
    assert authority.served().root == 1
    assert names_of(authority.leaf()) == ["127.0.0.1", "::1", "localhost"]
    assert authority.leaf().issuer == authority.roots()[0].subject


def test_everything_is_its_owners_alone(authority):
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in authority.folder.iterdir()}
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    keys = [f"root-{each}.key" for each in range(1, 6)]
    assert modes.keys() == {
        "lock", "roots.pem", "served.json", "served-1.pem", *keys
    }  # fmt: skip


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_the_five_takes_it(authority, name):
    for _ in range(ROOTS + 1):
        assert is_valid(authority, name)
        authority.rotate()


@pytest.mark.parametrize("root", range(1, ROOTS + 1))
def test_a_root_signs_for_nothing_else(authority, root):
    assert is_valid(authority, "a.localhost", forged(authority, root, "a.localhost"))
    assert is_valid(authority, "127.9.9.9", forged(authority, root, "127.9.9.9"))
    for name in ("bank.example", "localhost.example", "10.0.0.1", "2001:db8::1"):
        assert not is_valid(authority, name, forged(authority, root, name)), name


def test_a_root_signs_for_the_names_that_were_given(tmp_path):
    authority = Authority(tmp_path)
    assert not authority.prepare(["Books.test", "10.1.2.3", "2001:db8::1"])
    assert names_of(authority.leaf()) == [
        "10.1.2.3", "127.0.0.1", "2001:db8::1", "::1", "books.test", "localhost"
    ]  # fmt: skip
    assert is_valid(authority, "books.test") and is_valid(authority, "10.1.2.3")
    assert not is_valid(authority, "10.1.2.4", forged(authority, 1, "10.1.2.4"))


def test_another_name_is_added_under_the_same_keys(authority):
    before = authority.roots()
    assert authority.prepare(["books.test"])
    after = authority.roots()
    assert [each.public_key() for each in after] == [each.public_key() for each in before]
    assert is_valid(authority, "books.test")
    assert authority.served().root == 2
    # Who holds the roots of before is still served as this machine.
    policy = (
        verification.PolicyBuilder().store(verification.Store(before)).time(real())
        .build_server_verifier(x509.DNSName("localhost"))
    )  # fmt: skip
    with pytest.raises(verification.VerificationError):
        policy.verify(authority.leaf(), [])  # For it holds another name too.
    assert not authority.prepare([])
    assert policy.verify(authority.leaf(), [])
    assert authority.roots() == after


def test_nothing_is_made_anew_that_is_there(authority):
    before = {each.name: each.read_bytes() for each in authority.folder.iterdir()}
    for hosts in ([], ["localhost"], ["LOCALHOST", "127.0.0.1"]):
        assert not authority.prepare(hosts)
    assert {each.name: each.read_bytes() for each in authority.folder.iterdir()} == before


def test_each_is_of_the_next_root(authority):
    serials = {authority.leaf().serial_number}
    for number in range(2, 8):
        served = authority.rotate()
        assert (served.number, served.root) == (number, (number - 1) % 5 + 1)
        serials.add(authority.leaf().serial_number)
    assert len(serials) == 7
    kept = sorted(each.name for each in authority.folder.glob("served-*"))
    assert kept == ["served-6.pem", "served-7.pem"]


def test_it_is_renewed_after_ninety_days_of_the_clock(authority):
    begun = real() + timedelta(days=1000)  # A sandbox's clock may show anything.
    authority.renew(begun, VERSION)
    for days, number in ((0, 1), (89, 1), (90, 2), (179, 2), (180, 3), (900, 4), (989, 4), (990, 5)):
        now = begun + timedelta(days=days)
        authority.renew(now, VERSION)
        assert authority.served().number == number, days
    leaf = authority.leaf()
    assert leaf.not_valid_before_utc < real() < leaf.not_valid_after_utc - timedelta(days=99)


def test_renewing_on_demand_leaves_the_rhythm_alone(authority):
    begun = real()
    authority.renew(begun, VERSION)
    authority.rotate()
    authority.renew(begun + RHYTHM - timedelta(seconds=1), VERSION)
    assert authority.served().number == 2
    authority.renew(begun + RHYTHM, VERSION)
    assert authority.served().number == 3


def test_a_clock_that_is_put_back_is_gone_by_from_there(authority):
    begun = real()
    authority.renew(begun + timedelta(days=400), VERSION)
    authority.renew(begun, VERSION + 1)
    assert authority.served().number == 1
    authority.renew(begun + RHYTHM, VERSION + 1)
    assert authority.served().number == 2


def test_who_has_not_heard_of_the_new_time_changes_nothing(authority):
    """Of two processes one adopts a jump a moment before the other."""
    begun = real()
    authority.renew(begun, VERSION)
    authority.renew(begun + RHYTHM, VERSION + 1)
    made = authority.state.read_bytes()
    authority.renew(begun, VERSION)
    authority.renew(begun + RHYTHM, VERSION + 1)
    assert authority.state.read_bytes() == made


def test_another_clock_is_gone_by_when_it_serves_anew(authority):
    """The data was thrown away and the folder of certificates kept."""
    begun = real()
    authority.renew(begun, 900)
    authority.prepare([])
    authority.renew(begun + RHYTHM, 0)
    assert authority.served().number == 2


def test_what_was_made_by_a_clock_that_was_ahead_is_made_anew(authority, monkeypatch, tmp_path):
    now = real()
    monkeypatch.setattr(authorities, "real", lambda: now + timedelta(days=2000))
    ahead = Authority(tmp_path / "ahead")
    ahead.prepare([])
    monkeypatch.setattr(authorities, "real", lambda: now)
    assert not is_valid(ahead, "localhost")
    assert ahead.prepare([])
    ahead.renew(now, VERSION)
    assert ahead.served().number == 2
    assert is_valid(ahead, "localhost")


def test_nobody_waits_for_who_renews_already(authority):
    with open(authority.folder / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        authority.renew(real(), VERSION)
    assert authority.served().since is None
    authority.renew(real(), VERSION)
    assert authority.served().since


def test_it_is_renewed_before_it_is_over_for_clients_also_while_the_clock_stands(
    authority, monkeypatch
):
    still = real()
    authority.renew(still, VERSION)
    monkeypatch.setattr(authorities, "real", lambda: still + timedelta(days=89))
    authority.renew(still, VERSION)
    assert authority.served().number == 1
    monkeypatch.setattr(authorities, "real", lambda: still + timedelta(days=90))
    authority.renew(still, VERSION)
    assert authority.served().number == 2
    assert authority.leaf().not_valid_after_utc > still + timedelta(days=180)


def test_roots_are_signed_anew_before_they_are_over(authority, monkeypatch):
    later = real() + issuing.ROOT_LIFE - timedelta(days=50)
    keys = [each.public_key() for each in authority.roots()]
    monkeypatch.setattr(authorities, "real", lambda: later)
    assert authority.prepare([])
    assert [each.public_key() for each in authority.roots()] == keys
    assert all(each.not_valid_after_utc > later + timedelta(days=3000) for each in authority.roots())


def spoil(name: str, content: bytes | None):
    def do(folder: Path) -> None:
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)

    return do


def swap(folder: Path) -> None:
    (folder / "root-2.key").write_bytes((folder / "root-3.key").read_bytes())


def shorten(folder: Path) -> None:
    text = (folder / "roots.pem").read_text()
    (folder / "roots.pem").write_text(text[: text.rindex("-----BEGIN")])


NAIVE = b'{"number": 1, "file": "served-1.pem", "issued": "2026-11-28T10:00:00"}'


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (spoil("root-2.key", b"-----BEGIN"), "root-2.key cannot be used"),
        (spoil("root-2.key", None), "root-2.key cannot be used"),
        (swap, "root-2.key in .*tls is not that of roots.pem"),
        (spoil("roots.pem", b""), "roots.pem cannot be used"),
        (shorten, "roots.pem cannot be used: it holds 4 certificates, not 5"),
        (spoil("served.json", NAIVE), "served.json cannot be used"),
        (spoil("served.json", b"{"), "served.json cannot be used"),
        (spoil("served.json", None), "holds no certificates: `billfold serve --tls` makes them"),
        (spoil("served-1.pem", b"?"), "served-1.pem cannot be used"),
    ],
)
def test_what_cannot_be_used_is_said_and_nothing_changes(authority, harm, said):
    harm(authority.folder)
    before = {each.name: each.read_bytes() for each in authority.folder.iterdir()}
    with pytest.raises(Unusable, match=said):
        authority.rotate()
    if "roots.pem cannot" in said:
        with pytest.raises(Unusable, match=said):
            authority.bundle_text()
    assert {each.name: each.read_bytes() for each in authority.folder.iterdir()} == before


def test_roots_that_clients_trust_are_written_again_from_their_keys(authority):
    keys = [each.public_key() for each in authority.roots()]
    authority.bundle.unlink()
    assert authority.prepare([])  # Their bytes are others, and clients are to be told.
    assert [each.public_key() for each in authority.roots()] == keys
    assert authority.served().number == 1 and is_valid(authority, "localhost")


def test_a_certificate_of_a_root_that_is_lost_is_not_served_on(authority):
    authority.bundle.unlink()
    (authority.folder / "root-1.key").unlink()
    assert authority.prepare([])
    assert authority.served().number == 2 and is_valid(authority, "localhost")


def test_a_key_that_others_may_read_is_closed_again(authority):
    for each in authority.folder.iterdir():
        each.chmod(0o644)
    authority.prepare([])
    opened = {each.name for each in authority.folder.iterdir() if each.stat().st_mode & 0o077}
    assert opened == {"roots.pem"}  # Which is no secret.


@pytest.mark.parametrize("name", ["served.json", "served-1.pem"])
def test_a_certificate_that_is_gone_is_made_anew_at_the_next_start(authority, name):
    (authority.folder / name).unlink()
    assert not authority.prepare([])
    assert is_valid(authority, "localhost")


def test_what_was_interrupted_is_made_again(tmp_path, monkeypatch):
    """Killed after any of its files, it goes on from there."""
    writes = 0
    replace = os.replace

    def count(*files) -> None:
        nonlocal writes
        replace(*files)
        writes += 1
        if writes == limit:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", count)
    for limit in range(1, 9):
        writes = 0
        authority = Authority(tmp_path / str(limit))
        try:
            authority.prepare([])
            authority.rotate()
        except KeyboardInterrupt:
            pass
        writes = -100
        authority.prepare([])
        served = authority.rotate()
        file = authority.file(served)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, file)
        assert is_valid(authority, "localhost")
        leaf, root = authority.leaf(), authority.roots()[served.root - 1]
        leaf.verify_directly_issued_by(root)
        assert leaf.fingerprint(hashes.SHA256())
