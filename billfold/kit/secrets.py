"""Secrets: one key per installation; numbers sealed at rest, tokens and codes kept as digests.

Password hashing takes tens of milliseconds, so it happens in threads of its own.
"""

import asyncio
import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from secrets import token_bytes, token_hex

from billfold.kit.errors import Unusable

KEY_BYTES = 32
NONCE_BYTES = 12
KEY_FILE = "billfold.key"
_threads = ThreadPoolExecutor(2, "argon2")


class Secrets:
    """What is done with the installation's key (256 bits)."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self._key = key
        # Says with which key a value was sealed, and nothing about the key.
        self.key_id = hashlib.sha256(b"billfold key id" + key).digest()[:4]

    @cached_property
    def _cipher(self):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._key)

    def seal(self, text: str, row_id: str) -> bytes:
        """AES-GCM, bound to its row: a value copied into another row does not open there."""
        nonce = token_bytes(NONCE_BYTES)
        return self.key_id + nonce + self._cipher.encrypt(nonce, text.encode(), row_id.encode())

    def open(self, sealed: bytes, row_id: str) -> str:
        if sealed[: len(self.key_id)] != self.key_id:
            raise ValueError(f"{row_id} was sealed with another key than this installation's")
        nonce, rest = sealed[4 : 4 + NONCE_BYTES], sealed[4 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, row_id.encode()).decode()
        except Exception as error:
            from cryptography.exceptions import InvalidTag

            if not isinstance(error, InvalidTag):
                raise
            raise ValueError(f"what is sealed of {row_id} was changed, or is another row's") from None

    def mac(self, purpose: str, message: bytes) -> bytes:
        """For what must not be forged, or guessed from a stolen database: cursors, six-digit codes."""
        return hmac.digest(self._key, purpose.encode() + b"\0" + message, "sha256")


def load(folder: Path, may_make: Callable[[], bool] = lambda: False) -> Secrets:
    """The key of BILLFOLD_KEY (base64) or of a file beside the data, which is made where there is none
    and one may be made."""
    if given := os.environ.get("BILLFOLD_KEY"):
        return Secrets(_read_key(given, "BILLFOLD_KEY"))
    path = folder / KEY_FILE
    if not path.exists() and may_make():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written whole and then named: two processes that start at once use the same key.
        draft = folder / f"{KEY_FILE}.{token_hex(4)}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(token_bytes(KEY_BYTES)))
            file.flush()
            os.fsync(file.fileno())  # Before anything is sealed with it.
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    if not path.exists():
        raise Unusable(
            f"no key: set BILLFOLD_KEY (32 bytes in base64) or put it into {path}; data that is there"
            " already needs the one it was sealed with"
        )
    return Secrets(_read_key(path.read_bytes(), str(path)))


def _read_key(text: str | bytes, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Unusable(f"{where} does not hold 32 bytes in base64")
    return key


def digest(token: str) -> str:
    """How a token that nobody can guess is kept: a stolen database opens no session."""
    return hashlib.sha256(token.encode()).hexdigest()


# Where a notification has its signature.
SIGNATURE_HEADER = "x-bill-sha-signature"


def signature(key: str, body: bytes) -> str:
    """base64(HMAC-SHA256(key, body)), as webhooks are signed (`webhooks.yaml`, signing)."""
    return base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode()


# Passwords


class Passwords:
    """argon2id; a sandbox takes the cheapest parameters, since its passwords are published."""

    def __init__(self, cheap: bool) -> None:
        self.cheap = cheap

    @cached_property
    def _hasher(self):
        from argon2 import PasswordHasher

        if self.cheap:
            return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's least

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(_threads, self.hash_now, password)

    def hash_now(self, password: str) -> str:
        return self._hasher.hash(password)

    async def match(self, hashed: str | None, password: str) -> bool:
        """Takes as long for a user who does not exist, so that nobody learns who does."""
        return await asyncio.get_running_loop().run_in_executor(_threads, self._match, hashed, password)

    def _match(self, hashed: str | None, password: str) -> bool:
        from argon2.exceptions import Argon2Error, InvalidHashError

        try:
            return self._hasher.verify(hashed or self._nobody(), password) and hashed is not None
        except (Argon2Error, InvalidHashError):
            return False

    @cache  # noqa: B019 - one per process
    def _nobody(self) -> str:
        return self._hasher.hash("nobody has this password")
