"""A receiver of BILL's webhooks, to copy: Python's standard library, nothing else.

    BILL_WEBHOOK_KEYS='the securityKey of each subscription, with spaces between' \\
        python webhook_receiver.py --port 9000

A notification is signed over the bytes of its body as they came: verify those, and only then parse.
Only 200 within ten seconds counts as received; all else is sent again a few times, then the
subscription is disabled: what takes longer belongs in a queue. All may come twice, and in any order.
While a key is replaced, give both. BILL sends to https alone: let a proxy that speaks it stand before.
"""

import argparse
import base64
import hmac
import json
import os
import re
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES_MAX, SEEN_MAX = 1_000_000, 100_000
SIGNATURE = "x-bill-sha-signature"
STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Refused(Exception):
    """A status to answer with, and why."""


def sign(key: str, message: bytes) -> str:
    """The key is used as it is written, not decoded."""
    return base64.b64encode(hmac.digest(key.encode(), message, "sha256")).decode()


def same(right: str, given: str) -> bool:
    """In constant time; as bytes, because a header may hold letters that are not ASCII."""
    return hmac.compare_digest(right.encode(), given.encode())


def verify(keys: list[str], tolerance: int, headers: Message, body: bytes) -> str:
    """By what it is verified; refused if it is not."""
    key = next((key for key in keys if same(sign(key, body), headers.get(SIGNATURE, ""))), None)
    if key is None:
        raise Refused(401, f"{SIGNATURE} is missing or wrong")
    if not any(name in headers for name in STANDARD):
        return "BILL"
    # Standard Webhooks, if the sender has them switched on, sign an id and the time as well. Its
    # libraries take the secret as whsec_ and the base64 of BILL's key, which is the same key.
    id, seconds, signatures = (headers.get(name, "") for name in STANDARD)
    right = "v1," + sign(key, f"{id}.{seconds}.".encode() + body)
    if not any(same(right, each) for each in signatures.split(" ")):
        raise Refused(401, "webhook-signature is missing or wrong")
    if not re.fullmatch("[0-9]{1,12}", seconds) or abs(time.time() - int(seconds)) > tolerance:
        raise Refused(401, "webhook-timestamp is too far from this clock")
    return "BILL+standard"


class Receiver(ThreadingHTTPServer):
    request_queue_size = 128  # Several subscriptions send several at once.

    def __init__(self, address: tuple[str, int], keys: list[str], tolerance: int) -> None:
        super().__init__(address, Handler)
        self.keys, self.tolerance = keys, tolerance
        # A real program keeps these in its database, in one transaction with what it does about them.
        self.seen: OrderedDict[str, None] = OrderedDict()
        self.lock = threading.Lock()

    def take(self, headers: Message, body: bytes) -> None:
        by = verify(self.keys, self.tolerance, headers, body)
        try:
            about = json.loads(body)["metadata"]
            told = [about[name] for name in ("eventType", "eventId", "organizationId")]
        except (ValueError, LookupError, TypeError):
            raise Refused(400, "this is no notification") from None
        # Here begins what is yours to do.
        with self.lock:
            again = str(told[1]) in self.seen
            print(*told, by, "already seen" if again else "new", flush=True)
            self.seen[str(told[1])] = None
            if len(self.seen) > SEEN_MAX:
                self.seen.popitem(last=False)


class Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 10  # Seconds for a sender who says nothing.

    def do_POST(self) -> None:
        try:
            self.server.take(self.headers, self.body())
        except Refused as refused:
            self.send_error(*refused.args)
        else:
            self.send_response(200)
            self.end_headers()

    def body(self) -> bytes:
        """The raw bytes, to a bound that is known before they are read."""
        length = self.headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,18}", length) or "transfer-encoding" in self.headers:
            raise Refused(400, "content-length must say how long the body is")
        if int(length) > BODY_BYTES_MAX:
            raise Refused(413, f"more than {BODY_BYTES_MAX} bytes")
        return self.rfile.read(int(length))


def main() -> None:
    options = argparse.ArgumentParser(description="Receive and verify BILL's webhooks.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=os.environ.get("PORT", "9000"))
    options.add_argument("--key", action="append", help="again for each; else BILL_WEBHOOK_KEYS")
    far = "how many seconds webhook-timestamp may be from now"
    options.add_argument("--tolerance", type=int, default=300, help=far)
    asked = options.parse_args()
    keys = list(filter(None, asked.key or os.environ.get("BILL_WEBHOOK_KEYS", "").split()))
    if not keys:
        options.error("give a key: --key or BILL_WEBHOOK_KEYS")
    with Receiver((asked.host, asked.port), keys, asked.tolerance) as receiver:
        print(f"Listening on http://{asked.host}:{receiver.server_port}", flush=True)
        with suppress(KeyboardInterrupt):
            receiver.serve_forever()


if __name__ == "__main__":
    main()
