"""Production: what a server asks for before it starts, and how it is spoken to then."""

import json
import ssl
import subprocess
import urllib.request

import pytest

from billfold import demo_world
from billfold.settings import SECRET, Settings, load
from tests.desk import LOGIN, V3
from tests.pems import make_pair
from tests.server import PROGRAM, Server, assert_refused, run, surroundings

KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
PROXIED = {"BILLFOLD_KEY": KEY, "BILLFOLD_TRUSTED_PROXY": "127.0.0.1", "BILLFOLD_SECOND_FACTOR": "totp"}
BY_HTTPS = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "203.0.113.7"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def start(folder, monkeypatch):
    """Starts production servers with these settings, and ends them when the test does."""
    started: list[Server] = []

    def start(*options: str, **variables: str) -> Server:
        for name, value in variables.items():
            (folder / "billfold.toml").touch()
            with open(folder / "billfold.toml", "a") as file:
                file.write(f"{name.removeprefix('BILLFOLD_').lower()} = {json.dumps(value)}\n")
        started.append(Server(folder, "--policy", "production", *options))
        return started[-1]

    (folder / "billfold.key").write_text(KEY)
    yield start
    for server in started:
        server.kill()


@pytest.fixture
def certificate(tmp_path) -> tuple[str, str]:
    return make_pair(tmp_path)


@pytest.mark.parametrize(
    "left_out, changed, words",
    [
        ("BILLFOLD_KEY", {}, ["no key", "BILLFOLD_KEY"]),
        ("BILLFOLD_TRUSTED_PROXY", {}, ["https", "certificate", "trusted_proxy"]),
        ("BILLFOLD_SECOND_FACTOR", {}, ["second factor", "sms_url", "totp"]),
        ("", {"BILLFOLD_SECOND_FACTOR": "both"}, ["second factor", "sms_url"]),
        ("", {"BILLFOLD_SECOND_FACTOR": "mail"}, ["second_factor", "sms, totp, both"]),
        ("", {"BILLFOLD_TRUSTED_PROXY": "proxy.test"}, ["trusted_proxy", "10.0.0.0/8"]),
        ("", {"BILLFOLD_SMS_URL": "sms.test"}, ["sms_url", "https://"]),
        ("", {"BILLFOLD_SMTP": "mail.test"}, ["smtp://"]),
        ("", {"BILLFOLD_SMTP": "smtp://mail.test"}, ["mail_from"]),
        ("", {"BILLFOLD_SMTP": "smtp://ap:hush@mail.test:99999"}, ["smtp", "no such host or port"]),
        ("", {"BILLFOLD_SMS_URL": "https://[sms.test"}, ["sms_url", "no such host or port"]),
        ("", {"BILLFOLD_PUBLIC_URL": "https://a.test:x"}, ["public_url", "no such host or port"]),
        ("", {"BILLFOLD_PUBLIC_URL": "https://a.test/billfold"}, ["public_url", "without a path"]),
        ("", {"BILLFOLD_CERTIFICATE": "cert.pem"}, ["certificate_key"]),
        ("", {"BILLFOLD_CERTIFICATE": "none.pem", "BILLFOLD_CERTIFICATE_KEY": "none.pem"}, ["cannot"]),
        ("", {"BILLFOLD_MFA_CODE": "123456"}, ["sandboxes only"]),
        ("", {"BILLFOLD_DURABLE": "false"}, ["production", "outlive"]),
    ],
)
def test_production_does_not_start_without(tmp_path, left_out, changed, words):
    """Nothing listens and nothing is made: what is missing is said first."""
    variables = {name: value for name, value in PROXIED.items() if name != left_out} | changed
    done = run(
        "serve", "--data", tmp_path / "none", "--port", "0", "--policy", "production", **variables
    )
    assert_refused(done, *words)
    assert not (tmp_path / "none").exists()


def test_it_serves_no_demo_world_and_says_what_to_do_next(start):
    server = start(**PROXIED_BY_FILE)
    said = [line.rstrip() for line in iter(lambda: server.lines.get(timeout=5), "\n")]
    assert [line for line in said if "delete" in line or demo_world.USERNAME in line] == []
    assert "only what the proxy 127.0.0.1 brings by https" in "".join(said)
    for _ in range(3):
        said.append(server.lines.get(timeout=5).strip())
    assert said[-1].startswith("billfold signup --policy production")
    server.call("GET", "/_control/credentials", status=404, **BY_HTTPS)
    status, body = server.ask("POST", f"{V3}/login", LOGIN, **BY_HTTPS)
    assert (status, b"BDC_1102" in body) == (400, True)


