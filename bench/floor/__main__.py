"""The server of the floor."""

import os
import sys
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from bench.floor.databases import Postgres, Sqlite
from bench.floor.operations import Refused, create_bill, get_vendor
from bench.floor.wire import encode

URL = "BENCH_FLOOR_URL"


def application(url: str) -> Starlette:
    database = Sqlite(url) if url.startswith("sqlite:") else Postgres(url)

    def endpoint(do, writes: bool, status: int):
        async def answer(request):
            headers = request.headers
            body = await request.body() if writes else None
            run = database.write if writes else database.read
            asked = headers.get("sessionid"), headers.get("devkey"), request.path_params, body
            try:
                said = await run(do, *asked)
            except Refused as refused:
                return Response(encode(refused.said), refused.status, media_type="application/json")
            except msgspec.ValidationError as error:
                said = encode([{"code": "BDC_1171", "message": str(error)}])
                return Response(said, 400, media_type="application/json")
            return Response(said, status, media_type="application/json")

        return answer

    @asynccontextmanager
    async def lifespan(_):
        await database.start()
        yield

    routes = [
        Route("/connect/v3/vendors/{vendor_id}", endpoint(get_vendor, False, 200)),
        Route("/connect/v3/bills", endpoint(create_bill, True, 201), methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def from_environment() -> Starlette:
    """For the processes that another one starts."""
    return application(os.environ[URL])


def main(url: str, port: str, processes: str = "1") -> None:
    options: dict[str, Any] = {
        "host": "127.0.0.1", "port": int(port), "loop": "uvloop", "http": "httptools", "ws": "none",
        "log_level": "warning", "access_log": False, "server_header": False,
    }  # fmt: skip
    if processes == "1":
        uvicorn.run(application(url), **options)
    else:
        os.environ[URL] = url
        served = "bench.floor.__main__:from_environment"
        uvicorn.run(served, factory=True, workers=int(processes), **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
