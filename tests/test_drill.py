"""The drill: whether a client trusts all five roots, or pins one of them or a certificate."""

import fcntl
import re
import socket
import sys
import textwrap
import time
from pathlib import Path

import pytest

from billfold import drill as drills
from billfold.door.authority import Authority
from billfold.drill import Turn, verdict
from billfold.kit.errors import Unusable
from tests.server import run
from tests.tls import SECONDS_MAX

CLIENT = textwrap.dedent("""
    import hashlib, pathlib, re, socket, ssl, sys, time
    port, roots, kind, memory = sys.argv[1:]
    pems = re.findall("-----BEGIN.*?END CERTIFICATE-----", pathlib.Path(roots).read_text(), re.DOTALL)
    memory = pathlib.Path(memory)
    def connect(trusted):
        context = ssl.create_default_context(cadata="\\n".join(trusted) or None)
        plain = socket.create_connection(("localhost", int(port)))
        return context.wrap_socket(plain, server_hostname="localhost")
    def print_of(connection):
        return hashlib.sha256(connection.getpeercert(True)).hexdigest()
    if kind == "trusts":
        connect(pems).close()
    elif kind == "goes on":
        for _ in range(30):
            connect(pems).close()
            time.sleep(0.04)
    elif kind == "for ever":
        while True:
            connect(pems).close()
            time.sleep(0.05)
    elif kind == "goes on and fails":
        for _ in range(30):
            connect(pems).close()
            time.sleep(0.05)
        sys.exit(3)
    elif kind == "certificate":
        seen = print_of(connect(pems))
        if not memory.exists():
            memory.write_text(seen)
        sys.exit(seen != memory.read_text())
    elif kind == "root":
        if not memory.exists():
            name = dict(pair for (pair,) in connect(pems).getpeercert()["issuer"])["commonName"]
            memory.write_text(name[-1])
        try:
            connect([pems[int(memory.read_text()) - 1]])
        except ssl.SSLCertVerificationError:
            sys.exit(1)
    elif kind == "another":
        connect([])
    elif kind == "fails":
        connect(pems)
        sys.exit(3)
""")


@pytest.fixture
def client(served, tmp_path):
    """The command of a client of some kind, which remembers what it saw first."""
    (tmp_path / "client.py").write_text(CLIENT)

    def command(kind: str) -> list[str]:
        words = (
            tmp_path / "client.py",
            served.port,
            served.authority.bundle,
            kind,
            tmp_path / "memory",
        )
        return [sys.executable, "-S", "-E", *map(str, words)]

    return command


@pytest.fixture
def drilled(served, client, monkeypatch):
    monkeypatch.setattr(drills, "STAY_SECONDS", 0.1)
    monkeypatch.setattr(drills, "LOOK_SECONDS", 0.02)

    def drill(kind: str, url: str = "") -> list[Turn]:
        return drills.Drill(served.data, url or served.url, client(kind), seconds=60).run()

    return drill


def test_a_client_that_trusts_the_roots_notices_nothing(served, client):
    done = run("certs", "drill", "--data", served.data, "--url", served.url, "--", *client("trusts"))
    lines = done.stdout.splitlines()
    assert lines[0] == "root                    handshakes  refused  the command"
    rows = [
        re.fullmatch(r"Billfold Local Root ([1-5]) +1 +0  ended with 0", each) for each in lines[1:7]
    ]
    roots = [row[1] for row in rows if row]
    assert set(roots) == set("12345") and roots[0] == roots[-1] and len(roots) == 6
    assert lines[7:] == ["The client does not pin: it took certificates of all five roots."]
    assert done.returncode == 0


def test_a_client_that_goes_on_meets_all_of_them_in_one_run(drilled):
    turns = drilled("goes on")
    assert [turn.code for turn in turns] == [0, None, None, None, None, 0]
    assert sum(turn.begun for turn in turns) == sum(turn.made for turn in turns) == 60
    assert verdict(turns)[0]


