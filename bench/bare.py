"""The least a sender of notifications can do, with the same HTTP client and the same options: sign each
body, and post it: `python -m bench.bare URL TARGETS COUNT`."""

import asyncio
import sys
import uuid

import uvloop

from billfold.door.posts import Poster
from billfold.events.delivery import WELL
from billfold.kit.agenda_items import LANE_MAX
from billfold.kit.secrets import SIGNATURE_HEADER, signature

KEY = "k" * 40
BODY_BYTES = 1_500


def body(event_id: str, payload: bytes) -> bytes:
    return b'{"metadata":{"eventId":"%s"},' % event_id.encode() + payload[1:]


async def send_all(base: str, targets: int, count: int) -> None:
    poster = Poster(public_only=False)
    numbers = iter(range(count))
    padding = b'{"bill":{"description":"%s"}}' % (b"x" * (BODY_BYTES - 90))

    async def post_in_turn(url: str) -> None:
        for _ in numbers:
            said = body(str(uuid.uuid4()), padding)
            headers = {"content-type": "application/json", SIGNATURE_HEADER: signature(KEY, said)}
            answered = await poster.post(url, said, headers)
            assert answered.status == WELL, answered

    urls = [f"{base}/well/{number}" for number in range(targets)]
    await asyncio.gather(*(post_in_turn(url) for url in urls for _ in range(LANE_MAX)))
    await poster.close()


if __name__ == "__main__":
    uvloop.run(send_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