PROXIED_BY_FILE = {name: value for name, value in PROXIED.items() if name != "BILLFOLD_KEY"}


def test_what_the_proxy_did_not_bring_by_https_is_refused_and_not_read(start):
    server = start(**PROXIED_BY_FILE)
    for path in (f"{V3}/login", "/docs", "/signup", "/nowhere"):
        for headers in ({}, {"X_Forwarded_Proto": "http"}, {"X_Forwarded_For": "203.0.113.7"}):
            status, body = server.ask("POST", path, LOGIN, **headers)
            assert (status, b"https only" in body) == (403, True)
    assert server.ask("GET", "/healthz") == (200, b"ok\n")


def test_only_the_proxy_s_word_is_taken(start):
    server = start(**PROXIED_BY_FILE | {"BILLFOLD_TRUSTED_PROXY": "192.0.2.0/24"})
    assert server.ask("POST", f"{V3}/login", LOGIN, **BY_HTTPS)[0] == 403
    assert server.ask("GET", "/healthz", **BY_HTTPS)[0] == 200


@pytest.mark.filterwarnings("ignore:.*self-signed")
def test_it_speaks_https_by_its_own_certificate(folder, certificate):
    (folder / "billfold.key").write_text(KEY)
    (folder / "billfold.toml").write_text(
        f"certificate = {json.dumps(certificate[0])}\ncertificate_key = {json.dumps(certificate[1])}\n"
        "second_factor = 'totp'\n"
    )
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--data", str(folder), "--port", "0", "--policy", "production"],
        env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        first = process.stdout.readline()
        assert first.startswith("Billfold serves a production on https://127.0.0.1:")
        port = first.strip().rpartition(":")[2]
        trust = ssl.create_default_context(cafile=certificate[0])
        asks = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        with asks.open(f"https://localhost:{port}/healthz", timeout=5) as answer:
            assert answer.read() == b"ok\n"
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


def test_secrets_of_the_settings_are_not_shown(tmp_path):
    secrets = {
        "BILLFOLD_SMS_TOKEN": "hush-1", "BILLFOLD_SMTP": "smtp://ap:hush-2@mail.test",
        "BILLFOLD_DATABASE": "postgresql://billfold:hush-3@db.test/books",
        "BILLFOLD_CONTROL": "hush-4-hush-4-hush-4", "BILLFOLD_MAIL_FROM": "ap@company.test",
    }  # fmt: skip
    shown = run("settings", "--data", tmp_path, **secrets).stdout
    assert "hush" not in shown and shown.count("(hidden)") == len(SECRET) == 4
    assert "ap@company.test" in shown


@pytest.mark.parametrize(
    "settings, texts, mails, authenticators",
    [
        ({}, True, True, False),
        ({"second_factor": "totp"}, True, True, True),
        ({"policy": "production"}, False, False, False),
        ({"policy": "production", "sms_url": "https://sms.test"}, True, False, False),
        ({"policy": "production", "second_factor": "totp"}, False, False, True),
        ({"policy": "production", "sms_url": "x", "second_factor": "totp"}, False, False, True),
        ({"policy": "production", "sms_url": "x", "second_factor": "both"}, True, False, True),
        ({"policy": "production", "smtp": "smtp://mail.test"}, False, True, False),
    ],
)
def test_how_people_are_reached_follows_from_the_settings(settings, texts, mails, authenticators):
    policy = Settings(**settings).policy_of()
    assert (policy.texts, policy.mails, policy.authenticators) == (texts, mails, authenticators)


@pytest.mark.parametrize(
    "settings, base",
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "port": 9}, "http://127.0.0.1:9"),
        ({"certificate": "c", "host": "ap.test", "port": 443}, "https://ap.test:443"),
        ({"public_url": "https://ap.test/"}, "https://ap.test"),
    ],
)
def test_links_begin_with_the_public_url_or_where_it_listens(settings, base):
    assert Settings(**settings).policy_of().base_url == base


def test_the_settings_come_from_the_environment_as_well(monkeypatch, tmp_path):
    monkeypatch.setenv("BILLFOLD_SIGNUP", "true")
    settings, origins = load(data=str(tmp_path), policy="production")
    assert settings.policy_of().sign_up and origins["signup"] == "BILLFOLD_SIGNUP"
    assert not Settings(policy="production").policy_of().sign_up
