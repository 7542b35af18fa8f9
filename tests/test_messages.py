"""Messages that leave the house: by an SMS gateway and by mail, and nothing of them stays behind."""

import json
import logging
import socketserver
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from billfold import demo_world
from billfold.access import messages
from billfold.access.messages import Channel, Message, Outgoing
from billfold.kit import agenda
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.environment import set_clock, stored_clock
from tests.desk import START, V3

TOKEN = "gateway-token-of-the-test"
STEPS = f"{V3}/mfa/challenge", f"{V3}/mfa/challenge/validate"


class Gateway:
    """An SMS gateway on this machine that writes down what it is asked."""

    def __init__(self) -> None:
        self.status = 202
        self.asked: list[tuple[dict, dict]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                heads = {name.lower(): value for name, value in self.headers.items()}
                gateway.asked.append((heads, json.loads(body)))
                self.send_response(gateway.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/texts?account=private"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def code(self) -> str:
        return self.asked[-1][1]["text"][:6]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Post:
    """A mail server on this machine: as much of SMTP as taking a mail needs."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.logins: list[str] = []
        self.refusal = b""
        post = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"220 post.example\r\n")
                for line in self.rfile:
                    word = line.split()[0].upper()
                    if word == b"EHLO":
                        self.wfile.write(b"250-post.example\r\n250 AUTH PLAIN\r\n")
                    elif word == b"AUTH":
                        post.logins.append(line.decode().split()[-1])
                        self.wfile.write(b"235 welcome\r\n")
                    elif word == b"RCPT" and post.refusal:
                        self.wfile.write(post.refusal)
                    elif word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        mail = []
                        while (part := self.rfile.readline()) != b".\r\n":
                            mail.append(part.decode())
                        post.mails.append("".join(mail))
                        self.wfile.write(b"250 taken\r\n")
                    elif word == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    else:
                        self.wfile.write(b"250 well\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        port = self.server.server_address[1]
        self.url = f"smtp://ap%40company.example:pass%2Fword@127.0.0.1:{port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def gateway():
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def post():
    post = Post()
    yield post
    post.close()


@pytest.fixture
def carried(database_url, open_desk, gateway, post):
    """A desk in production, whose messages go to the gateway and the post."""
    return open_desk(
        database_url, policy="production", sms_url=gateway.url, sms_token=TOKEN, smtp=post.url,
        mail_from="Billfold <ap@company.example>",
    )  # fmt: skip


def works(desk) -> int:
    """The agenda does what is due."""
    return desk.runner.run(agenda.run_due(desk.environment))


def passes(desk, **delta) -> None:
    """Time goes by, which nobody moves in production."""
    later = desk.environment.clock.now() + timedelta(**delta)
    desk.runner.run(desk.environment.write(lambda work: set_clock(work, still=later)))
    desk.runner.run(desk.environment.read(stored_clock))


def mails(desk, text: str = "Your password was changed.", **more) -> None:
    def send(work):
        to = "ada@demo.example"
        messages.send(work, demo_world.USER_ID, to, Channel.EMAIL, text, subject="Changed", **more)

    desk.writes(send)


def left(desk) -> tuple[int, int, int]:
    """How many messages are kept, on their way and on the agenda."""
    count = lambda work: (
        len(work.rows(Message)), len(work.rows(Outgoing)),
        len(work.connection.where(AgendaItem, kind=messages.SEND)),
    )  # fmt: skip
    return desk.reads(count)


def test_a_code_goes_by_the_gateway_and_leaves_no_copy(carried, gateway):
    carried.signs_in(trusted=False)
    challenge = carried.call("POST", STEPS[0])["challengeId"]
    assert left(carried) == (0, 1, 1) and gateway.asked == []
    assert works(carried) == 1
    ((headers, asked),) = gateway.asked
    assert asked == {
        "messageId": headers["idempotency-key"], "to": demo_world.PHONE, "channel": "TEXT",
        "text": f"{gateway.code()} is your Billfold code. It is valid for five minutes.",
    }  # fmt: skip
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["content-type"] == "application/json"
    assert left(carried) == (0, 0, 0)
    body = {"challengeId": challenge, "token": gateway.code()}
    carried.call("POST", STEPS[1], body)


def test_what_waits_for_the_gateway_is_sealed(carried, gateway):
    carried.signs_in(trusted=False)
    carried.call("POST", STEPS[0])
    (row,) = carried.reads(lambda work: work.rows(Outgoing))
    works(carried)
    assert row.good_until == START + timedelta(minutes=5)
    for secret in (gateway.code(), demo_world.PHONE):
        assert secret.encode() not in row.letter


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_the_gateway_does_not_take_is_sent_again_with_the_same_key(carried, gateway, status):
    gateway.status = status
    carried.signs_in(trusted=False)
    carried.call("POST", STEPS[0])
    assert works(carried) == 1 and works(carried) == 0
    gateway.status = 200
    passes(carried, seconds=1)
    assert works(carried) == 1
    first, second = gateway.asked
    assert first[1] == second[1] and first[0]["idempotency-key"] == second[0]["idempotency-key"]
    assert left(carried) == (0, 0, 0)


def test_a_code_is_given_up_when_it_is_worth_nothing_any_more(carried, gateway, caplog):
    gateway.status = 500
    carried.signs_in(trusted=False)
    carried.call("POST", STEPS[0])
    with caplog.at_level(logging.WARNING):
        for seconds in (0, 1, 4, 15, 60, 300, 1800):
            passes(carried, seconds=seconds)
            works(carried)
    assert len(gateway.asked) == 5 and left(carried) == (0, 0, 0)
    said = caplog.text
    assert "the gateway said 500" in said and "given up" in said
    for secret in (gateway.code(), demo_world.PHONE, TOKEN, "private"):
        assert secret not in said


def test_a_gateway_that_is_gone_is_no_secret_in_the_log(database_url, open_desk, gateway, caplog):
    gateway.close()
    desk = open_desk(database_url, policy="production", sms_url=gateway.url, sms_token=TOKEN)
    desk.signs_in(trusted=False)
    desk.call("POST", STEPS[0])
    with caplog.at_level(logging.WARNING):
        works(desk)
    assert "was not taken: ClientConnectorError" in caplog.text
    assert "private" not in caplog.text and TOKEN not in caplog.text
    assert left(desk) == (0, 1, 1)


def test_a_mail_goes_by_smtp_in_plain_text(carried, post):
    mails(carried, "Grüße. Your password was changed.")
    assert works(carried) == 1
    (mail,) = post.mails
    assert "From: Billfold <ap@company.example>" in mail and "To: ada@demo.example" in mail
    assert "Subject: Changed" in mail and "@company.example>" in mail.split("Message-ID: ")[1]
    assert len(post.logins) == 1 and left(carried) == (0, 0, 0)


def test_a_mail_that_is_refused_is_tried_again_and_no_address_is_logged(carried, post, caplog):
    post.refusal = b"450 ada@demo.example is busy\r\n"
    mails(carried)
    with caplog.at_level(logging.WARNING):
        works(carried)
    assert "was not taken: SMTPRecipientsRefused" in caplog.text
    assert "ada@" not in caplog.text and post.mails == []
    post.refusal = b""
    passes(carried, seconds=1)
    works(carried)
    assert len(post.mails) == 1 and left(carried) == (0, 0, 0)


def test_a_line_break_in_an_address_writes_no_header(carried, post):
    def send(work):
        to = "ada@demo.example\r\nBcc: eve@else.example"
        messages.send(work, demo_world.USER_ID, to, Channel.EMAIL, "Hello", subject="Hello")

    carried.writes(send)
    works(carried)
    assert post.mails == []


def test_where_nothing_carries_codes_none_is_promised(sqlite_url, open_desk):
    desk = open_desk(sqlite_url, policy="production")
    desk.signs_in(trusted=False)
    assert desk.refused("POST", STEPS[0]) == (400, ["BDC_1354"])
    assert left(desk) == (0, 0, 0)


def test_a_sandbox_keeps_everything_in_its_inbox(desk):
    mails(desk)
    (message,) = desk.call("GET", "/_control/messages", session="")["results"]
    assert message["channel"] == "EMAIL" and message["subject"] == "Changed"
    assert left(desk) == (1, 0, 0)
