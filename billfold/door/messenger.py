"""The messenger: gives texts and calls to an SMS gateway, mails to an SMTP server (docs/messages.md).

What it says of a failure goes into the log, so it holds nothing of a letter and no credentials.
"""

import asyncio
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from billfold.access.messages import Channel, Letter
from billfold.door.posts import Poster
from billfold.kit.addresses import is_loopback
from billfold.kit.clock import real
from billfold.kit.errors import Unavailable

if TYPE_CHECKING:
    import aiosmtplib

MAIL_SECONDS_MAX = 10  # A step of the conversation; all of it has four times as long.


@dataclass(frozen=True, slots=True)
class Carriers:
    """Who carries: the gateway's URL and token, smtp[s]://user:password@host:port, and the sender."""

    sms_url: str = ""
    sms_token: str = ""
    smtp: str = ""
    mail_from: str = ""


class GatewayRequest(msgspec.Struct, rename="camel"):
    message_id: str
    to: str
    channel: Channel
    text: str


class Messenger:
    def __init__(self, carriers: Carriers) -> None:
        self.carriers = carriers
        self._poster = Poster(public_only=False)
        self.close = self._poster.close

    async def carry(self, letter: Letter) -> str | None:
        """None when it was taken, else why not."""
        if letter.channel is Channel.EMAIL:
            return await self._mail(letter)
        return await self._text(letter)

    async def _text(self, letter: Letter) -> str | None:
        if not self.carriers.sms_url:
            return "no SMS gateway is set up (sms_url)"
        headers = {"content-type": "application/json", "idempotency-key": letter.id}
        if self.carriers.sms_token:
            headers["authorization"] = f"Bearer {self.carriers.sms_token}"
        asked = GatewayRequest(letter.id, letter.to, letter.channel, letter.text)
        body = msgspec.json.encode(asked)
        try:
            answered = await self._poster.post(self.carriers.sms_url, body, headers)
        except Unavailable:
            return "no connection could be opened"
        if answered.status is None:
            # Only the kind of error: its text may hold the URL, and that a token.
            return (answered.failure or "").partition(":")[0]
        return None if 200 <= answered.status < 300 else f"the gateway said {answered.status}"

    async def _mail(self, letter: Letter) -> str | None:
        if not self.carriers.smtp:
            return "no mail server is set up (smtp)"
        import aiosmtplib

        try:
            async with asyncio.timeout(4 * MAIL_SECONDS_MAX), self._mail_server() as server:
                await server.send_message(self._message(letter))
        except aiosmtplib.SMTPResponseException as error:
            return f"the mail server said {error.code}"
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return type(error).__name__  # A ValueError is an address with a line break in it.
        return None

    def _mail_server(self) -> "aiosmtplib.SMTP":
        """Always encrypted, but for a relay on this machine that does not offer it."""
        import aiosmtplib

        place = urlsplit(self.carriers.smtp)
        host, at_once = place.hostname or "", place.scheme == "smtps"
        return aiosmtplib.SMTP(
            hostname=host,
            port=place.port or (465 if at_once else 587),
            username=unquote(place.username) if place.username else None,
            password=unquote(place.password or ""),
            use_tls=at_once,
            start_tls=False if at_once else None if is_loopback(host) else True,
            tls_context=ssl.create_default_context(),
            timeout=MAIL_SECONDS_MAX,
        )

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.carriers.mail_from
        message["To"] = letter.to
        message["Subject"] = letter.subject or "Billfold"
        message["Date"] = format_datetime(real())
        # The same at each attempt, so that a mail that came twice can be told.
        message["Message-ID"] = f"<{letter.id}@{self.carriers.mail_from.rpartition('@')[2].strip('>')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        return message
