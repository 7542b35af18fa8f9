"""The container's files say what Billfold understands, and its health check tells who serves."""

import re
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from billfold import healthy, settings
from tests.server import Process, surroundings

HOME = Path(__file__).parent.parent
STEPS = (HOME / "Containerfile").read_text()
COMPOSE = yaml.safe_load((HOME / "compose.yaml").read_text())
IGNORED = (HOME / ".dockerignore").read_text().split()
FILLED = {"POSTGRES_PASSWORD": "pa55word", "BILLFOLD_CONTROL": "a-token-of-the-sandbox"}


def filled(text: str) -> str:
    """As compose puts variables in; one that is missing must be asked for."""
    assert not re.search(r"\$(?!{\w+:\?)", text), "a variable without a word on what it should be"
    return re.sub(r"\${(\w+):\?[^}]*}", lambda name: FILLED[name[1]], text)


def test_what_compose_sets_is_understood(monkeypatch):
    service = COMPOSE["services"]["billfold"]
    variables = {name: filled(value) for name, value in service["environment"].items()}
    image = dict(re.findall(r"(BILLFOLD_\w+)=(\S+)", STEPS))
    known = {f"BILLFOLD_{each.name.upper()}" for each in fields(settings.Settings)}
    assert variables.keys() | image.keys() <= known
    for name, value in (variables | image).items():
        monkeypatch.setenv(name, value)
    found, _ = settings.load(workers=2)
    assert service["command"] == ["serve", "--workers", "2"] and found.policy == "sandbox"
    assert found.database.endswith(":pa55word@database/billfold")
    assert found.environment_of == {"billfold": "sandbox"}
    assert found.host == "0.0.0.0" and f"EXPOSE {found.port}\n" in STEPS
    assert service["ports"] == [f"127.0.0.1:{found.port}:{found.port}"]
    assert service["volumes"] == [f"data:{found.data}"] and f"VOLUME {found.data}\n" in STEPS
    database = COMPOSE["services"]["database"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("billfold", "billfold")


def test_what_is_copied_is_there_and_not_ignored():
    copied = [
        word for line in re.findall(r"^COPY (?!--)(.*) \S+$", STEPS, re.M) for word in line.split()
    ]
    assert "billfold" in copied and "requirements.txt" in copied
    for name in copied:
        assert (HOME / name).exists() and f"!{name}" in IGNORED
    assert IGNORED[0] == "*"


def test_it_is_nobodys_root_and_keeps_nothing_else():
    assert STEPS.index("\nUSER billfold\n") > STEPS.index("useradd --system --uid 10001")
    assert 'ENTRYPOINT ["billfold"]\nCMD ["serve"]\n' in STEPS
    assert 'CMD ["python", "-m", "billfold.healthy"]' in STEPS


@pytest.fixture
def healthy_of(tmp_path):
    def ask(**variables: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "billfold.healthy"], capture_output=True, text=True, timeout=30,
            env=surroundings(BILLFOLD_DATA=str(tmp_path), **variables),
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return ask


@pytest.mark.parametrize("variables", [{}, {"BILLFOLD_TLS": "true"}])
def test_the_health_check_tells_a_server_that_serves(tmp_path, healthy_of, variables):
    process = Process("serve", "--data", str(tmp_path), "--port", "0", **variables)
    try:
        port = {"BILLFOLD_PORT": process.first.strip().rpartition(":")[2]}
        assert healthy_of(**port, **variables) == (0, "ok\n")
        other = {} if variables else {"BILLFOLD_TLS": "true"}
        assert healthy_of(**port, **other)[0] == 1
    finally:
        process.kill()


def test_the_health_check_tells_one_that_does_not(healthy_of, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code, said = healthy_of(BILLFOLD_PORT=str(taken.getsockname()[1]))
    assert code == 1 and said.startswith("billfold: ")
    assert healthy_of(BILLFOLD_PORT="none") == (
        1,
        "billfold: port of BILLFOLD_PORT must be int, not 'none'\n",
    )
    answer = SimpleNamespace(status=503, read=lambda: b"the database does not answer\n")
    monkeypatch.setattr(healthy.HTTPConnection, "request", lambda *_: None)
    monkeypatch.setattr(healthy.HTTPConnection, "getresponse", lambda _: answer)
    assert healthy.main() == 1
    assert capsys.readouterr().out == "the database does not answer\n"
