"""The seed of a run: in `make test` always the same, in `make proof` another each time.

BILLFOLD_FUZZ_SEED gives it, so that what a run printed can be seen again.
"""

import os
from random import Random

_GIVEN = os.environ.get("BILLFOLD_FUZZ_SEED")
PROOF = os.environ.get("PROOF", "long")


def of_test() -> int:
    return int(_GIVEN or 1)


def of_proof() -> int:
    return int(_GIVEN) if _GIVEN else Random().randrange(10**9)
