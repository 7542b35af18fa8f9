"""The proof, slow by nature: crashes, restarts, races and a year, then a look into the books."""

import os

# PROOF=short takes minutes, as CI has them.
LONG = os.environ.get("PROOF", "long") == "long"