def test_a_client_that_pins_a_root_is_told(drilled):
    turns = drilled("root")
    assert [turn.refused for turn in turns] == [0, 1, 1, 1, 1, 0]
    well, said = verdict(turns)
    assert not well and said.startswith("The client pins a root: it took the one it began with again")


def test_a_client_that_pins_the_certificate_is_told(served, client):
    """It looks at what it was shown when the handshake is over, as many do."""
    done = run(
        "certs", "drill", "--data", served.data, "--url", served.url, "--", *client("certificate")
    )
    assert re.findall("ended with .", done.stdout) == ["ended with 0", *["ended with 1"] * 5]
    assert "The client pins the certificate itself: it took no other one" in done.stdout
    assert done.returncode == 1


def test_what_a_drill_cannot_tell_it_says(drilled, served, tmp_path):
    number = served.authority.served().number
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = f"https://localhost:{taken.getsockname()[1]}"
        for kind, url, said in (
            ("another", "", "the command does not trust .*roots.pem: it refused Billfold Local Root"),
            ("fails", "", r"the command fails \(3\) before anything is renewed"),
            ("idles", "", "the command did not connect to"),
            ("trusts", "http://localhost:1", "--url must be https://host:port"),
            ("trusts", "https://localhost:x", "--url must be https://host:port"),
            ("trusts", free, f"no sandbox answers on {free}"),
        ):
            with pytest.raises(Unusable, match=said):
                drilled(kind, url)
    Authority(tmp_path).prepare([])
    with pytest.raises(Unusable, match="does not serve this data folder's certificates"):
        drills.Drill(tmp_path, served.url, ["true"], seconds=5)
    with pytest.raises(Unusable, match="cannot be used"):
        drills.Drill(tmp_path / "nowhere", served.url, ["true"], seconds=5)
    with open(served.data / "tls" / "drill.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unusable, match="another drill of this data folder is under way"):
            drilled("trusts")
    with pytest.raises(Unusable, match="the command cannot be run"):
        drills.Drill(served.data, served.url, [str(tmp_path / "none")], seconds=5).run()
    assert served.authority.served().number == number  # Nothing was renewed for any of them.


def test_a_drill_ends_a_command_that_does_not_end_with_all_it_has_started(served, tmp_path):
    script = f"sleep 60 & echo $! > {tmp_path / 'started'}; wait"
    with pytest.raises(Unusable, match="the time is over"):
        drills.Drill(served.data, served.url, ["sh", "-c", script], seconds=0.5).run()
    started = int((tmp_path / "started").read_text())
    until = time.monotonic() + SECONDS_MAX
    while Path(f"/proc/{started}").exists() and " Z " not in stat_of(started):
        assert time.monotonic() < until, "what it has started goes on"
        time.sleep(0.02)


def stat_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return " Z "


def test_a_client_that_never_ends_is_judged_by_what_it_has_met(served, client, monkeypatch):
    monkeypatch.setattr(drills, "STAY_SECONDS", 0.1)
    monkeypatch.setattr(drills, "ALONE_SECONDS", 0.3)
    turns = drills.Drill(served.data, served.url, client("for ever"), seconds=4).run()
    assert [turn.code for turn in turns] == [None] * 6
    assert all(turn.begun for turn in turns) and verdict(turns)[0]


def test_a_client_that_fails_after_it_has_gone_on_is_not_accused(served, client, monkeypatch):
    monkeypatch.setattr(drills, "STAY_SECONDS", 0.1)
    monkeypatch.setattr(drills, "ALONE_SECONDS", 0.3)
    with pytest.raises(Unusable, match=r"ended with 3, but refused no certificate"):
        drills.Drill(served.data, served.url, client("goes on and fails"), seconds=20).run()


def turns(*taken: bool) -> list[Turn]:
    return [Turn(str(each), begun=1, made=int(one)) for each, one in enumerate(taken)]


def test_a_client_that_takes_some_of_them_is_told_so():
    well, said = verdict(turns(True, False, True, True, True, True))
    assert not well and said.startswith("The client pins some of the roots")
