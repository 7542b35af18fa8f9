"""`python -m billfold.healthy`: whether the server that these settings describe serves on this machine.

Exit code 0 or 1, for a container's health check.
"""

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from billfold.kit.errors import Unusable
from billfold.settings import load

ANSWER_SECONDS_MAX = 4


def main() -> int:
    try:
        settings, _ = load()
        where: HTTPConnection = HTTPConnection(
            settings.reached, settings.port, timeout=ANSWER_SECONDS_MAX
        )
        if settings.speaks_tls:
            # It is asked whether it lives; whose certificate it has is for its clients to check.
            anybody = ssl.create_default_context()
            anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
            where = HTTPSConnection(
                settings.reached, settings.port, timeout=ANSWER_SECONDS_MAX, context=anybody
            )
        where.request("GET", "/healthz")
        answer = where.getresponse()
        print(answer.read().decode(errors="replace").strip())
    except (Unusable, OSError, HTTPException) as error:
        print(f"billfold: {error}", file=sys.stderr)
        return 1
    return int(answer.status != 200)


if __name__ == "__main__":
    sys.exit(main())
