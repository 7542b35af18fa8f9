"""The examples of the main job run as they are, in three languages, and print the same."""

import json
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest

from tests.desk import EVENTS, V3
from tests.server import START_SECONDS_MAX, Process, Receiver, Server, subscribe, surroundings

EXAMPLES = Path(__file__).parent.parent / "examples"
# Nothing of a site's packages, of this folder or of what is set here can be imported.
PROGRAMS = {
    "main_job.sh": ["sh"],
    "main_job.py": [sys.executable, "-I", "-S"],
    "main_job.mjs": ["node"],
}
NEEDS = {"main_job.sh": "curl", "main_job.mjs": "node"}
TRUSTS = {
    "main_job.sh": "CURL_CA_BUNDLE",
    "main_job.py": "SSL_CERT_FILE",
    "main_job.mjs": "NODE_EXTRA_CA_CERTS",
}
CODE = "246810"
IDS = re.compile(r"\b(009|00n|stp)[0-9A-Za-z]{17}\b")
BEGINNING = """\
signed in: trusted false
mfaStatus: CHALLENGE
second step passed, and this device is remembered
signed in again: trusted true
"""
BOOKS = """\
vendor 009 is paid by ACH
bill 00n of 142.00 is UNPAID
bill 00n of 1250.50 is UNPAID
payment stp pays 142.00 of bill 00n
payment stp pays 1250.50 of bill 00n
payment stp of 1392.50 is SCHEDULED
"""
SKIPPED = "webhooks: skipped, BILL_WEBHOOK_URL is not set\n"
SETTLED = "days later payment stp is CLEARED\n"
END = "signed out\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = Server(tmp_path_factory.mktemp("plain") / "data", BILLFOLD_MFA_CODE=CODE)
    try:
        yield found
        assert not found.errors()
    finally:
        found.kill()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Where a server speaks https, and the roots that it gives its clients."""
    data = tmp_path_factory.mktemp("tls") / "data"
    found = Process("serve", "--tls", "--data", str(data), "--port", "0")
    try:
        yield found.first.split()[-1], data / "tls" / "roots.pem"
        assert not found.errors()
    finally:
        found.kill()


@pytest.fixture(scope="module")
def receiver():
    found = Receiver()
    yield found
    found.close()


@pytest.fixture(params=PROGRAMS)
def example(request):
    program = NEEDS.get(request.param)
    if program and not shutil.which(program):
        pytest.skip(f"NO {program.upper()} HERE, examples/{request.param} is not run")
    return request.param


def play(example: str, url: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in surroundings().items() if not name.startswith("BILL_")}
    # The shell's python3 is this one.
    path = f"{Path(sys.executable).parent}:{plain['PATH']}"
    return subprocess.run(
        [*PROGRAMS[example], str(EXAMPLES / example)], input=typed, capture_output=True, text=True,
        env=plain | {"PATH": path, "NO_PROXY": "127.0.0.1", "BILL_BASE_URL": url} | settings,
        timeout=START_SECONDS_MAX,
    )  # fmt: skip


def seen(done: subprocess.CompletedProcess[str]) -> str:
    """What it printed, with the kinds of ids in their places."""
    assert done.returncode == 0, done.stderr
    return IDS.sub(r"\1", done.stdout)


def ids(kind: str, done: subprocess.CompletedProcess[str]) -> list[str]:
    found = [match[0] for match in IDS.finditer(done.stdout) if match[1] == kind]
    return list(dict.fromkeys(found))


def test_it_pays_and_is_told(example, server, receiver):
    """And what it prints is so."""
    url = f"{receiver.url}/{example}"
    done = play(example, f"{server.base}/connect", BILL_WEBHOOK_URL=url)
    told = re.escape("webhooks: subscribed; told this once, the security key: ") + r"\S{20,}\n"
    right = re.escape(BEGINNING) + told + re.escape(BOOKS + SETTLED + END)
    assert re.fullmatch(right, seen(done)) and not done.stderr
    (payment,) = ids("stp", done)
    server.signs_in()
    found = server.call("GET", f"{V3}/payments/{payment}")
    assert (found["singleStatus"], str(found["amount"])) == ("CLEARED", "1392.5")
    assert [part["billId"] for part in found["billPayments"]] == ids("00n", done)
    assert [found["vendorId"]] == ids("009", done)
    heard = [each["payment"]["status"] for each in receiver.got if subject(each) == payment]
    assert "SCHEDULED" in heard and "CLEARED" in heard


def subject(notification: dict) -> str:
    return notification.get("payment", {}).get("id", "")


def test_where_nobody_moves_time_the_code_is_typed(example, server, receiver):
    """As with BILL; and a receiver that has a subscription gets no other, but hears again."""
    url = f"{receiver.url}/known/{example}"
    server.signs_in()
    known = f"{EVENTS}/subscriptions/{subscribe(server, url)['id']}"
    server.call("PATCH", known, {"status": {"enabled": False}})
    settings = {"BILL_CONTROL_URL": "", "BILL_WEBHOOK_URL": url}
    done = play(example, f"{server.base}/connect", typed=f"{CODE}\n", **settings)
    assert seen(done) == f"{BEGINNING}webhooks: subscribed already\n{BOOKS}{END}"
    assert done.stderr.strip() == "The code that was texted:"
    assert server.call("GET", known)["status"] == {"enabled": True}


def test_a_code_that_is_given_is_taken_and_its_refusal_ends_it(example, server):
    url = f"{server.base}/connect"
    done = play(example, url, BILL_MFA_CODE="135791")
    assert (done.returncode, done.stdout) == (1, BEGINNING[: BEGINNING.index("second step")])
    assert done.stderr.startswith(f"main_job: POST {url}/v3/mfa/challenge/validate: 400 BDC_1356 ")


def made_at(url: str, roots: Path, name: str) -> dict:
    """An environment of this name."""
    context, headers = ssl.create_default_context(cafile=roots), {"Content-Type": "application/json"}
    content = json.dumps({"name": name}).encode()
    request = Request(f"{url}/_control/environments", content, headers)
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    with opener.open(request, timeout=START_SECONDS_MAX) as answer:
        return json.load(answer)


def test_it_runs_over_https_in_an_environment(example, served):
    """With that environment's own people and keys."""
    url, roots = served
    made = made_at(url, roots, example.removeprefix("main_job."))
    known = made["credentials"]
    settings = {
        "BILL_USERNAME": known["username"], "BILL_PASSWORD": known["password"],
        "BILL_ORGANIZATION_ID": known["organizationId"], "BILL_DEV_KEY": known["devKey"],
        "BILL_BANK_ACCOUNT_ID": known["bankAccountId"], TRUSTS[example]: str(roots),
    }  # fmt: skip
    done = play(example, made["baseUrl"], **settings)
    assert seen(done) == BEGINNING + SKIPPED + BOOKS + SETTLED + END
    assert not done.stderr


def test_a_wrong_password_ends_it(example, server):
    done = play(example, f"{server.base}/connect", BILL_PASSWORD='wrong"\\ñ')
    said = f"main_job: POST {server.base}/connect/v3/login: 401 BDC_1101 "
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said) and done.stderr.count("\n") == 1


def test_a_server_that_is_not_trusted_is_told_nothing(example, served):
    url = f"{served[0]}/connect"
    done = play(example, url)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"main_job: POST {url}/v3/login: " in done.stderr and "ertificate" in done.stderr
